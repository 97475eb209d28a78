"""Which spans of a request are kept, and the values of the records they go into (architecture sections 4 and 5).

Pure and CPU-heavy: `plan` belongs in a thread; `plan_quickly` does in the event loop what does not hold it up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from litefuse.http.status import JSON, PROTOBUF
from litefuse.otlp import wire
from litefuse.otlp.check import Window
from litefuse.otlp.inflate import BodyTooLarge, inflate
from litefuse.otlp.json import to_protobuf
from litefuse.otlp.partial import Refusal, combine, message
from litefuse.otlp.scan import Examined, examine
from litefuse.reasons import Reason

#: Inflated bodies up to this size are planned in some milliseconds, mostly in one.
_QUICK = {PROTOBUF: 128 << 10, JSON: 16 << 10}
#: Bodies up to this size are searched for their trace id: a fraction of a millisecond.
_SEARCHED_BYTES = 1 << 20
_NONE: Mapping[Reason, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Plan:
    """`values` go into the log, one record each, all of media type `media` and Content-Encoding `encoding` (empty for
    identity). There are none when nothing is kept, or nothing was sent.

    `count` spans were sent, in `inflated` bytes; `rejected` are those not kept, by reason. `timeless`: see scan.Examined.
    `text` is for the sender; empty when all is well.
    """

    values: tuple[bytes, ...]
    media: str
    encoding: str
    count: int
    inflated: int
    rejected: Mapping[Reason, int]
    timeless: bool
    text: str


def plan(
    body: bytes, media: str, encoding: str, received_at: int, retention_days: int, inflated_limit: int, value_limit: int
) -> Plan:
    """A body that is kept whole, and fits, stays as it was received. Otherwise it becomes uncompressed protobuf without
    the refused spans, in pieces of at most `value_limit` bytes; a span too large for one is refused.

    Raises litefuse.otlp.BodyError for a body that cannot be used at all.
    """
    raw = inflate(body, encoding, inflated_limit)
    return _plan(body, raw, media, encoding, received_at, retention_days, value_limit)


def plan_quickly(
    body: bytes, media: str, encoding: str, received_at: int, retention_days: int, value_limit: int
) -> Plan | None:
    """The same, in some milliseconds at most; None when it would take longer."""
    most = _QUICK[media]
    # Mostly a compressed body of that size inflates to less than `most`; if not, that much was inflated in vain.
    if len(body) > (most // 8 if encoding else most):
        return None
    try:
        raw = inflate(body, encoding, most)
    except BodyTooLarge:
        return None
    # In real spans every twentieth byte or so begins a span or a value. Where it is more than every eighth there are
    # thousands of spans of next to nothing, each of which takes its microseconds to be refused.
    if media == PROTOBUF and raw.count(b"\x12") * 8 > len(raw) + 200:
        return None
    return _plan(body, raw, media, encoding, received_at, retention_days, value_limit)


def _plan(
    body: bytes, raw: bytes, media: str, encoding: str, received_at: int, retention_days: int, value_limit: int
) -> Plan:
    refusals: list[Refusal] = []
    note = ""
    if media == JSON:
        converted = to_protobuf(raw)
        payload, refusals, note = converted.body, list(converted.rejected), converted.warning
    else:
        payload = raw
    try:
        examined = examine(payload, received_at, retention_days)
    except wire.Malformed as error:
        raise wire.Malformed(f"body is not an OTLP trace export in protobuf: {error}{_looks_like(raw)}") from error
    count = examined.count + len(refusals)
    values: tuple[bytes, ...] = (body,)
    as_received = not refusals and not examined.refusals and len(body) <= value_limit
    if not count:
        values = ()
    elif not as_received:
        values, refusals = _rewrite(payload, refusals, examined, value_limit)
        if not values and media == PROTOBUF:
            note = _other_signal(raw)
    text = note
    if refusals:
        text = message(refusals, count, Window.of(received_at, retention_days)) + (f"; {note}" if note else "")
    return Plan(
        values=values,
        media=media if as_received else PROTOBUF,
        encoding=encoding if as_received else "",
        count=count,
        inflated=len(raw),
        rejected=Counter(refusal.reason for refusal in refusals) if refusals else _NONE,
        timeless=examined.timeless,
        text=text,
    )


def _rewrite(
    payload: bytes, refusals: list[Refusal], examined: Examined, value_limit: int
) -> tuple[tuple[bytes, ...], list[Refusal]]:
    """Values without the refused spans, none when no span is left, and all refusals. `refusals` are of spans that are not
    in `payload` any more."""
    if examined.refusals:
        if len(examined.refusals) == examined.count:
            return (), combine(refusals, examined.refusals)
        payload = wire.keep(payload, examined.kept)
        refusals = combine(refusals, examined.refusals)
    elif not examined.count:
        return (), refusals
    if len(payload) <= value_limit:
        return (payload,), refusals
    pieces, too_large = wire.split(payload, value_limit)
    large = [
        Refusal(place, Reason.TOO_LARGE, f"{size} bytes, the log takes {value_limit}") for place, size in too_large
    ]
    return tuple(pieces), combine(refusals, large)


def one_trace(payload: bytes, count: int) -> bytes | None:
    """The trace id that all `count` spans of an uncompressed protobuf body share, as key of the record: the spans of a
    trace then lie in one partition. None when they do not share it, or when finding out would cost something.

    It counts the id's places in the bytes. A link to the same trace counts as well: then spans of several traces may get
    one key, which does no harm.
    """
    first = next(wire.spans(payload), None) if len(payload) <= _SEARCHED_BYTES else None
    if first is None:
        return None
    at = payload.find(b"\x0a\x10", first.start, first.start + 64)
    if at < 0 or at + 18 > first.end:
        return None
    tagged = payload[at : at + 18]
    return tagged[2:] if count == 1 or payload.count(tagged) >= count else None


def _looks_like(raw: bytes) -> str:
    """The likely mistake, where one shows."""
    if raw[:1] in (b"{", b"["):
        return f"; it looks like JSON, which is Content-Type {JSON}"
    if raw[:2] == b"\x1f\x8b":
        return "; it looks like gzip, which is Content-Encoding gzip"
    return ""


def _other_signal(raw: bytes) -> str:
    signal = wire.guess_signal(raw)
    return f"this looks like an OTLP {signal} export, and this is the route of traces" if signal else ""
