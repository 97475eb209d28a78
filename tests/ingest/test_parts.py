"""The small parts alone: answers, the budget, keys of records, the clock."""

from __future__ import annotations

import json
import time

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from ingest.answer import response_body
from ingest.inflight import OVERHEAD, Budget
from ingest.plan import one_trace, plan, plan_quickly
from ingest.publish import Clock
from litefuse.errors import RequestError
from tests.ingest.support import JSON, NOW, PROTOBUF, request


@pytest.mark.parametrize(
    ("rejected", "message"), [(0, ""), (1, "one"), (0, "a warning"), (3, "ünï ☃ " * 50), (2**40, "x"), (1, "\ud800")]
)
def test_answers_are_what_protobuf_reads(rejected: int, message: str) -> None:
    clean = message.encode("utf-8", "replace").decode()
    expected = ExportTraceServiceResponse()
    if rejected or message:
        expected.partial_success.rejected_spans = rejected
        expected.partial_success.error_message = clean
    assert ExportTraceServiceResponse.FromString(response_body(PROTOBUF, rejected, message)) == expected
    if clean == message:
        assert json_format.Parse(response_body(JSON, rejected, message), ExportTraceServiceResponse()) == expected
    if rejected:
        tree = json.loads(response_body(JSON, rejected, clean))
        assert tree == {"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": clean}}


def test_budget() -> None:
    budget = Budget(3 * OVERHEAD)
    with budget.lease() as first, budget.lease() as second:
        assert budget.used == 2 * OVERHEAD
        first.add(OVERHEAD)
        with pytest.raises(RequestError) as refused:
            second.add(1)
        assert (refused.value.status, refused.value.retry_after) == (503, 1)
        with pytest.raises(RequestError):
            budget.lease()
        first.release()
        second.add(OVERHEAD)
        second.grow(100 * OVERHEAD)  # work that is done already is counted, whatever it is
        with pytest.raises(RequestError):
            first.add(1)
        second.release()
    assert budget.used == 0
    with budget.lease() as alone:
        alone.add(1000 * OVERHEAD)
        with pytest.raises(RequestError):
            budget.lease()
    assert budget.used == 0


def test_keys_of_records() -> None:
    one, two = bytes([1]) * 16, bytes([2]) * 16
    assert one_trace(request({}).SerializeToString(), 1) == one
    assert one_trace(request({}, {}).SerializeToString(), 2) == one
    assert one_trace(request({}, {"trace_id": two}).SerializeToString(), 2) is None
    assert one_trace(request({"trace_id": b"short"}).SerializeToString(), 1) is None
    assert one_trace(b"", 0) is None
    assert one_trace(request(*[{"name": "x" * 1000}] * 2000).SerializeToString(), 2000) is None  # too much to search


def test_a_plan_that_takes_long_is_left_to_a_thread() -> None:
    many = request(*[{"name": ""}] * 5000).SerializeToString()
    assert plan_quickly(many, PROTOBUF, "", NOW, 0, 1 << 26) is None
    assert plan(many, PROTOBUF, "", NOW, 0, 1 << 26, 1 << 26).count == 5000
    nothing = b"\x0a\x89\x27\x12\x86\x27" + b"\x12\x00" * 2499  # thousands of empty spans in 5 kB
    assert plan_quickly(nothing, PROTOBUF, "", NOW, 0, 1 << 26) is None
    few = plan_quickly(request({}, {}).SerializeToString(), PROTOBUF, "", NOW, 0, 1 << 26)
    assert few is not None
    assert few.count == 2


def test_the_clock_never_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    first = clock.now()
    monkeypatch.setattr(time, "time_ns", lambda: first - 10**9)  # set back by a second
    assert [clock.now() - first for _ in range(3)] == [1, 2, 3]
