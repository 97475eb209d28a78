"""Rows of POST /ingestion as OTLP, for the log (litefuse/ingested.py). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from litefuse import text_ids
from litefuse.ingested import SCOPE, VERSION
from litefuse.otlp.schema import FULL_REQUEST
from web.api.ingestion_rows import Row

#: Bytes of spans that go into one record, unless one alone has more.
_RECORD_BYTES = 1 << 20
#: Bytes of a record besides its spans.
_ENVELOPE_BYTES = 200
_CUT = " … [cut, it was {} bytes]"


@dataclass(frozen=True, slots=True)
class Record:
    """Value and key of a record of the log. The key is the trace, where it is of one."""

    value: bytes
    key: bytes | None


def records(rows: Iterable[tuple[Row, int]], most: int) -> Iterator[Record]:
    """Rows with their versions, in records of at most `most` bytes. What does not even fit alone is cut: its longest texts end
    with a note of that."""
    request, spans, size = _request()
    traces: set[bytes] = set()
    for row, version in rows:
        span = _span(row, version)
        while (length := span.ByteSize()) > most - _ENVELOPE_BYTES and _shortened(span):
            pass
        if traces and size + length > min(_RECORD_BYTES, most - _ENVELOPE_BYTES):
            yield _record(request, traces)
            request, spans, size = _request()
            traces = set()
        spans.append(span)
        traces.add(span.trace_id)
        size += length + 6
    if traces:
        yield _record(request, traces)


def _request() -> tuple[Any, Any, int]:
    request = FULL_REQUEST()
    scope = request.resource_spans.add().scope_spans.add()
    scope.scope.name = SCOPE.encode()
    return request, scope.spans, 0


def _record(request: Any, traces: set[bytes]) -> Record:
    return Record(request.SerializeToString(), next(iter(traces)) if len(traces) == 1 else None)


def _span(row: Row, version: int) -> Any:
    span = FULL_REQUEST().resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id = text_ids.trace_id(row.trace_id), text_ids.span_id(row.span_id)
    _add_id(span, text_ids.TRACE_ID, row.trace_id, span.trace_id)
    _add_id(span, text_ids.SPAN_ID, row.span_id, span.span_id)
    if row.parent_id:
        span.parent_span_id = text_ids.span_id(row.parent_id)
        _add_id(span, text_ids.PARENT_SPAN_ID, row.parent_id, span.parent_span_id)
    span.name = _utf8(row.name)
    span.kind = 1
    span.start_time_unix_nano, span.end_time_unix_nano = row.start_ns, row.end_ns
    for name, text in row.attributes.items():
        attribute = span.attributes.add(key=_utf8(name))
        attribute.value.string_value = _utf8(text)
    span.attributes.add(key=VERSION.encode()).value.int_value = version
    return span


def _add_id(span: Any, name: str, text: str, id_: bytes) -> None:
    if id_.hex() != text:
        span.attributes.add(key=name.encode()).value.string_value = _utf8(text)


def _shortened(span: Any) -> bool:
    """Halve the longest text; False when none is long."""
    longest = max(span.attributes, key=lambda attribute: len(attribute.value.string_value))
    text: bytes = longest.value.string_value
    if len(text) < 1000:
        return False
    kept = text[: len(text) // 2].decode("utf-8", "ignore").partition(" … [cut, it was ")[0]
    longest.value.string_value = (kept + _CUT.format(len(text))).encode()
    return True


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")
