"""Bodies to test with: the captured ones, hostile spans, and seeded random ones that know protobuf's wire format.

Everything is deterministic for its seed.
"""

from __future__ import annotations

import base64
import json
import random
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from litefuse.otlp.inflate import inflate
from litefuse.otlp.wire import varint

CORPUS = Path(__file__).resolve().parent.parent / "corpus"

TRACE_ID = bytes(range(1, 17))
SPAN_ID = bytes(range(1, 9))
START = 1_732_000_000_000_000_000
END = START + 1_000_000

# -- wire format -------------------------------------------------------------------------------------------------------


def tag(number: int, wire_type: int) -> bytes:
    return varint(number << 3 | wire_type)


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field."""
    return tag(number, 2) + varint(len(content)) + content


def number(field_number: int, value: int) -> bytes:
    """A varint field."""
    return tag(field_number, 0) + varint(value & (1 << 64) - 1)


def fixed64(field_number: int, value: int) -> bytes:
    return tag(field_number, 1) + struct.pack("<Q", value)


def group(field_number: int, content: bytes = b"") -> bytes:
    return tag(field_number, 3) + content + tag(field_number, 4)


def span(
    trace_id: bytes = TRACE_ID, span_id: bytes = SPAN_ID, start: int = START, end: int = END, rest: bytes = b""
) -> bytes:
    """A span's own bytes."""
    return field(1, trace_id) + field(2, span_id) + fixed64(7, start) + fixed64(8, end) + rest


def scope_spans(*spans: bytes, rest: bytes = b"") -> bytes:
    """A ScopeSpans' own bytes."""
    return rest + b"".join(field(2, s) for s in spans)


def resource_spans(*scopes: bytes, rest: bytes = b"") -> bytes:
    """A ResourceSpans field of a request."""
    return field(1, rest + b"".join(field(2, s) for s in scopes))


def request(*spans: bytes) -> bytes:
    """A request of one resource and one scope."""
    return resource_spans(scope_spans(*spans))


def attribute(key: str, any_value: bytes) -> bytes:
    """A span's attribute field; `any_value` is the AnyValue's own bytes."""
    return field(9, field(1, key.encode()) + field(2, any_value))


def nested_list(depth: int) -> bytes:
    """AnyValue: `depth` lists around a string."""
    value = field(1, b"x")
    for _ in range(depth):
        value = field(5, field(1, value))
    return value


def nested_map(depth: int) -> bytes:
    """AnyValue: `depth` maps around a string."""
    value = field(1, b"x")
    for _ in range(depth):
        value = field(6, field(1, field(1, b"k") + field(2, value)))
    return value


# -- captured ----------------------------------------------------------------------------------------------------------


@cache
def captured(content_type: str) -> tuple[tuple[str, bytes], ...]:
    """All captured traces requests of a content type, inflated: (name, body)."""
    found = []
    for path in sorted(CORPUS.glob("*/[0-9]*.bin")):
        call = json.loads(path.with_suffix(".json").read_text())
        headers: dict[str, Any] = call["headers"]
        if call["path"].endswith("/v1/traces") and headers.get("content-type", "").startswith(content_type):
            body = inflate(path.read_bytes(), headers.get("content-encoding", ""), 1 << 26)
            found.append((f"{path.parent.name}/{path.stem}", body))
    assert found
    return tuple(found)


# -- hostile spans -----------------------------------------------------------------------------------------------------


def garbage_spans() -> dict[str, bytes]:
    """Spans (their own bytes) that no protobuf decoder reads, though their borders are sound."""
    good = span()
    return {
        "truncated length": good + tag(9, 2) + varint(100) + b"x",
        "truncated fixed64": field(1, TRACE_ID) + tag(7, 1) + b"abc",
        "truncated tag": good + b"\xff",
        "tag alone": good + tag(7, 1),
        "wire type 6": good + tag(30, 6),
        "wire type 7": good + tag(30, 7),
        "field number 0": good + b"\x00\x01",
        "stray end of group": good + tag(30, 4),
        "group without end": good + tag(30, 3),
        "group ended by another": good + tag(30, 3) + tag(31, 4),
        "groups too deep": good + tag(30, 3) * 98 + tag(30, 4) * 98,
        "varint of 11 bytes": good + tag(30, 0) + b"\xff" * 10 + b"\x01",
        "tag of 6 bytes": good + b"\x8a\x80\x80\x80\x80\x00" + varint(16) + TRACE_ID,
        "tag beyond 32 bits": good + varint((1 << 33) | 10) + varint(16) + TRACE_ID,
        "length of 10 bytes": good + tag(1, 2) + b"\x90" + b"\x80" * 8 + b"\x00" + TRACE_ID,
        "length of 2^31": good + tag(1, 2) + varint(1 << 31) + TRACE_ID,
        "length of 2^64 - 1": good + tag(1, 2) + varint((1 << 64) - 1) + TRACE_ID,
        "text": b"hello, world",
    }


def odd_spans() -> dict[str, bytes]:
    """Spans that are unusual, but that every protobuf decoder reads."""
    return {
        "empty": b"",
        "only ids": field(1, TRACE_ID) + field(2, SPAN_ID),
        "reversed": fixed64(8, END) + fixed64(7, START) + field(2, SPAN_ID) + field(1, TRACE_ID),
        "ids twice": field(1, b"x") + field(2, b"") + span() + field(1, TRACE_ID[::-1]),
        "times twice": fixed64(7, 1) + span() + fixed64(8, 3),
        "wrong wire types": number(1, 5) + fixed64(2, 5) + number(7, 5) + field(8, b"abc") + number(15, 1) + span(),
        "unknown fields": number(100, 1) + field(101, b"abc") + fixed64(102, 1) + tag(103, 5) + b"abcd" + span(),
        "groups": group(30, group(31, number(1, 5)) + field(2, b"x")) + span() + group(1),
        "long varints": b"\x8a\x80\x80\x80\x00" + b"\x90\x80\x00" + TRACE_ID + field(2, SPAN_ID),
        "short ids": span(TRACE_ID[:15], SPAN_ID[:7]),
        "long ids": span(TRACE_ID * 2, SPAN_ID * 2),
        "zero ids": span(bytes(16), bytes(8)),
        "empty ids": span(b"", b""),
        "far times": span(start=1, end=(1 << 64) - 1),
        "zero times": span(start=0, end=0),
        "deep list": span(rest=attribute("k", nested_list(10_000))),
        "not UTF-8": span(rest=field(5, b"\xff\xfe") + attribute("k", field(1, b"\xc3\x28"))),
        "a value of two types": span(rest=attribute("k", field(1, b"s") + number(3, 5))),
        "negative": span(rest=attribute("k", number(3, -1))),
    }


# -- random ------------------------------------------------------------------------------------------------------------

# Fields of each message: number, kind. A kind is a wire type or a message's name.
_SCHEMA: dict[str, list[tuple[int, int | str]]] = {
    "Request": [(1, "ResourceSpans")],
    "ResourceSpans": [(1, "Resource"), (2, "ScopeSpans"), (2, "ScopeSpans"), (3, 2)],
    "Resource": [(1, "KeyValue"), (2, 0)],
    "ScopeSpans": [(1, "Scope"), (2, "Span"), (2, "Span"), (2, "Span"), (3, 2)],
    "Scope": [(1, 2), (2, 2), (3, "KeyValue"), (4, 0)],
    "Span": [
        *((n, 2) for n in (1, 2, 3, 4, 5)),
        *((n, 0) for n in (6, 10, 12, 14)),
        *((n, 1) for n in (7, 8)),
        (9, "KeyValue"),
        (11, "Event"),
        (13, "Link"),
        (15, "Status"),
        (16, 5),
    ],
    "Event": [(1, 1), (2, 2), (3, "KeyValue"), (4, 0)],
    "Link": [(1, 2), (2, 2), (3, 2), (4, "KeyValue"), (5, 0), (6, 5)],
    "Status": [(2, 2), (3, 0)],
    "KeyValue": [(1, 2), (2, "AnyValue")],
    "AnyValue": [(1, 2), (2, 0), (3, 0), (4, 1), (5, 2), (6, 2), (7, 2)],
}


class Grower:
    """Random requests that are mostly protobuf and partly odd. `oddness` is the chance of something odd a field."""

    def __init__(self, seed: int, oddness: float, *, garbage: bool = True) -> None:
        self.rng = random.Random(seed)
        self.oddness = oddness
        self.garbage = garbage

    def grow(self, message: str = "Request") -> bytes:
        most = {"Request": 3, "AnyValue": 1, "KeyValue": 2}.get(message, 6)
        parts = []
        for _ in range(self.rng.randint(0, most)):
            field_number, kind = self.rng.choice(_SCHEMA[message])
            if self.rng.random() < self.oddness:
                parts.append(self._odd(field_number, kind))
            elif isinstance(kind, str):
                parts.append(field(field_number, self.grow(kind)))
            else:
                parts.append(tag(field_number, kind) + self._value(kind))
        return b"".join(parts)

    def _odd(self, field_number: int, kind: int | str) -> bytes:
        rng = self.rng
        which = rng.randrange(9 if self.garbage else 5)
        if which == 0:  # unknown field
            wire_type = rng.choice((0, 1, 2, 5))
            return tag(rng.choice((17, 30, 1000, (1 << 29) - 1)), wire_type) + self._value(wire_type)
        if which == 1:  # known field of another wire type
            wire_type = rng.choice((0, 1, 2, 5))
            return tag(field_number, wire_type) + self._value(wire_type)
        if which == 2:  # group
            return group(rng.choice((field_number, 30)), self._odd(field_number, kind) if rng.random() < 0.5 else b"")
        if which == 3 and isinstance(kind, str):  # the same message again, so they merge
            return field(field_number, self.grow(kind)) + field(field_number, self.grow(kind))
        if which == 4:  # a tag longer than need be
            raw = tag(field_number, 0 if isinstance(kind, str) else kind)
            padded = raw[:-1] + bytes((raw[-1] | 0x80,)) + b"\x80" * rng.randint(0, 2) + b"\x00"
            return padded + self._value(0 if isinstance(kind, str) else kind)
        if which == 5:  # a length that lies
            return tag(field_number, 2) + varint(rng.choice((1, 5, 127, 128, 1 << 31, (1 << 64) - rng.randint(1, 30))))
        if which == 6:  # a varint that is too long, or has bits beyond 64
            return tag(field_number, 0) + b"\xff" * rng.randint(8, 11) + bytes((rng.randint(0, 127),))
        if which == 7:
            return rng.randbytes(rng.randint(1, 4))
        return tag(rng.choice((0, field_number, 30)), rng.choice((3, 4, 6, 7)))

    def _value(self, wire_type: int) -> bytes:
        rng = self.rng
        if wire_type == 0:
            return varint(rng.choice((0, 1, 2, 127, 128, 300, 1 << 31, 1 << 32, (1 << 63), (1 << 64) - 1)))
        if wire_type == 2:
            content = rng.choice((b"", b"text", TRACE_ID, SPAN_ID, b"\xff\xfe", bytes(16), rng.randbytes(3)))
            return varint(len(content)) + content
        return rng.randbytes(8 if wire_type == 1 else 4)


def mutated(seed: int, bodies: list[bytes], count: int, longest: int = 20_000) -> Iterator[bytes]:
    """Bodies with a few bytes changed, cut out, doubled, put in or cut off, and bodies spliced together."""
    rng = random.Random(seed)
    bodies = [body for body in bodies if body]
    for _ in range(count):
        body = bytearray(rng.choice(bodies)[:longest])
        for _ in range(rng.choice((1, 1, 1, 2, 5))):
            at = rng.randrange(len(body) + 1)
            to = min(len(body), at + rng.choice((1, 1, 2, 8, 100)))
            which = rng.randrange(6)
            if which == 0 and at < len(body):
                body[at] ^= 1 << rng.randrange(8)
            elif which == 1:
                del body[at:to]
            elif which == 2:
                body[at:at] = body[at:to]
            elif which == 3:
                body[at:at] = rng.choice((b"\x00", b"\xff", b"\xff" * 5, b"\x80" * 9, b"\x0b\x0c", rng.randbytes(3)))
            elif which == 4 and rng.random() < 0.3:
                del body[at:]
            else:
                other = rng.choice(bodies)[:longest]
                start = rng.randrange(len(other))
                body[at:to] = other[start : start + rng.choice((1, 8, 60, 500))]
        yield bytes(body)


# -- OTLP/JSON ---------------------------------------------------------------------------------------------------------

_IDS = ("traceId", "spanId", "parentSpanId")


def as_json(body: bytes) -> Any:
    """A protobuf request as OTLP/JSON: protobuf's JSON, but ids in hex and enums as numbers."""
    message = ExportTraceServiceRequest.FromString(body)
    return _hex_ids(MessageToDict(message, use_integers_for_enums=True))


def _hex_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: base64.b64decode(v).hex() if k in _IDS else _hex_ids(v) for k, v in value.items()}
    return [_hex_ids(v) for v in value] if isinstance(value, list) else value


def json_span(**fields: Any) -> dict[str, Any]:
    """A good span; `fields` are put in."""
    good = {
        "traceId": TRACE_ID.hex(),
        "spanId": SPAN_ID.hex(),
        "name": "good",
        "startTimeUnixNano": str(START),
        "endTimeUnixNano": str(END),
    }
    return good | fields


def json_request(*spans: Any, scope: Any = None, resource: Any = None) -> dict[str, Any]:
    scope_spans = {"spans": list(spans)} | ({} if scope is None else {"scope": scope})
    return {"resourceSpans": [{"scopeSpans": [scope_spans]} | ({} if resource is None else {"resource": resource})]}


def json_nested(kind: str, depth: int) -> str:
    """JSON text of an AnyValue: `depth` lists (arrayValue) or maps (kvlistValue) around a string."""
    before, after = {
        "arrayValue": ('{"arrayValue":{"values":[', "]}}"),
        "kvlistValue": ('{"kvlistValue":{"values":[{"key":"k","value":', "}]}}"),
    }[kind]
    return before * depth + '{"stringValue":"x"}' + after * depth
