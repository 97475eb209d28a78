"""What a sender is told about spans that were not kept: the text of `partial_success`, or of a 400 when nothing was.

The text is bounded, and holds of the request nothing but numbers, ids in hex and names of OTLP fields, so that it is
safe to print and to log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from litefuse.otlp.check import Window
from litefuse.reasons import Reason

#: Of each reason that many spans are named.
EXAMPLES = 3
#: The longest text.
MAX_CHARS = 2000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Refusal(NamedTuple):
    """One span that is not kept: its place among the request's spans, why, and more about it, or nothing."""

    place: int
    reason: Reason
    detail: str = ""


def combine(first: Sequence[Refusal], then: Iterable[Refusal]) -> list[Refusal]:
    """All refusals by place in the request: `first` are places in the request, `then` places in what was left of it
    after those were taken out, both ascending. For OTLP/JSON, where some spans do not come as far as the check."""
    out: list[Refusal] = []
    taken = iter(first)
    ahead = next(taken, None)
    shift = 0
    for refusal in then:
        while ahead is not None and ahead.place <= refusal.place + shift:
            out.append(ahead)
            shift += 1
            ahead = next(taken, None)
        out.append(refusal._replace(place=refusal.place + shift))
    if ahead is not None:
        out.append(ahead)
        out.extend(taken)
    return out


def message(refusals: Sequence[Refusal], count: int, window: Window | None = None) -> str:
    """The text for `refusals` out of `count` spans; `window` is stated when times were the reason."""
    reasons = Counter(refusal.reason for refusal in refusals)
    sentences = [f"{len(refusals)} of {count} spans rejected"]
    for reason, number in reasons.most_common():
        examples: list[str] = []
        for refusal in refusals:
            if refusal.reason is reason:
                examples.append(f"span {refusal.place}" + (f" ({refusal.detail})" if refusal.detail else ""))
                if len(examples) == EXAMPLES:
                    break
        more = ", …" if number > len(examples) else ""
        sentences.append(f"{number}: {reason.text} [{reason}]: {', '.join(examples)}{more}")
    if window is not None and not reasons.keys().isdisjoint((Reason.TOO_OLD, Reason.TOO_NEW)):
        sentences.append(f"times from {time_text(window.oldest)} to {time_text(window.newest)} are kept")
    text = "; ".join(sentences)
    return text if len(text) <= MAX_CHARS else text[: MAX_CHARS - 1] + "…"


def time_text(unix_ns: int) -> str:
    """ISO 8601 in UTC, to the microsecond; any unsigned 64-bit number of nanoseconds has one (1970 to 2554)."""
    return (_EPOCH + timedelta(microseconds=unix_ns // 1000)).isoformat().replace("+00:00", "Z")
