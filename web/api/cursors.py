"""Cursors: where a page ends, as text that clients hand back (public-api.md section 1.5).

A cursor is base64url of a JSON list: its version, then the values of a position. It holds no more than the position, and no
project: with another project's cursor a client sees its own rows from there on. Times are whole nanoseconds, or rows that
share a millisecond would be skipped where a page ends.
"""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import unquote

from web.api.errors import ApiError, invalid

_VERSION = 1
#: Characters: ids of 800 characters, each of which is six as JSON, and twice as many for being sent percent-encoded.
_LONGEST = 30_000
_INTEGERS = range(-(2**63), 2**63)
#: Standard base64 as base64url; `+` that arrives as a space is one.
_ALPHABET = str.maketrans("+/ ", "-_-")


def encode(*values: int | str) -> str:
    """Without padding, so that nothing of it needs to be encoded in a URL."""
    text = json.dumps([_VERSION, *values], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(text: str, *kinds: type[int] | type[str]) -> tuple[Any, ...]:
    """The values of a cursor, one of each kind; integers fit 64 bits. Also takes a cursor that was percent-encoded once more
    than it was decoded. Raises ApiError 400."""
    if len(text) > _LONGEST:
        raise _broken()
    plain = unquote(text).translate(_ALPHABET).rstrip("=")
    try:
        found = json.loads(base64.b64decode(plain + "=" * (-len(plain) % 4), b"-_", validate=True))
    except (ValueError, RecursionError):
        raise _broken() from None
    if not isinstance(found, list) or found[:1] != [_VERSION] or len(found) != len(kinds) + 1:
        raise _broken()
    for value, kind in zip(found[1:], kinds, strict=True):
        if type(value) is not kind or (value not in _INTEGERS if isinstance(value, int) else not _is_unicode(value)):
            raise _broken()
    return tuple(found[1:])


def _is_unicode(text: str) -> bool:
    """Whether it can be sent on: JSON spells halves of characters too."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _broken() -> ApiError:
    return invalid("Invalid cursor format")
