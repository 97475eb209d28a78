"""When the first token of an answer came (otel-mapping.md section 10, WB-19)."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from schemas.usage_names import FIRST_TOKEN_EVENTS, FIRST_TOKEN_MS, FIRST_TOKEN_SECONDS
from worker.map.span import Span
from worker.map.values import Value, number, parsed

_MAX_NS = (1 << 63) - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Later than any time meant: Unix times up to this are in s, ms and µs, above it in ns (each from 1973 to 5138).
_UNITS = ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3))
_MS, _S = 10**6, 10**9


def completion_start(span: Span) -> int | None:
    """Unix ns of the first token, from the first source that can be read; None for none."""
    attributes, families = span.attributes, span.families
    if "langfuse" in families:
        found = moment(attributes.get("langfuse.observation.completion_start_time"))
        if found is not None:
            return found
    if "ai" in families or "ttft_ms" in families:
        for name in FIRST_TOKEN_MS:
            waited = _waited(attributes.get(name))
            if waited is not None and (at := _after(span, math.ceil(waited) * _MS)) is not None:
                return at
    if "gen_ai" in families or "lk" in families:
        for name in FIRST_TOKEN_SECONDS:
            waited = _waited(attributes.get(name))
            if waited is not None and (at := _after(span, _seconds(span, waited))) is not None:
                return at
    return _first_chunk(span) if span.events else None


def _first_chunk(span: Span) -> int | None:
    """When the first piece of a streamed answer came, which some SDKs note as an event and nowhere else."""
    times = [event.time_ns for event in span.events if event.name in FIRST_TOKEN_EVENTS]
    return _known(min((time for time in times if time >= span.start_ns), default=0))


def moment(value: Value) -> int | None:
    """Unix ns of an ISO 8601 time (UTC if it names no offset), also within JSON quotes, or of a Unix time in s, ms, µs or
    ns, told by its size; None for what is neither, or not between 1970 and 2262."""
    for _ in range(3):
        if not isinstance(value, str) or not value.startswith('"'):
            break
        value = parsed(value)
    if isinstance(value, str):
        text = value.strip()
        if len(text) > 64:
            return None
        if not (text.isdigit() and len(text) >= 10):  # eight digits are a date
            return _of_iso(text)
        value = text
    found = number(value)
    if found is None or not 0 < found <= _MAX_NS:
        return None
    unit = next((unit for limit, unit in _UNITS if found < limit), 1)
    return _known(found * unit if isinstance(found, int) else round(found * unit))


def _of_iso(text: str) -> int | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    since = (time.replace(tzinfo=UTC) if time.tzinfo is None else time) - _EPOCH
    return _known((since // timedelta(microseconds=1)) * 1_000 + _nanoseconds(text))


def _nanoseconds(text: str) -> int:
    """The seventh to ninth digit of the fraction of a second, which `datetime` leaves out."""
    point = max(text.find("."), text.find(","))
    digits = text[point + 1 : point + 10] if point >= 0 else ""
    beyond = digits[6:] if digits[:6].isdigit() else ""
    count = next((place for place, digit in enumerate(beyond) if not digit.isdigit()), len(beyond))
    return int(beyond[:count].ljust(3, "0")) if count else 0


def _known(ns: int) -> int | None:
    return ns if 0 < ns <= _MAX_NS else None


def _waited(value: Value) -> float | int | None:
    """A duration from 0 on; LiveKit sends -1 for none."""
    found = number(value)
    return found if found is not None and 0 <= found <= _MAX_NS else None


def _seconds(span: Span, waited: float) -> int:
    """Seconds as ns; a wait longer than its span is in milliseconds, as Strands sends it. A span without a duration (one
    of its times was not sent) says nothing of that."""
    ns = round(waited * _S)
    length = span.end_ns - span.start_ns
    return ns if length <= 0 or ns <= length else round(waited * _MS)


def _after(span: Span, ns: int) -> int | None:
    return _known(span.start_ns + ns)
