"""Which spans of a request are kept, and the values of the records they go into (architecture sections 4 and 5).

Pure and CPU-heavy: `plan` is called in the event loop for small bodies, in a thread for others.
"""

from __future__ import annotations

from dataclasses import dataclass

from litefuse.http.status import JSON, PROTOBUF
from litefuse.otlp import wire
from litefuse.otlp.check import Window
from litefuse.otlp.inflate import inflate
from litefuse.otlp.json import to_protobuf
from litefuse.otlp.partial import Refusal, combine, message
from litefuse.otlp.scan import examine
from litefuse.reasons import Reason

#: Bodies up to this size are searched for their trace id: a fraction of a millisecond.
_SEARCHED_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Plan:
    """`values` go into the log, one record each, all of media type `media` and Content-Encoding `encoding` (empty for
    identity). There are none when nothing is kept, or nothing was sent.

    `count` spans were sent, in `inflated` bytes; `refusals` of them are not kept. `timeless`: see scan.Examined. `note` is
    for the sender, about the request as a whole.
    """

    values: tuple[bytes, ...]
    media: str
    encoding: str
    count: int
    inflated: int
    refusals: list[Refusal]
    timeless: bool
    note: str = ""

    def explain(self, received_at: int, retention_days: int) -> str:
        """What the sender is told, empty when all is well."""
        if not self.refusals:
            return self.note
        text = message(self.refusals, self.count, Window.of(received_at, retention_days))
        return f"{text}; {self.note}" if self.note else text


def plan(
    body: bytes, media: str, encoding: str, received_at: int, retention_days: int, inflated_limit: int, value_limit: int
) -> Plan:
    """A body that is kept whole, and fits, stays as it was received. Otherwise it becomes uncompressed protobuf without
    the refused spans, in pieces of at most `value_limit` bytes; a span too large for one is refused.

    Raises litefuse.otlp.BodyError for a body that cannot be used at all.
    """
    raw = inflate(body, encoding, inflated_limit)
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
    if examined.refusals:
        payload = wire.keep(payload, examined.kept)
        refusals = combine(refusals, examined.refusals)
    if len(refusals) == count:
        if media == PROTOBUF and count:
            note = _other_signal(raw)
        return Plan((), media, encoding, count, len(raw), refusals, False, note)
    if not refusals and len(body) <= value_limit:
        return Plan((body,), media, encoding, count, len(raw), refusals, examined.timeless, note)
    values: tuple[bytes, ...] = (payload,)
    if len(payload) > value_limit:
        pieces, too_large = wire.split(payload, value_limit)
        values = tuple(pieces)
        refusals = combine(
            refusals,
            [Refusal(p, Reason.TOO_LARGE, f"{size} bytes, the log takes {value_limit}") for p, size in too_large],
        )
    return Plan(values, PROTOBUF, "", count, len(raw), refusals, examined.timeless, note)


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
