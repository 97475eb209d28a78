"""OTLP/JSON becomes the protobuf that an exporter would have sent: fields, values, ids, times, enums."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from litefuse.otlp.json import to_protobuf
from tests.otlp import gen
from tests.otlp.json_support import between_good, convert, message, one, spans, value

# -- equality ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "body"), gen.captured("application/x-protobuf"))
def test_is_what_the_exporter_sent_as_protobuf(name: str, body: bytes) -> None:
    expected = ExportTraceServiceRequest.FromString(body)
    converted = convert(gen.as_json(body))
    assert converted.rejected == []
    assert message(converted) == expected
    assert converted.count == sum(len(s.spans) for r in expected.resource_spans for s in r.scope_spans)


def test_captured_json_is_as_its_senders_meant_it() -> None:
    for name, body in gen.captured("application/json"):
        converted = to_protobuf(body)
        assert converted.rejected == []
        first, second = spans(converted)
        assert first.trace_id.hex().startswith("5b8efff798038103d269b633813fc60"), name
        assert (second.span_id.hex(), second.parent_span_id.hex()) == ("00f067aa0ba902b8", "00f067aa0ba902b7")
        assert second.start_time_unix_nano == first.start_time_unix_nano + 1000
        found = {pair.key: pair.value for pair in first.attributes}
        assert found["int.as.string"].int_value == (1 << 63) - 1
        assert found["int.as.number"].int_value == 7
        assert found["bytes"].bytes_value == b"\x00\x01\x02\x80\xff"
        assert found["bool"].WhichOneof("value") == "bool_value"
        assert found["unicode"].string_value == "世界 🚀"
        assert found["kv"].kvlist_value.values[0].value.int_value == 1
        assert [v.string_value for v in found["langfuse.trace.tags"].array_value.values] == ["a", "b"]
        assert (first.status.code, first.status.message, first.flags, first.dropped_attributes_count) == (
            2,
            "bad",
            256,
            2,
        )
        assert first.links[0].trace_id == b"\xff" * 16
        assert first.events[0].attributes[0].key == "k"


def test_every_field() -> None:
    request = {
        "resourceSpans": [
            {
                "resource": {
                    "attributes": [{"key": "a", "value": {"stringValue": "b"}}],
                    "droppedAttributesCount": 1,
                    "entityRefs": [{"schemaUrl": "u", "type": "t", "idKeys": ["a", "b"], "descriptionKeys": ["c"]}],
                },
                "scopeSpans": [
                    {
                        "scope": {
                            "name": "n",
                            "version": "v",
                            "attributes": [{"key": "x"}],
                            "droppedAttributesCount": 2,
                        },
                        "spans": [
                            gen.json_span(
                                traceState="a=b",
                                parentSpanId="ffffffffffffffff",
                                kind=5,
                                flags=257,
                                attributes=[],
                                droppedAttributesCount=3,
                                droppedEventsCount=4,
                                droppedLinksCount=5,
                                events=[
                                    {"timeUnixNano": "9", "name": "e", "attributes": [], "droppedAttributesCount": 6}
                                ],
                                links=[{"traceId": "01" * 16, "spanId": "02" * 8, "traceState": "s", "flags": 7}],
                                status={"code": 1, "message": "m"},
                            )
                        ],
                        "schemaUrl": "scope-url",
                    },
                    {"spans": []},
                ],
                "schemaUrl": "resource-url",
            },
            {},
        ]
    }
    found = message(convert(request))
    assert gen.as_json(found.SerializeToString()) == {
        "resourceSpans": [
            {
                "resource": request["resourceSpans"][0]["resource"],
                "scopeSpans": [
                    {
                        "scope": request["resourceSpans"][0]["scopeSpans"][0]["scope"],  # type: ignore[index]
                        "spans": [
                            {
                                key: inner
                                for key, inner in request["resourceSpans"][0]["scopeSpans"][0]["spans"][0].items()  # type: ignore[index]
                                if key != "attributes"
                            }
                            | {"events": [{"timeUnixNano": "9", "name": "e", "droppedAttributesCount": 6}]}
                        ],
                        "schemaUrl": "scope-url",
                    },
                    {},
                ],
                "schemaUrl": "resource-url",
            },
            {},
        ]
    }


# -- values ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (0, 0),
        ("0", 0),
        ("-0", 0),
        (7, 7),
        (7.0, 7),
        ("7.0", 7),
        ("1e3", 1000),
        ("9223372036854775807", (1 << 63) - 1),
        (9223372036854775807, (1 << 63) - 1),
        ("-9223372036854775808", -1 << 63),
        (-9223372036854775808, -1 << 63),
        ("-1", -1),
        (9007199254740993, 9007199254740993),
        ({"low": -1, "high": -1}, -1),
        ({"low": 1, "high": 1, "unsigned": False}, (1 << 32) + 1),
    ],
)
def test_integers_are_exact(given: Any, expected: int) -> None:
    assert value({"intValue": given}).int_value == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (0.1, 0.1),
        (1, 1.0),
        (-0.0, -0.0),
        ("1.5", 1.5),
        ("-1e-7", -1e-7),
        ("5", 5.0),
        (5e-324, 5e-324),
        (1.7976931348623157e308, 1.7976931348623157e308),
        ("Infinity", math.inf),
        ("-Infinity", -math.inf),
        (1 << 63, float(1 << 63)),
        (1 << 100, float(1 << 100)),
    ],
)
def test_doubles(given: Any, expected: float) -> None:
    found = value({"doubleValue": given}).double_value
    assert (found, math.copysign(1, found)) == (expected, math.copysign(1, expected))


def test_not_a_number() -> None:
    assert math.isnan(value({"doubleValue": "NaN"}).double_value)
    # Not JSON, but what many serialisers make of it.
    text = between_good(json.dumps(gen.json_span(attributes=[{"key": "k", "value": {"doubleValue": math.nan}}])))
    assert b"NaN" in text
    converted = to_protobuf(text)
    assert converted.rejected == []
    assert math.isnan(spans(converted)[1].attributes[0].value.double_value)


@pytest.mark.parametrize("given", ["AAECgP8=", "AAECgP8", "AAECgP8===", "AAECgP8=\n".strip()])
def test_bytes_padded_or_not(given: str) -> None:
    assert value({"bytesValue": given}).bytes_value == b"\x00\x01\x02\x80\xff"


def test_bytes_standard_and_url_safe() -> None:
    assert value({"bytesValue": "+/+/"}).bytes_value == value({"bytesValue": "-_-_"}).bytes_value == b"\xfb\xff\xbf"
    assert value({"bytesValue": ""}).WhichOneof("value") == "bytes_value"


@pytest.mark.parametrize("given", [{}, {"stringValue": None}, {"future": 1}])
def test_an_empty_value_is_kept_as_such(given: Any) -> None:
    assert value(given).WhichOneof("value") is None


def test_a_key_without_value_and_a_value_without_key() -> None:
    first, second, third = one(
        attributes=[{"key": "k"}, {"key": "k", "value": None}, {"value": {"intValue": 1}}]
    ).attributes
    assert not first.HasField("value")
    assert not second.HasField("value")
    assert (third.key, third.value.int_value) == ("", 1)


def test_empty_lists_and_maps_are_not_nothing() -> None:
    values: list[dict[str, Any]] = [{}, {"values": []}, {"values": None}]
    for given in values:
        assert value({"arrayValue": given}).WhichOneof("value") == "array_value"
    assert value({"kvlistValue": {}}).WhichOneof("value") == "kvlist_value"


def test_of_two_values_the_last_counts() -> None:
    assert value({"stringValue": "a", "intValue": 1}).WhichOneof("value") == "int_value"
    assert value({"intValue": 1, "stringValue": "a"}).WhichOneof("value") == "string_value"
    assert value({"intValue": 1, "stringValue": None}).WhichOneof("value") == "int_value"


def test_of_two_equal_json_keys_the_last_counts() -> None:
    converted = to_protobuf(between_good('{"name":"first","traceId":5,"name":"good","traceId":"' + "ab" * 16 + '"}'))
    assert spans(converted)[1].trace_id == b"\xab" * 16
    assert [s.name for s in spans(converted)] == ["good"] * 3


# -- ids, times, enums -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("0102030405060708090a0b0c0d0e0f10", gen.TRACE_ID),
        ("0102030405060708090A0B0C0D0E0F10", gen.TRACE_ID),
        ("AQIDBAUGBwgJCgsMDQ4PEA==", gen.TRACE_ID),
        ("AQIDBAUGBwgJCgsMDQ4PEA", gen.TRACE_ID),
        ("-_-_-_-_-_-_-_-_-_-_-w==", b"\xfb\xff\xbf" * 5 + b"\xfb"),
        ("+/+/+/+/+/+/+/+/+/+/+w==", b"\xfb\xff\xbf" * 5 + b"\xfb"),
        (list(gen.TRACE_ID), gen.TRACE_ID),
        ({"type": "Buffer", "data": list(gen.TRACE_ID)}, gen.TRACE_ID),
        # For the check to refuse, with the right reason:
        ("", b""),
        (None, b""),
        ("0102", b"\1\2"),
        ("0" * 22, bytes(11)),
        ("ab" * 17, b"\xab" * 17),
        ("xyz", b""),
        ("0102030405060708090a0b0c0d0e0f1", b""),
        (" 102030405060708090a0b0c0d0e0f10", b""),
        ("AQIDBA==", b""),
        ("٣" * 32, b""),
        (5, b""),
        (True, b""),
        ([1, 2], b"\1\2"),
        ([256], b""),
        ([1] * 1000, b""),
        ({"type": "Buffer"}, b""),
        ({"data": [1]}, b""),
    ],
)
def test_trace_ids(given: Any, expected: bytes) -> None:
    assert one(traceId=given).trace_id == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("0102030405060708", gen.SPAN_ID),
        ("AQIDBAUGBwg=", gen.SPAN_ID),
        ("AQIDBAUGBwg", gen.SPAN_ID),
        (list(gen.SPAN_ID), gen.SPAN_ID),
        ("010203040506070809", bytes(range(1, 10))),
        ("nope", b""),
        (1.5, b""),
    ],
)
def test_span_ids(given: Any, expected: bytes) -> None:
    assert one(spanId=given).span_id == expected


@pytest.mark.parametrize("given", ["", None, "0000000000000000"])
def test_no_parent(given: Any) -> None:
    assert not any(one(parentSpanId=given).parent_span_id)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("1750000100000000001", 1750000100000000001),
        (1750000100000000001, 1750000100000000001),
        (1.75e18, 1750000000000000000),
        ("18446744073709551615", (1 << 64) - 1),
        (18446744073709551615, (1 << 64) - 1),
        ({"low": -1, "high": 0}, 0xFFFFFFFF),
        ({"low": 1, "high": -1}, 0xFFFFFFFF00000001),
        ({"low": 4294967295, "high": 407448227}, (407448227 << 32) + 4294967295),
        (0, 0),
        ("0", 0),
        (None, 0),
    ],
)
def test_times(given: Any, expected: int) -> None:
    span = one(startTimeUnixNano=given, endTimeUnixNano=given)
    assert span.start_time_unix_nano == span.end_time_unix_nano == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [(3, 3), ("3", 3), ("SPAN_KIND_CLIENT", 3), ("CLIENT", 3), (99, 99), (-1, -1), (2.0, 2), (None, 0)],
)
def test_kinds(given: Any, expected: int) -> None:
    assert one(kind=given).kind == expected


@pytest.mark.parametrize(("given", "expected"), [(2, 2), ("STATUS_CODE_ERROR", 2), ("STATUS_CODE_OK", 1), ("UNSET", 0)])
def test_status_codes(given: Any, expected: int) -> None:
    assert one(status={"code": given}).status.code == expected
