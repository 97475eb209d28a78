"""Objects that were told by events are cut into records of the log."""

from __future__ import annotations

from litefuse.otlp.schema import FULL_REQUEST
from litefuse.text_ids import span_id, trace_id
from web.api.ingestion_rows import Row
from web.api.ingestion_spans import records


def test_rows_are_cut_into_records_that_fit() -> None:
    rows = [Row(f"t{n}", f"s{n}", 1, attributes={"langfuse.observation.input": "ä" * 50_000}) for n in range(30)]
    found = list(records([(row, 1) for row in rows], 1 << 20))
    assert len(found) > 2
    assert all(len(record.value) <= 1 << 20 for record in found)
    sent = [s for record in found for s in FULL_REQUEST.FromString(record.value).resource_spans[0].scope_spans[0].spans]
    assert [span.span_id for span in sent] == [span_id(row.span_id) for row in rows]


def test_records_of_one_trace_have_it_for_their_key() -> None:
    (one,) = records([(Row("t", "a", 1), 1), (Row("t", "b", 1), 1)], 1 << 20)
    (two,) = records([(Row("t", "a", 1), 1), (Row("u", "b", 1), 1)], 1 << 20)
    assert (one.key, two.key) == (trace_id("t"), None)


def test_what_does_not_fit_alone_says_that_it_was_cut() -> None:
    row = Row("t", "s", 1, attributes={"langfuse.observation.input": "ä" * 500_000, "langfuse.version": "v"})
    (record,) = records([(row, 1)], 200_000)
    assert len(record.value) <= 200_000
    (span,) = FULL_REQUEST.FromString(record.value).resource_spans[0].scope_spans[0].spans
    texts = {a.key.decode(): a.value.string_value.decode() for a in span.attributes}
    assert texts["langfuse.observation.input"].startswith("ää")
    assert "[cut, it was" in texts["langfuse.observation.input"]
    assert texts["langfuse.version"] == "v"
