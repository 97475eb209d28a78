"""Values as they go out (public-api.md section 1.6). Pure functions."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson

#: What orjson writes: containers within one another.
_MOST_DEPTH = 254
#: In JSON each backslash begins an escape: a pair of surrogates, half of one, or another.
_HALVES = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.S
)


def time_text(ns: int) -> str:
    """Unix ns as `YYYY-MM-DDTHH:MM:SS.mmmZ`. Cut, not rounded: a page's times are never after those of its cursor."""
    seconds, rest = divmod(ns, 1_000_000_000)
    # Not strftime: it takes five times as long, and a page has thousands of times.
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}.{rest // 1_000_000:03d}Z"


def time_or_none(ns: int | None) -> str | None:
    return None if ns is None else time_text(ns)


def or_none(text: str) -> str | None:
    """Empty text is stored for what is not said."""
    return text or None


def number(value: Decimal | float | None) -> float | None:
    """A cost or another number as JSON has it; None for what JSON has no number for."""
    if value is None:
        return None
    found = float(value)
    return found if math.isfinite(found) else None


def seconds(ns: int | None) -> float | None:
    """A duration in nanoseconds as seconds."""
    return None if ns is None else ns / 1e9


def decoded(text: str) -> Any:
    """A user's JSON, stored as text: the value when it is valid JSON, else the text, None for empty. The value is the text
    itself, put into the answer as it is: integers of any size and the order of keys stay what they were. What is nested deeper
    than 254 stays text: the parsers of clients give up at some depth, Python's at less than a thousand, and then on the whole
    page."""
    if not text:
        return None
    try:
        value = orjson.loads(text)
        if text.count("[") + text.count("{") > _MOST_DEPTH:
            orjson.dumps(value)  # raises for what is nested deeper
    except (ValueError, TypeError, RecursionError):
        return text
    return orjson.Fragment(text)


def metadata(values: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata with each value that is JSON text decoded once."""
    return {
        key: (decoded(value) if value else "") if isinstance(value, str) else value for key, value in values.items()
    }


def dumps(value: Any) -> bytes:
    """JSON, UTF-8. NaN and infinities are null. Text that is no Unicode (lone surrogates) gets U+FFFD; integers beyond 64 bit
    stay exact; nesting of any depth is written. Raises TypeError for what is no JSON value."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return _written(value).encode("utf-8")


#: An integer that 64 bits may not have, or text with as many digits. Digits behind a point are a fraction.
_LONG_INTEGER = re.compile(rb"(?<![.\d])\d{19}")
#: Constants of JavaScript and Python, and exponents that may be beyond a number.
_NO_NUMBER = re.compile(rb"NaN|Infinity|\d[eE]\+?\d{3}")


def loads(body: bytes) -> Any:
    """A client's JSON. Halves of characters, as text has them that was cut by its length, become U+FFFD; NaN and infinities,
    which are no JSON and which older SDKs send all the same, null; integers of any size are exact. Raises ValueError."""
    try:
        return _exact(body)
    except ValueError:
        body = _HALVES.sub(_whole, body)
    try:
        return _exact(body)
    except ValueError:
        return _exact(dumps(_numberless(body)))


def _exact(body: bytes) -> Any:
    """JSON. Raises ValueError."""
    found = orjson.loads(body)
    if _LONG_INTEGER.search(body):  # orjson makes floats of them
        with contextlib.suppress(ValueError, RecursionError):  # more digits, or levels, than Python reads
            return json.loads(body)
    return found


def _numberless(body: bytes) -> Any:
    """JSON in which there may be what is no number, as None. Raises ValueError."""
    if not _NO_NUMBER.search(body):
        raise ValueError("not JSON")
    try:
        return json.loads(body.decode("utf-8"), parse_constant=lambda _: None, parse_float=_finite)
    except RecursionError:
        raise ValueError("too deep") from None


def _finite(text: str) -> float | None:
    return number(float(text))


def _whole(match: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if match["half"] else match[0]


class _Raw(str):
    """A piece of JSON that is written as it is."""


def _written(value: Any) -> str:
    """What orjson does not take, without recursion: its bound of depth is lower when it writes than when it reads."""
    out: list[str] = []
    left: list[Any] = [value]
    while left:
        one = left.pop()
        if isinstance(one, _Raw):
            out.append(one)
        elif isinstance(one, Mapping):
            parts = [_Raw("{")]
            for number_, (key, entry) in enumerate(one.items()):
                parts += [_Raw(f"{',' if number_ else ''}{_scalar(str(key))}:"), entry]
            left += reversed([*parts, _Raw("}")])
        elif isinstance(one, list | tuple):
            parts = [_Raw("[")]
            for number_, entry in enumerate(one):
                parts += [_Raw(","), entry] if number_ else [entry]
            left += reversed([*parts, _Raw("]")])
        else:
            out.append(_scalar(one))
    return "".join(out)


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    elif isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return orjson.dumps(value).decode("utf-8")
