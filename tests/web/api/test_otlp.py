"""A trace is read back as the OTLP that was sent, by GET /api/public/otel/v1/traces/{traceId}, in protobuf and in JSON."""

from __future__ import annotations

import contextlib
import json
import random
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from litefuse import text_ids
from litefuse.otlp.schema import FULL_REQUEST
from tests.corpus_files import captured
from tests.otlp import canonical, gen
from tests.otlp.growing import Grower
from tests.processes import litefuse
from tests.talking import JSON, PROTOBUF, Up
from tests.waiting import eventually
from web.api.otlp import wants_protobuf


class Reader(Up):
    """Reads traces as OTLP."""

    def get(self, trace_id: str, accept: str | None = None) -> tuple[int, Mapping[str, str], bytes]:
        return self.call("GET", f"/otel/v1/traces/{trace_id}", None, **({} if accept is None else {"Accept": accept}))

    def has(self, trace_id: str, spans: int) -> bool:
        return len(self.spans(trace_id)) >= spans

    def spans(self, trace_id: str) -> canonical.Spans:
        """What is read of a trace now."""
        status, headers, body = self.get(trace_id, PROTOBUF)
        if status == 404:
            return {}
        assert status == 200, body
        assert headers["Content-Type"] == PROTOBUF
        return dict(canonical.spans(ExportTraceServiceRequest.FromString(body)))


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    with litefuse("up", data_dir=tmp_path_factory.mktemp("otlp") / "data") as process:
        yield Reader(process)


def by_trace(spans: canonical.Spans) -> dict[str, canonical.Spans]:
    found: dict[str, canonical.Spans] = {}
    for key, said in spans.items():
        found.setdefault(key[0].hex(), {})[key] = said
    return found


def check(up: Reader, sent: list[ExportTraceServiceRequest]) -> None:
    """All spans of the requests, which were posted, come back, in both encodings."""
    expected = by_trace(canonical.kept(sent))
    assert expected
    for trace_id, spans in expected.items():
        eventually(partial(up.has, trace_id, len(spans)), 30)
        with contextlib.suppress(AssertionError):  # a copy of a span that is there already may be on its way
            eventually(lambda t=trace_id, s=spans: up.spans(t) == s, 5)  # type: ignore[misc]
        assert up.spans(trace_id) == spans
        status, headers, body = up.get(trace_id)
        assert (status, headers["Content-Type"]) == (200, JSON)
        assert dict(canonical.spans(canonical.of_json(json.loads(body)))) == spans


CORPUS = [call for call in captured() if call.body]


def test_every_captured_request(up: Reader) -> None:
    """All of them in their order, as some clients send a span twice."""
    sent = []
    for call in CORPUS:
        up.traces(call.body, call.content_type, **({"Content_Encoding": call.encoding} if call.encoding else {}))
        if call.is_json:
            sent.append(canonical.of_json(json.loads(call.plain), lenient=True))
        else:
            sent.append(ExportTraceServiceRequest.FromString(call.plain))
    check(up, sent)


def test_generated_requests(up: Reader) -> None:
    chance = random.Random(5)
    grower = Grower(6)
    sent = []
    for _ in range(40):
        sent.append(grower.request([chance.randbytes(16) for _ in range(3)]))
        up.traces(sent[-1].SerializeToString())
    check(up, sent)


def test_resources_and_scopes_are_said_once(up: Reader) -> None:
    request = ExportTraceServiceRequest()
    trace_id = b"resources+scopes"
    for number, name in enumerate(["one", "two", "one", "one"]):
        of_resource = request.resource_spans.add()
        pairs: list[tuple[str, str | float]] = [("service.name", name), ("nan", float("nan"))]
        for key, value in reversed(pairs) if number % 2 else pairs:
            pair = of_resource.resource.attributes.add(key=key)
            if isinstance(value, str):
                pair.value.string_value = value
            else:
                pair.value.double_value = value
        of_scope = of_resource.scope_spans.add()
        of_scope.scope.name = "a" if number < 3 else "b"
        of_scope.spans.add(
            trace_id=trace_id, span_id=bytes(7) + bytes((number + 1,)), start_time_unix_nano=gen.START + number
        )
    up.traces(request.SerializeToString())
    check(up, [request])
    read = ExportTraceServiceRequest.FromString(up.get(trace_id.hex(), PROTOBUF)[2])
    assert [len(each.scope_spans) for each in read.resource_spans] == [2, 1]
    assert [len(scope.spans) for each in read.resource_spans for scope in each.scope_spans] == [2, 1, 1]


@pytest.mark.parametrize("nested", [gen.nested_list, gen.nested_map])
def test_as_deep_as_values_may_be(up: Reader, nested: Any) -> None:
    """Deeper than protobuf's own readers go, so it is compared as bytes and as JSON."""
    trace_id = random.Random(nested.__name__).randbytes(16)
    value = nested(50)
    up.traces(gen.request(gen.span(trace_id, rest=gen.attribute("deep", value))))
    eventually(lambda: up.get(trace_id.hex())[0] == 200, 30)
    read = FULL_REQUEST.FromString(up.get(trace_id.hex(), PROTOBUF)[2])
    assert read.resource_spans[0].scope_spans[0].spans[0].attributes[0].value.SerializeToString() == value
    span = json.loads(up.get(trace_id.hex())[2])["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    found, depth = span["attributes"][0]["value"], 0
    while "stringValue" not in found:
        inner = (found.get("arrayValue") or found["kvlistValue"])["values"][0]
        found, depth = inner.get("value", inner), depth + 1
    assert (found, depth) == ({"stringValue": "x"}, 50)


def test_json_is_that_of_otlp(up: Reader) -> None:
    """Enums as numbers, 64-bit integers as texts, ids in hex, bytes in base64, NaN by name."""
    request = ExportTraceServiceRequest()
    span = (
        request.resource_spans.add()
        .scope_spans.add()
        .spans.add(
            trace_id=b"the rules' trace",
            span_id=b"8 bytes!",
            kind=3,
            start_time_unix_nano=gen.START,
            name="n",
            flags=257,
        )
    )
    span.status.code = Status.STATUS_CODE_ERROR
    span.attributes.add(key="int").value.int_value = 0
    span.attributes.add(key="nan").value.double_value = float("nan")
    span.attributes.add(key="raw").value.bytes_value = b"\xff"
    span.attributes.add(key="empty").value.SetInParent()
    span.events.add(time_unix_nano=5, name="e")
    up.traces(request.SerializeToString())
    eventually(lambda: up.get(span.trace_id.hex())[0] == 200, 30)
    read = json.loads(up.get(span.trace_id.hex())[2])["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    values = {pair["key"]: pair["value"] for pair in read.pop("attributes")}
    assert values == {
        "int": {"intValue": "0"},
        "nan": {"doubleValue": "NaN"},
        "raw": {"bytesValue": "/w=="},
        "empty": {},
    }
    assert read == {
        "traceId": span.trace_id.hex(),
        "spanId": span.span_id.hex(),
        "name": "n",
        "kind": 3,
        "startTimeUnixNano": str(gen.START),
        "status": {"code": 2},
        "flags": 257,
        "events": [{"timeUnixNano": "5", "name": "e"}],
    }


def test_ids_of_any_text_go_as_their_hashes(up: Reader) -> None:
    """What POST /ingestion was told goes out as spans whose ids are made of the texts, which are attributes."""
    trace_id = "order/4711 ü"
    at = "2026-06-01T00:00:00.000Z"
    batch = [
        {
            "id": "e1",
            "type": "trace-create",
            "timestamp": at,
            "body": {"id": trace_id, "name": "order", "timestamp": at},
        },
        {
            "id": "e2",
            "type": "span-create",
            "timestamp": at,
            "body": {"id": "outer span", "traceId": trace_id, "name": "outer", "startTime": at},
        },
        {
            "id": "e3",
            "type": "span-create",
            "timestamp": at,
            "body": {
                "id": "00f067aa0ba902b7",
                "traceId": trace_id,
                "parentObservationId": "outer span",
                "name": "inner",
                "startTime": at,
            },
        },
    ]
    told = up.post("/ingestion", json.dumps({"batch": batch}).encode())
    assert json.loads(told)["errors"] == []
    eventually(lambda: up.has(quote(trace_id), 3), 30)
    found = {said[2]["name"]: (key, said[2]) for key, said in up.spans(quote(trace_id)).items()}
    assert found.keys() == {"order", "outer", "inner"}
    assert {key[0] for key, _ in found.values()} == {text_ids.trace_id(trace_id)}
    (_, outer_id), outer = found["outer"]
    (_, inner_id), inner = found["inner"]
    assert (outer_id, outer["parent"]) == (text_ids.span_id("outer span"), b"")
    assert (inner_id.hex(), inner["parent"]) == ("00f067aa0ba902b7", outer_id)
    assert outer["attributes"][text_ids.TRACE_ID] == ("string_value", trace_id)
    assert inner["attributes"][text_ids.PARENT_SPAN_ID] == ("string_value", "outer span")
    assert text_ids.SPAN_ID not in inner["attributes"]


@pytest.mark.parametrize("accept", [None, PROTOBUF])
def test_an_unknown_trace_is_404_in_the_shape_of_the_api(up: Reader, accept: str | None) -> None:
    status, headers, body = up.get("f" * 32, accept)
    assert (status, headers["Content-Type"].partition(";")[0]) == (404, JSON)
    assert json.loads(body) == {"message": "Trace not found", "error": "LangfuseNotFoundError"}


@pytest.mark.parametrize(
    ("accept", "protobuf"),
    [
        ([], False),
        (["*/*"], False),
        (["application/json"], False),
        (["application/x-protobuf"], True),
        (["Application/X-Protobuf; charset=x"], True),
        (["text/html", "application/protobuf"], True),
        (["application/x-protobuf;q=0.5, application/json"], False),
        (["application/json;q=0.5, application/x-protobuf"], True),
        (["application/x-protobuf;q=0"], False),
        (["application/x-protobuf;q=broken"], False),
    ],
)
def test_accept(accept: list[str], protobuf: bool) -> None:
    assert wants_protobuf(accept) == protobuf


def test_errors_before_the_route_have_that_shape_too(up: Reader) -> None:
    status, _, body = up.call("PUT", f"/otel/v1/traces/{'a' * 32}", b"{}")
    assert (status, json.loads(body)["error"]) == (405, "MethodNotAllowedError")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{up.process.url}/api/public/otel/v1/traces/{'a' * 32}", timeout=30)
    assert refused.value.code == 401
    assert json.loads(refused.value.read())["error"] == "UnauthorizedError"
