"""Random export requests that are valid and say everything OTLP can say, within what a store keeps."""

from __future__ import annotations

import random
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.otlp.gen import START

SECOND = 1_000_000_000
TEXTS = (
    "",
    "text",
    "ünïcödé \U0001f600",
    '{"json": [1, 2.0]}',
    "null",
    "line\nbreak\ttab",
    "\\back'quote\"",
    "x" * 300,
    "5",
)
INTS = (0, 1, -1, 2**53 + 1, 2**63 - 1, -(2**63))
DOUBLES = (0.0, -0.0, 1.0, 0.1, 1e300, 5e-324, 1e16, float("nan"), float("inf"), float("-inf"), 123456789012345680.0)
BYTES = (b"", b"\x00\xff\xfe", bytes(range(256)))
#: Names that our own JSON form, or readers of attributes, give a meaning to.
KEYS = (
    "k",
    "",
    "a.b",
    "key with spaces",
    "bytesValue",
    "doubleValue",
    "kvlistValue",
    "ключ",
    "gen_ai.request.model",
    "traceId",
)


class Grower:
    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def request(self, trace_ids: list[bytes]) -> ExportTraceServiceRequest:
        """Some resources, scopes and spans of these traces."""
        chance = self.chance
        request = ExportTraceServiceRequest()
        for _ in range(chance.randint(1, 3)):
            of_resource = request.resource_spans.add(schema_url=chance.choice(TEXTS))
            if chance.random() < 0.8:
                of_resource.resource.dropped_attributes_count = chance.choice((0, 0, 7))
                self.attributes(of_resource.resource.attributes)
            for _ in range(chance.randint(1, 3)):
                of_scope = of_resource.scope_spans.add(schema_url=chance.choice(TEXTS))
                if chance.random() < 0.8:
                    scope = of_scope.scope
                    scope.name, scope.version = chance.choice(TEXTS), chance.choice(TEXTS)
                    scope.dropped_attributes_count = chance.choice((0, 0, 2**32 - 1))
                    self.attributes(scope.attributes)
                for _ in range(chance.randint(1, 6)):
                    self.span(of_scope.spans.add(), chance.choice(trace_ids))
        return request

    def span(self, span: Any, trace_id: bytes) -> None:
        chance = self.chance
        span.trace_id, span.span_id = trace_id, chance.randbytes(7) + b"\x01"
        span.parent_span_id = chance.choice((b"", bytes(8), chance.randbytes(8), b"odd"))
        span.name, span.trace_state = chance.choice(TEXTS), chance.choice(("", "vendor=1,other=x"))
        span.kind = chance.choice((0, 1, 2, 3, 4, 5, 6, 99, -1, 2**31 - 1))
        start = START + chance.randint(0, 20 * SECOND)
        span.start_time_unix_nano = chance.choice((start, start, 0))
        span.end_time_unix_nano = chance.choice((start + chance.randint(0, SECOND), start - SECOND, 0))
        span.flags = chance.choice((0, 1, 0x100, 0x300, 2**32 - 1))
        for name in ("dropped_attributes_count", "dropped_events_count", "dropped_links_count"):
            setattr(span, name, chance.choice((0, 0, 1, 2**32 - 1)))
        if chance.random() < 0.6:
            span.status.code = chance.choice((0, 1, 2, 3, -7))
            span.status.message = chance.choice(TEXTS)
        self.attributes(span.attributes)
        for _ in range(chance.choice((0, 0, 1, 3))):
            event = span.events.add(
                time_unix_nano=chance.choice((0, start, 2**64 - 1)),
                name=chance.choice((*TEXTS, "exception")),
                dropped_attributes_count=chance.choice((0, 3)),
            )
            self.attributes(event.attributes)
        for _ in range(chance.choice((0, 0, 1, 3))):
            link = span.links.add(
                trace_id=chance.choice((chance.randbytes(16), b"", b"short")),
                span_id=chance.choice((chance.randbytes(8), b"")),
                trace_state=chance.choice(("", "a=b")),
                flags=chance.choice((0, 0x301)),
                dropped_attributes_count=chance.choice((0, 9)),
            )
            self.attributes(link.attributes)

    def attributes(self, pairs: Any) -> None:
        """A few, some keys twice."""
        for _ in range(self.chance.choice((0, 1, 3, 8))):
            pair = pairs.add(key=self.chance.choice(KEYS))
            if self.chance.random() < 0.95:
                self.value(pair.value, 3)

    def value(self, value: Any, depth: int) -> None:
        chance = self.chance
        kind = chance.randrange(8 if depth else 6)
        if kind == 0:
            value.string_value = chance.choice(TEXTS)
        elif kind == 1:
            value.int_value = chance.choice(INTS)
        elif kind == 2:
            value.double_value = chance.choice(DOUBLES)
        elif kind == 3:
            value.bool_value = chance.random() < 0.5
        elif kind == 4:
            value.bytes_value = chance.choice(BYTES)
        elif kind == 5:
            value.SetInParent()
        elif kind == 6:
            value.array_value.SetInParent()
            for _ in range(chance.randint(0, 4)):
                self.value(value.array_value.values.add(), depth - 1)
        else:
            value.kvlist_value.SetInParent()
            for _ in range(chance.choice((0, 1, 1, 3))):
                self.value(value.kvlist_value.values.add(key=chance.choice(KEYS)).value, depth - 1)
