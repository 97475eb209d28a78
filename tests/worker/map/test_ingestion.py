"""Spans that web makes of events (litefuse/ingested.py): ids that are text, rows of traces, their order."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from litefuse.ingested import KIND, SCOPE, TRACE, VERSION
from litefuse.log.base import TRACES, Record
from litefuse.text_ids import PARENT_SPAN_ID, SPAN_ID, TRACE_ID
from tests.worker.map.support import START_NS, NoPrices, key_values
from worker.decode import Defaults, decode
from worker.map import map_spans

RECEIVED_NS = START_NS + 10**9


def rows(*spans: tuple[str, dict[str, Any]], parent: bytes = b"") -> list[dict[str, Any]]:
    """Rows of one record; each span has a scope and attributes."""
    request = ExportTraceServiceRequest()
    for number, (scope, attributes) in enumerate(spans):
        scoped = request.resource_spans.add().scope_spans.add()
        scoped.scope.name = scope
        scoped.spans.add(
            trace_id=bytes(15) + b"\x01",
            span_id=(number + 1).to_bytes(8, "big"),
            parent_span_id=parent,
            name=f"span {number}",
            start_time_unix_nano=START_NS,
            attributes=key_values(attributes),
        )
    headers = (("project_id", b"p"), ("received_at", b"%d" % RECEIVED_NS))
    record = Record(TRACES, 0, 0, 0, None, request.SerializeToString(), headers)
    piece = decode([record], Defaults(), 0.0)
    assert not piece.letters
    batch = map_spans(piece.spans, NoPrices())
    assert batch is not None
    found: list[dict[str, Any]] = batch.to_pylist()
    return found


def received(row: dict[str, Any]) -> int:
    return int(row["received_at"].value)


def test_ids_are_the_texts_and_the_version_is_the_order() -> None:
    ids = {TRACE_ID: "my trace/1", SPAN_ID: "ä", PARENT_SPAN_ID: "up"}
    plain, told, llm = rows(
        ("http", {"http.method": "GET"}),
        (SCOPE, {**ids, VERSION: START_NS + 5, "langfuse.observation.type": "tool"}),
        ("other", {"gen_ai.operation.name": "chat"}),
        parent=b"\x09" * 8,
    )
    assert (told["trace_id"], told["span_id"], told["parent_span_id"]) == ("my trace/1", "ä", "up")
    assert (told["type"], told["is_root"], told["is_app_root"]) == ("TOOL", False, False)
    assert received(told) == START_NS + 5
    for number, row in ((1, plain), (3, llm)):
        assert (row["trace_id"], row["span_id"], row["parent_span_id"]) == (f"{1:032x}", f"{number:016x}", "09" * 8)
        assert received(row) == RECEIVED_NS
    assert llm["type"] == "GENERATION"


def test_without_a_text_the_otlp_id_is_the_id() -> None:
    (row,) = rows((SCOPE, {SPAN_ID: "s", VERSION: 7}))
    assert (row["trace_id"], row["span_id"], row["parent_span_id"]) == (f"{1:032x}", "s", "")
    assert received(row) == 7


def test_an_observation_at_the_top_is_not_the_root_of_its_trace() -> None:
    """Its input is its own, and its version that of the observation."""
    said = {"langfuse.observation.input": "own", "langfuse.version": "v", "langfuse.internal.as_root": "true"}
    (row,) = rows((SCOPE, {SPAN_ID: "s", **said}))
    assert (row["is_root"], row["is_app_root"]) == (False, True)
    assert (row["input"], row["trace_input"], row["trace_metadata"]) == ("own", "", [])
    assert (row["app_version"], row["app_version_is_own"]) == ("v", False)


def test_a_row_of_a_trace_says_what_is_said_of_it_and_is_no_observation() -> None:
    (row,) = rows(
        (
            SCOPE,
            {
                KIND: TRACE,
                TRACE_ID: "t",
                "langfuse.trace.name": "n",
                "langfuse.trace.input": "in",
                "langfuse.trace.metadata.k": "v",
                "langfuse.release": "r",
                "langfuse.trace.public": "true",
            },
        )
    )
    assert (row["type"], row["trace_id"], row["is_root"], row["is_app_root"]) == ("TRACE", "t", False, False)
    assert (row["trace_name"], row["trace_input"], row["input"]) == ("n", "in", "")
    assert (row["release"], row["release_is_own"], row["trace_public"]) == ("r", True, True)
    assert (row["trace_metadata"], row["metadata"]) == ([("k", "v")], [])


@pytest.mark.parametrize("scope", ["", "langfuse-sdk", "litefuse.ingestion.x"])
def test_another_scope_that_writes_these_attributes_means_nothing(scope: str) -> None:
    (row,) = rows((scope, {KIND: TRACE, TRACE_ID: "t", SPAN_ID: "s", VERSION: 1}))
    assert (row["trace_id"], row["span_id"], row["type"]) == (f"{1:032x}", f"{1:016x}", "SPAN")
    assert (row["is_root"], received(row)) == (True, RECEIVED_NS)


@pytest.mark.parametrize("value", [7, "", True, ["x"], None, 1.5])
def test_values_that_are_no_ids_are_none(value: Any) -> None:
    (row,) = rows((SCOPE, {TRACE_ID: value, VERSION: "x" if value == 7 else -1}))
    assert row["trace_id"] == f"{1:032x}"
    assert received(row) == RECEIVED_NS
