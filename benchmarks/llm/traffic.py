"""A month of traffic as OTLP export requests, in the order in which they would come."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, Status

from benchmarks.llm import dialects
from benchmarks.llm.dialects import DIALECTS, PLAIN
from benchmarks.llm.people import People, moment
from benchmarks.llm.step import Step, Trace
from benchmarks.llm.stories import Stories
from benchmarks.llm.words import Words

#: When traffic ends unless somebody says otherwise: 2026-06-15 12:00 UTC.
UNTIL_NS = 1_781_524_800_000_000_000
_SPANS_PER_REQUEST = 256
_MIX = (("genai", 25), ("openinference", 20), ("langfuse", 30), ("mlflow", 12), ("openllmetry", 13))
_KINDS = {
    "server": Span.SPAN_KIND_SERVER,
    "client": Span.SPAN_KIND_CLIENT,
    "database": Span.SPAN_KIND_CLIENT,
    "chat": Span.SPAN_KIND_CLIENT,
}


@dataclass(frozen=True, slots=True)
class Request:
    """An export request of whole traces: protobuf, its spans, and how many of them are of LLM SDKs."""

    data: bytes
    spans: int
    llm_spans: int


@dataclass(slots=True)
class _Open:
    """Spans of one application on their way into a request."""

    message: ExportTraceServiceRequest
    scopes: dict[tuple[str, str], ScopeSpans] = field(default_factory=dict)
    spans: int = 0
    llm_spans: int = 0


def requests(spans: int, seed: int = 0, until_ns: int = UNTIL_NS) -> Iterator[Request]:
    """About `spans` spans (whole traces), oldest first."""
    rng = random.Random(seed)
    stories = Stories(rng, Words(seed))
    people = People(seed)
    opened: dict[tuple[str, ...], _Open] = {}
    names, weights = [name for name, _ in _MIX], [weight for _, weight in _MIX]
    made = 0
    while made < spans:
        start = moment(made / spans, until_ns)
        dialect = rng.choices(names, weights)[0]
        trace = stories.trace(start, made / spans, people.asker(start), dialect)
        made += len(trace.steps)
        application = (trace.service, trace.version, dialect, trace.asker.environment)
        request = opened.get(application)
        if request is None:
            request = opened[application] = _Open(_empty(trace))
        _write(trace, request, rng)
        if request.spans >= _SPANS_PER_REQUEST:
            yield _finished(opened.pop(application))
    for request in opened.values():
        yield _finished(request)


def _finished(request: _Open) -> Request:
    return Request(request.message.SerializeToString(), request.spans, request.llm_spans)


def _empty(trace: Trace) -> ExportTraceServiceRequest:
    message = ExportTraceServiceRequest()
    resource: dialects.Attributes = {
        "service.name": trace.service,
        "service.version": trace.version,
        "host.name": f"{trace.service}-7d9f",
        "process.pid": 17,
        "telemetry.sdk.name": "mlflow" if trace.dialect == "mlflow" else "opentelemetry",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": "1.37.0",
    }
    if trace.asker.environment and trace.dialect != "langfuse":
        resource["deployment.environment.name"] = trace.asker.environment
    resource_spans = message.resource_spans.add()
    resource_spans.resource.attributes.extend(_key_values(resource))
    return message


def _write(trace: Trace, request: _Open, rng: random.Random) -> None:
    trace_id = rng.randbytes(16)
    ids = [rng.randbytes(8) for _ in trace.steps]
    dialect = DIALECTS[trace.dialect]
    first = True
    for place, step in enumerate(trace.steps):
        is_plain = step.kind in PLAIN
        span = _scope(request, PLAIN[step.kind] if is_plain else dialect.scope).spans.add()
        span.trace_id, span.span_id = trace_id, ids[place]
        if step.parent >= 0:
            span.parent_span_id = ids[step.parent]
        span.name = step.name
        span.kind = _KINDS.get(step.kind, Span.SPAN_KIND_INTERNAL)
        span.start_time_unix_nano, span.end_time_unix_nano = step.start, max(step.start, step.end)
        span.flags = 257
        write = dialects.plain if is_plain else dialect.write
        span.attributes.extend(_key_values(write(step, trace, first)))
        if not is_plain:
            first = False
            request.llm_spans += 1
        if step.error:
            _fail(span, step)
    request.spans += len(ids)


def _scope(request: _Open, scope: tuple[str, str]) -> ScopeSpans:
    found = request.scopes.get(scope)
    if found is None:
        found = request.scopes[scope] = request.message.resource_spans[0].scope_spans.add()
        found.scope.name, found.scope.version = scope
    return found


def _fail(span: Span, step: Step) -> None:
    assert step.error is not None
    kind, text = step.error
    span.status.code = Status.STATUS_CODE_ERROR
    event = span.events.add()
    event.name, event.time_unix_nano = "exception", span.end_time_unix_nano
    event.attributes.extend(_key_values({"exception.type": kind, "exception.message": text}))


def _key_values(attributes: dialects.Attributes) -> list[KeyValue]:
    return [KeyValue(key=key, value=_any(value)) for key, value in attributes.items()]


def _any(value: str | int | float | bool | list[str]) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=one) for one in value]))
