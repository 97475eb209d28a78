"""The map stage as a whole: which spans become Python values, and that the columns are those of the table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from litefuse.clickhouse.sql import statements
from schemas import conventions, metadata_names, usage_names
from schemas.runner import MIGRATIONS
from tests.worker.map.support import decoded, mapped, record, resource_spans, span
from worker.block import Slice, build
from worker.map import columns, gate, map_spans, one, read
from worker.map.columns import COLUMNS, aligned, decimals
from worker.map.mapped import Mapped
from worker.map.span import Span
from worker.plan import Plan

HTTP = {"http.request.method": "GET", "http.response.status_code": 200, "url.full": "https://example.com/"}
CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.usage.input_tokens": 12,
    "gen_ai.usage.output_tokens": 5,
    "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"Hi"}]}]',
}


def test_a_batch_without_llm_spans_gets_no_column() -> None:
    batch = decoded(record(resource_spans([span(0, HTTP), span(1, HTTP)], {"service.name": "shop"})))
    found = map_spans(batch, None)  # type: ignore[arg-type]  # no price is asked for
    assert found is not None
    assert found.schema.names == [n for n in batch.schema.names if n != "_resource"]


def test_only_spans_with_something_to_map_become_python_values(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def note(found: Span, project: str, prices: object) -> Mapped:
        seen.append(found.name)
        return Mapped(observation_name=found.name)

    monkeypatch.setattr("worker.map.map_span", note)
    mapped(resource_spans([span(0, HTTP), span(1, CHAT), span(2, HTTP), span(3, {"langfuse.user.id": "u"})]))
    assert seen == ["span 1", "span 3"]


@pytest.mark.parametrize(
    "one_of",
    [
        {"attributes": {"langfuse.user.id": "u"}},
        {"attributes": {"input.value": "x"}},
        {"attributes": {"genkit:name": "x"}},
        {"attributes": {"lk.chat_ctx": {"items": []}}},
        {"attributes": {"llm.token_count.prompt": 3}},
        {"attributes": {"ai.usage.cachedInputTokens": 1.5}},
        {"attributes": {"langfuse.internal.as_root": True}},
        {"events": {"gen_ai.user.message": {"content": "Hi"}}},
    ],
)
def test_the_gate_opens_for_each_type_of_attribute_and_for_events(one_of: dict[str, object]) -> None:
    batch = decoded(record(resource_spans([span(0, HTTP), span(1, **one_of), span(2, HTTP)])))  # type: ignore[arg-type]
    assert gate.look(batch).rows.tolist() == [False, True, False]


@pytest.mark.parametrize(
    "name",
    sorted(
        {name for row in conventions.FIELDS.values() for name in row}
        | set(metadata_names.REMOVED)
        | set(metadata_names.EXPERIMENT.values())
        | set(conventions.OLD_SDK_GENERATION + conventions.MODEL_PRESENT + conventions.VERCEL_MODEL)
        | set(conventions.GENAI_TOOL + conventions.FLUE_TOOL + conventions.FLUE_AGENT + metadata_names.TOOL_LISTS)
        | {f"{prefix}x" for prefix in metadata_names.METADATA_PREFIXES + metadata_names.TRACE_METADATA_PREFIXES}
        | {f"{prefix}x" for prefix in usage_names.USAGE_PREFIXES + usage_names.PARAMETER_PREFIXES}
        | set(usage_names.PROMPT_NAME + usage_names.PROMPT_VERSION + usage_names.PARAMETER_OBJECTS)
        | set(usage_names.FIRST_TOKEN_MS + usage_names.FIRST_TOKEN_SECONDS)
        | {name for row in usage_names.COSTS + usage_names.COSTS_LATE for name in row if name}
        | set(usage_names.VERCEL_INPUT + usage_names.VERCEL_OUTPUT + usage_names.VERCEL_TOTAL)
    ),
)
def test_the_gate_knows_each_name_of_the_tables(name: str) -> None:
    assert gate.speaks(name) or name in gate.TEXTS


def test_the_gate_opens_for_a_scope_and_for_a_resource() -> None:
    found = mapped(
        resource_spans([span(0, HTTP, name="tts_node")], scope="livekit-agents"),
        resource_spans([span(1, HTTP)], {"langfuse.environment": "staging"}),
        resource_spans([span(2, HTTP)], {"service.name": "plain"}),
    )
    assert found.column("level").to_pylist() == ["DEBUG", "DEFAULT", "DEFAULT"]
    assert found.column("environment").to_pylist() == ["default", "staging", "default"]


def test_plain_spans_beside_llm_spans_have_the_defaults_of_the_table() -> None:
    found = mapped(
        resource_spans(
            [span(0, HTTP, error="no route", parent=5), span(1, CHAT)],
            {"service.version": "1.2", "langfuse.release": "r"},
        ),
        resource_spans([span(2, HTTP)], {"deployment.environment": "prod"}),
    )
    plain = {name: found.column(name).to_pylist() for name in COLUMNS}
    assert plain["type"] == ["SPAN", "GENERATION", "SPAN"]
    assert plain["observation_name"] == ["span 0", "span 1", "span 2"]
    assert plain["level"] == ["ERROR", "DEFAULT", "DEFAULT"]
    assert plain["level_message"] == ["no route", "", ""]
    assert plain["environment"] == ["default", "default", "prod"]
    assert plain["app_version"] == ["1.2", "1.2", ""]
    assert plain["release"] == ["r", "r", ""]
    assert plain["is_root"] == [False, True, True]
    assert plain["total_cost"] == [None, None, None]
    assert plain["usage"] == [[], [("input", 12), ("output", 5), ("total", 17)], []]


def test_a_user_and_session_as_text_need_no_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.map.map_span", None)  # nothing calls it
    http = [span(0, HTTP), span(1, HTTP | {"user.id": "ann", "session.id": ""}), span(2, {"session.id": "s1"})]
    found = mapped(resource_spans(http))
    assert found.column("user_id").to_pylist() == ["", "ann", ""]
    assert found.column("session_id").to_pylist() == ["", "", "s1"]
    assert "type" not in found.schema.names


def test_wb_8_an_exception_speaks_for_an_error_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.map.map_span", None)  # nothing calls it
    what = {"exception": {"exception.type": "ValueError", "exception.message": "bad"}}
    spans = [
        span(0, HTTP, error="", events=what),
        span(1, HTTP, error="said", events=what),
        span(2, HTTP, events=what),
    ]
    found = mapped(resource_spans(spans))
    assert found.column("level_message").to_pylist() == ["ValueError: bad", "said", ""]


def test_users_of_mapped_and_of_plain_spans_stand_together() -> None:
    spans = [span(0, HTTP | {"user.id": "ann"}), span(1, CHAT | {"langfuse.user.id": "bob"}), span(2, {"user.id": 7})]
    assert mapped(resource_spans(spans)).column("user_id").to_pylist() == ["ann", "bob", "7"]


def test_an_environment_alone_adds_that_column_alone() -> None:
    found = mapped(resource_spans([span(0, HTTP)], {"deployment.environment.name": "Prod"}))
    assert found.column("environment").to_pylist() == ["prod"]
    assert "type" not in found.schema.names


def test_batches_with_and_without_mapped_columns_make_one_block() -> None:
    batches = [
        mapped(resource_spans([span(0, HTTP, error="x")])),
        mapped(resource_spans([span(1, CHAT)])),
        mapped(resource_spans([span(2, HTTP)], {"deployment.environment": "prod"})),
    ]
    table = aligned(batches)
    assert table.column("type").to_pylist() == ["SPAN", "GENERATION", "SPAN"]
    assert table.column("level").to_pylist() == ["ERROR", "DEFAULT", "DEFAULT"]
    assert table.column("environment").to_pylist() == ["default", "default", "prod"]
    slices = [Slice((record(),), b, (), 1, 0, 0.0) for b in batches]
    block = build(Plan(0, 1), slices)
    assert block.rows == 3
    assert set(COLUMNS) < set(block.parts[0].spans.column_names)


def test_a_fault_in_the_mapping_keeps_the_span_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(found: Span) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(one, "model", broken)
    found = mapped(resource_spans([span(0, CHAT), span(1, HTTP)]))
    assert found.num_rows == 2
    assert found.column("mapping_error").to_pylist() == ["ZeroDivisionError in the mapping of this span", ""]
    assert found.column("type").to_pylist() == ["GENERATION", "SPAN"]  # what came before the fault stays
    assert dict(found.column("attributes_string").to_pylist()[0])["gen_ai.request.model"] == "gpt-4o-mini"


def test_wb_1_values_are_decoded_whole() -> None:
    attributes = {
        "langfuse.a": [1, "x", [2.5, True], {"k": b"\x01"}, None],
        "langfuse.b": {"bytesValue": "not bytes"},
        "langfuse.c": b"raw",
        "langfuse.d": None,
        "langfuse.e": [],
        "langfuse.f": {},
        "langfuse.g": 2**63 - 1,
        "langfuse.h": [float("inf")],
        "langfuse.i": {"deep": {"doubleValue": 1, "other": 2}},
    }
    batch = decoded(record(resource_spans([span(0, attributes)])))
    (found,) = read.spans(batch, np.array([0]), [{}])
    assert found.attributes == {
        "langfuse.a": [1, "x", [2.5, True], {"k": "AQ=="}, None],
        "langfuse.b": {"bytesValue": "not bytes"},
        "langfuse.c": "cmF3",
        "langfuse.e": [],
        "langfuse.f": {},
        "langfuse.g": 2**63 - 1,
        "langfuse.h": [float("inf")],
        "langfuse.i": {"deep": {"doubleValue": 1, "other": 2}},
    }


def test_a_span_is_read_with_its_resource_scope_and_events() -> None:
    made = resource_spans(
        [span(3, CHAT, parent=1, error="broken", events={"gen_ai.choice": {"index": 0, "ok": True, "list": [1]}})],
        {"service.name": "shop", "n": 1},
        scope="my.scope",
    )
    made.scope_spans[0].scope.version = "2.0"
    made.scope_spans[0].scope.attributes.add(key="k").value.int_value = 7
    batch = decoded(record(made))
    (found,) = read.spans(batch, np.array([0]), read.resources(batch, np.array([0])))
    assert found.resource == {"service.name": "shop", "n": 1}
    assert (found.scope_name, found.scope_version, found.scope_attributes) == ("my.scope", "2.0", {"k": 7})
    assert [(e.name, dict(e.attributes)) for e in found.events] == [
        ("gen_ai.choice", {"index": 0, "ok": True, "list": [1]})
    ]
    assert (found.status_code, found.status_message, found.parent_span_id) == ("ERROR", "broken", f"{2:016x}")
    assert found.end_ns - found.start_ns == 1_000_000_000


def test_picodollars_are_decimals_of_twelve_places() -> None:
    found = decimals([1, None, 0, 999_999_999_999_999_999, -5])
    assert [v and f"{v:f}" for v in found.to_pylist()] == [
        "0.000000000001",
        None,
        Decimal(0),
        "999999.999999999999",
        "-0.000000000005",
    ]


def _table_columns() -> Iterator[tuple[str, str]]:
    for path in sorted(Path(MIGRATIONS).glob("000[2-9]*.sql")):
        for statement in statements(path.read_text()):
            if statement.startswith("ALTER TABLE spans"):
                yield from re.findall(r"ADD COLUMN IF NOT EXISTS `?([\w.]+)`? (.*)", statement)


def test_each_column_is_one_of_the_table() -> None:
    stored = {name for name, rest in _table_columns() if " ALIAS " not in rest}
    assert stored == set(columns.COLUMNS)


def test_map_columns_are_typed_as_declared() -> None:
    found = mapped(resource_spans([span(0, CHAT), span(1, HTTP)]))
    for name, column in COLUMNS.items():
        assert found.column(name).type == column.type, name
        assert isinstance(found.column(name), pa.Array)
