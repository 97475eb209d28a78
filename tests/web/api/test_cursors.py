"""Cursors: what comes back is what went in, however it was sent, and nothing else is taken (public-api.md section 1.5)."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest

from web.api.cursors import decode, encode
from web.api.errors import ApiError

VALUES = [
    (0, ""),
    (2**63 - 1, "0" * 32),
    (-(2**63), ">>>>> and ?????, of which base64 makes + and /"),
    (1_780_272_000_123_456_789, "\0'\"\\\U0001f600"),
    (1, "x" * 800),
]


@pytest.mark.parametrize("values", VALUES)
def test_a_cursor_is_what_it_was_made_of(values: tuple[int, str]) -> None:
    cursor = encode(*values)
    assert decode(cursor, int, str) == values
    assert quote(cursor, safe="") == cursor


def padded(values: list[Any]) -> str:
    """Standard base64, as JSON of another maker."""
    return base64.b64encode(json.dumps(values, ensure_ascii=False).encode()).decode()


@pytest.mark.parametrize("values", VALUES)
def test_a_cursor_is_taken_however_it_was_sent(values: tuple[int, str]) -> None:
    standard = padded([1, *values])
    spellings = (standard, quote(standard, safe=""), standard.replace("+", " "), standard.rstrip("="))
    assert all(decode(spelling, int, str) == values for spelling in spellings)


def test_there_is_a_spelling_with_a_plus() -> None:
    assert any("+" in padded([1, *values]) for values in VALUES)


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "%",
        "nope",
        "é",
        "a" * 100_000,
        encode(1)[:-1],
        padded([2, 1, "id"]),
        padded([1, 1]),
        padded([1, 1, "id", 1]),
        padded([1, "1", "id"]),
        padded([1, True, "id"]),
        padded([1, 1.0, "id"]),
        padded([1, 1, None]),
        padded([1, 2**63, "id"]),
        padded([1, -(2**63) - 1, "id"]),
        padded([1, float("nan"), "id"]),
        base64.b64encode(b'{"v": 1}').decode(),
        base64.b64encode(b"[" * 10_000).decode(),
        base64.b64encode(b"\xff\xfe").decode(),
        base64.b64encode(b'[1, 1, "id"] ]').decode(),
        encode(1, "id") + "!",
        encode(1, "\ud800"),
    ],
)
def test_what_is_none_is_refused(cursor: str) -> None:
    with pytest.raises(ApiError) as refused:
        decode(cursor, int, str)
    assert refused.value.status == 400
    assert refused.value.body == {"message": "Invalid cursor format", "error": "InvalidRequestError"}
