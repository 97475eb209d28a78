"""JSON text → values, for JSON that a fast parser would refuse as a whole because of one place in it.

`load` gives what orjson gives. Where orjson refuses, the text is mended and parsed again by Python's parser: invalid
UTF-8 is replaced; a byte order mark is dropped; what is nested deeper than any OTLP value is put out of the way, without
recursion and in linear time; numbers too large for any type become a value of no type. So each of these costs the span
it is in and no more. A bare NaN or Infinity, which is not JSON but what many serialisers write, counts as the number.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import orjson

from litefuse.otlp import BodyError

#: Lists, objects and commas outside of strings in one body; bounds the memory of the parsed values to some hundred MB.
MAX_VALUES = 4_000_000
#: Deepest nesting of brackets that is kept: 50 levels of lists and maps take 4 each, a span lies 12 deep.
_DEEPEST = 256
_STEP = 1 << 20
_QUOTE, _COMMA, _OPEN_LIST, _CLOSE_LIST, _OPEN_OBJECT, _CLOSE_OBJECT = b'",[]{}'


class NotJson(BodyError):
    """The body is not JSON text."""


class TooManyValues(BodyError):
    """More than MAX_VALUES."""

    status: ClassVar[int] = 413


class OutOfRange:
    """In place of a number beyond all numbers; of no JSON type, so it is refused where a value of some type is due."""


_OUT_OF_RANGE = OutOfRange()


def load(body: bytes) -> Any:
    """Raises NotJson, TooManyValues."""
    if body.count(b",") + body.count(b"{") + body.count(b"[") > MAX_VALUES and _count_values(body) > MAX_VALUES:
        raise TooManyValues(f"more than {MAX_VALUES} values in one request")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    text = prune(body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").encode()).decode()
    try:
        return json.loads(text, parse_int=_int, parse_float=_float)
    except json.JSONDecodeError as error:
        raise NotJson(f"body is not JSON: {error.msg} at line {error.lineno} column {error.colno}") from None
    except RecursionError:  # the caller's stack was almost full already
        raise NotJson("body is nested too deeply") from None


def prune(body: bytes) -> bytes:
    """JSON text with every list or object that lies deeper than _DEEPEST replaced by `0`. Vectorised, some nanoseconds a
    byte."""
    parts = []
    depth = 0
    for at, chunk in _outside_strings(body):
        opens = (chunk == _OPEN_LIST) | (chunk == _OPEN_OBJECT)
        closes = (chunk == _CLOSE_LIST) | (chunk == _CLOSE_OBJECT)
        after = np.cumsum(opens.view(np.int8) - closes.view(np.int8), dtype=np.int64) + depth
        depth = int(after[-1])
        raw = np.frombuffer(body, np.uint8, len(chunk), at)
        begins = opens & (after == _DEEPEST + 1)
        keep = (after <= _DEEPEST) & ~(closes & (after == _DEEPEST)) | begins
        parts.append(np.where(begins, np.uint8(ord("0")), raw)[keep].tobytes())
    return b"".join(parts)


def _count_values(body: bytes) -> int:
    return sum(
        int(np.count_nonzero((chunk == _COMMA) | (chunk == _OPEN_LIST) | (chunk == _OPEN_OBJECT)))
        for _, chunk in _outside_strings(body)
    )


def _outside_strings(body: bytes) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    """The text in chunks, with their offsets; what is within strings is zero."""
    # Escaped backslashes first, then escaped quotes: after that each quote begins or ends a string.
    plain = body.replace(rb"\\", b"__").replace(rb"\"", b"__")
    inside_before = False
    for at in range(0, len(plain), _STEP):
        chunk = np.frombuffer(plain, np.uint8, min(_STEP, len(plain) - at), at)
        inside = np.logical_xor.accumulate(chunk == _QUOTE)
        if inside_before:
            inside = ~inside
        inside_before = bool(inside[-1])
        yield at, np.where(inside, np.uint8(0), chunk)


def _int(digits: str) -> int | OutOfRange:
    return int(digits) if len(digits) <= 400 else _OUT_OF_RANGE


def _float(digits: str) -> float | OutOfRange:
    value = float(digits)
    return value if abs(value) != float("inf") else _OUT_OF_RANGE
