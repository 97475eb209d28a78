"""OTLP/JSON → the protobuf bytes that a protobuf exporter would have sent for the same spans.

So there is one decoder behind it, and one meaning. Strict where OTLP is: names in lowerCamelCase, others are unknown
fields and ignored. Lenient where real senders differ (otel-mapping sections 1 and 2): ids in base64 or as byte lists,
enums by name, times as 32-bit halves. A span that holds something else is left out and named, its neighbours are kept.

A conversion costs about 20 µs for a span of 15 attributes and holds the GIL; parsed JSON takes ten to twenty times the
memory of its text. So: one at a time, in a thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litefuse.otlp import BodyError
from litefuse.otlp.jsonfields import RESOURCE_SPANS, SCOPE_SPANS, SPAN, Bad, message, size
from litefuse.otlp.jsontext import NotJson as NotJson
from litefuse.otlp.jsontext import TooManyValues as TooManyValues
from litefuse.otlp.jsontext import load
from litefuse.otlp.partial import Refusal

_SIGNALS = {"resourceLogs": "logs", "resourceMetrics": "metrics", "resourceProfiles": "profiles"}
_WARNED = ("resource_spans", "ResourceSpans", "spans", "scopeSpans")


class NotOtlp(BodyError):
    """JSON, but no trace export. `hint` names the signal it looks like: logs, metrics, profiles or None."""

    def __init__(self, text: str, hint: str | None = None) -> None:
        super().__init__(text)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Converted:
    """`body`: ExportTraceServiceRequest with `count` spans. `rejected`: the spans left out, with their places among all
    of the request, ascending. `warning`: what a sender should be told although all is well, or nothing."""

    body: bytes
    count: int
    rejected: list[Refusal]
    warning: str = ""


def to_protobuf(body: bytes) -> Converted:
    """Pure. Raises NotJson, NotOtlp, TooManyValues."""
    request = load(body)
    if type(request) is not dict:
        raise NotOtlp("body is JSON, but not an object with resourceSpans")
    resource_spans = request.get("resourceSpans")
    if resource_spans is None:
        return _nothing(request)
    writer = _Writer()
    for entry in _entries(resource_spans, "resourceSpans"):
        writer.resource(entry)
    return Converted(b"".join(writer.chunks), writer.place - len(writer.rejected), writer.rejected)


def _nothing(request: dict[str, Any]) -> Converted:
    """A request without resourceSpans is an empty one, unless it is plainly of another signal."""
    for name, signal in _SIGNALS.items():
        if name in request:
            raise NotOtlp(f"this is an export of {signal} ({name}); this route takes traces (resourceSpans)", signal)
    for name in _WARNED:
        if name in request:
            return Converted(b"", 0, [], f"{name} is no field of a trace export and was ignored: resourceSpans is")
    return Converted(b"", 0, [])


class _Writer:
    """`chunks` is the request so far; joined once, at the end, since bodies may be large."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.rejected: list[Refusal] = []
        self.place = 0

    def resource(self, entry: dict[str, Any]) -> None:
        rest, bad = _rest(entry, RESOURCE_SPANS, "resourceSpans")
        inner = [rest]
        before = self.place
        for scope in _entries(entry.get("scopeSpans"), "scopeSpans"):
            inner += self._scope(scope, bad)
        # One that had spans, all of which were refused, goes; one that came without any stays.
        if len(inner) > 1 or (self.place == before and bad is None):
            self._add(self.chunks, b"\x0a", inner)

    def _scope(self, entry: dict[str, Any], bad: Bad | None) -> list[bytes]:
        rest, own_bad = _rest(entry, SCOPE_SPANS, "scopeSpans")
        bad = bad or own_bad
        inner = [rest]
        before = self.place
        for span in _spans(entry.get("spans")):
            blame = bad
            if blame is None:
                try:
                    raw = message(span, SPAN, "a span")
                    inner.append(b"\x12" + size(len(raw)) + raw)
                except Bad as error:
                    blame = error
            if blame is not None:
                self.rejected.append(Refusal(self.place, blame.reason, str(blame)))
            self.place += 1
        chunks: list[bytes] = []
        if len(inner) > 1 or (self.place == before and bad is None):
            self._add(chunks, b"\x12", inner)
        return chunks

    @staticmethod
    def _add(chunks: list[bytes], tag: bytes, inner: list[bytes]) -> None:
        chunks.append(tag + size(sum(map(len, inner))))
        chunks += inner


def _rest(entry: dict[str, Any], fields: Any, what: str) -> tuple[bytes, Bad | None]:
    """What belongs to all spans of an entry, or why it cannot be kept, which then holds for each of them."""
    try:
        return message(entry, fields, what), None
    except Bad as bad:
        return b"", bad


def _entries(value: Any, name: str) -> list[dict[str, Any]]:
    """A list of objects. Without it, it cannot be said which spans there are: the request is refused."""
    if value is None:
        return []
    if type(value) is not list or not all(type(entry) is dict for entry in value):
        raise NotOtlp(f"{name} is not a list of objects")
    return value


def _spans(value: Any) -> list[Any]:
    if value is None:
        return []
    if type(value) is not list:
        raise NotOtlp("spans is not a list")
    return value
