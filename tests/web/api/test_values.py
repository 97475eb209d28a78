"""Values as they go out, and JSON as it comes in: whatever a user's text is, an answer can be made of it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import orjson
import pytest

from web.api.values import (
    decoded,
    dumps,
    loads,
    metadata,
    number,
    or_none,
    seconds,
    time_or_none,
    time_text,
)

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1, "1970-01-01T00:00:00.000Z"),
        (999_999, "1970-01-01T00:00:00.000Z"),
        (1_000_000, "1970-01-01T00:00:00.001Z"),
        (1_780_272_000 * SECOND + 123_999_999, "2026-06-01T00:00:00.123Z"),
        (1_780_272_000 * SECOND + 999_999_999, "2026-06-01T00:00:00.999Z"),
        (2**63 - 1, "2262-04-11T23:47:16.854Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
    ],
)
def test_times_have_three_decimals_cut_and_a_zone(ns: int, text: str) -> None:
    assert time_text(ns) == text


def test_what_is_not_there_is_null() -> None:
    assert time_or_none(None) is None
    assert time_or_none(0) == "1970-01-01T00:00:00.000Z"
    assert (or_none(""), or_none("x")) == (None, "x")
    assert (seconds(None), seconds(0), seconds(1_500_000_000)) == (None, 0.0, 1.5)


@pytest.mark.parametrize(
    ("value", "out"),
    [
        (None, None),
        (0, 0.0),
        (Decimal("0.000000000001"), 1e-12),
        (Decimal("NaN"), None),
        (Decimal("Infinity"), None),
        (float("nan"), None),
        (float("-inf"), None),
        (1.5, 1.5),
    ],
)
def test_numbers_are_finite_or_null(value: Decimal | float | None, out: float | None) -> None:
    assert number(value) == out


#: A text, and what JSON says of it on the way out.
DECODED = [
    ("", "null"),
    ("hello", '"hello"'),
    ("123", "123"),
    ('"123"', '"123"'),
    ("null", "null"),
    ("true", "true"),
    ('{"b": 1, "a": [2]}', '{"b": 1, "a": [2]}'),
    ("123456789012345678901234567890", "123456789012345678901234567890"),
    ('{"id": 9007199254740993}', '{"id": 9007199254740993}'),
    ("NaN", '"NaN"'),
    ("Infinity", '"Infinity"'),
    ("-Infinity", '"-Infinity"'),
    ("{'a': 1}", "\"{'a': 1}\""),
    ('{"a": NaN}', '"{\\"a\\": NaN}"'),
    ("[1,]", '"[1,]"'),
    ("01", '"01"'),
    ('"\\ud83d\\ude00"', '"\\ud83d\\ude00"'),
    ('"\\ud800"', '"\\"\\\\ud800\\""'),
    ("\ufeff{}", '"\ufeff{}"'),
    ("[" * 5000 + "]" * 5000, json.dumps("[" * 5000 + "]" * 5000)),
    ("[" * 254 + "]" * 254, "[" * 254 + "]" * 254),
    ("[" * 900 + "]" * 900, json.dumps("[" * 900 + "]" * 900)),
    ('{"a":' * 255 + "[1,2]" + "}" * 255, json.dumps('{"a":' * 255 + "[1,2]" + "}" * 255)),
    ("[" + "[1]," * 300 + "[{}]]", "[" + "[1]," * 300 + "[{}]]"),
    ("a\x00b", '"a\\u0000b"'),
]


@pytest.mark.parametrize(("text", "out"), DECODED, ids=[repr(text)[:30] for text, _ in DECODED])
def test_text_that_is_json_is_its_value_exactly(text: str, out: str) -> None:
    assert dumps({"input": decoded(text)}).decode() == f'{{"input":{out}}}'


def test_metadata_is_decoded_once() -> None:
    stored = {"a": "1", "b": '"1"', "c": '{"d": [1]}', "e": "acme", "f": '"\\"x\\""', "g": "", "h": 5}
    assert orjson.loads(dumps(metadata(stored))) == {
        "a": 1,
        "b": "1",
        "c": {"d": [1]},
        "e": "acme",
        "f": '"x"',
        "g": "",
        "h": 5,
    }


def nested(depth: int) -> Any:
    value: Any = "end"
    for level in range(depth):
        value = [value] if level % 2 else {"x": value}
    return value


@pytest.mark.parametrize(
    ("value", "out"),
    [
        (float("nan"), "null"),
        ([float("inf"), -0.0, 1.5], "[null,-0.0,1.5]"),
        (2**64 - 1, "18446744073709551615"),
        (2**64, "18446744073709551616"),
        (-(2**63) - 1, "-9223372036854775809"),
        ({"n": 2**200, "x": [float("nan"), True, None]}, f'{{"n":{2**200},"x":[null,true,null]}}'),
        ("\ud800", '"\ufffd"'),
        ("a\udfffb\ud83d\ude00", '"a\ufffdb\U0001f600"'),
        ({"\udc00": 1, "b": ()}, '{"\ufffd":1,"b":[]}'),
        ({1: "a", None: "\ud800"}, '{"1":"a","None":"\ufffd"}'),
        ([orjson.Fragment('{"a":1e400}'), 2**70], '[{"a":1e400},1180591620717411303424]'),
        (["\ud800", {}, [], [[]], {"a": {}}], '["\ufffd",{},[],[[]],{"a":{}}]'),
    ],
)
def test_whatever_python_has_becomes_json(value: Any, out: str) -> None:
    assert dumps(value).decode() == out


@pytest.mark.parametrize("depth", [10, 253, 254, 255, 1000, 20_000])
def test_nesting_of_any_depth_is_written(depth: int) -> None:
    for value in (nested(depth), [nested(depth), 2**64, "\ud800"]):
        text = dumps(value).decode()
        assert text.count("[") + text.count("{") == text.count("]") + text.count("}") >= depth


def test_what_is_no_value_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError):
        dumps({"a": object()})
    with pytest.raises(TypeError):
        dumps({"a": object(), "b": "\ud800"})


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        (b'{"a": "cut \\ud83d"}', {"a": "cut \ufffd"}),
        (b'{"a": "\\ude00\\ud83d\\ude00\\ud83d"}', {"a": "\ufffd\U0001f600\ufffd"}),
        (b'{"\\uD800": "\\\\ud800 \\n"}', {"\ufffd": "\\ud800 \n"}),
        (b'["\\\\\\ud800"]', ["\\\ufffd"]),
        ('{"ü": 1}'.encode(), {"ü": 1}),
    ],
)
def test_halves_of_characters_do_not_refuse_a_body(body: bytes, value: Any) -> None:
    assert loads(body) == value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nan",
        b"[NaN",
        b'{"NaN"',
        b"{'a':1}",
        b'{"a": "\\ud800"',
        b'{"a": "\\q"}',
        b"\xff",
        b'"\xed\xa0\x80"',
        b"[" * 2000,
    ],
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        loads(body)


@pytest.mark.parametrize("depth", [0, 900])
def test_integers_of_any_size_are_read_exactly(depth: int) -> None:
    for value in (10**30 + 1, -(2**64) - 1, 2**64, [2**63, "\ufffd", {"a": -(10**19) + 7}], "1" * 30, 0.1 + 0.2):
        assert loads(json.dumps(value).encode()) == value
    # deeper than Python's own reader goes, and more digits: near it, but no error
    assert loads(b"[" * depth + b"1" * 300 + b"]" * depth) is not None


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"1e400", None),
        (b"[-1E+400, 1e308, 1e-400]", [None, 1e308, 0]),
        (
            b'{"a": 18446744073709551616, "b": NaN, "c": [-Infinity, Infinity]}',
            {"a": 2**64, "b": None, "c": [None, None]},
        ),
        (b'["NaN", "cut \\ud83d", NaN]', ["NaN", "cut \ufffd", None]),
    ],
)
def test_what_is_no_number_is_null(body: bytes, value: Any) -> None:
    """Python's own writer, which SDK 2 uses, writes infinities; the rest of what they send is not lost for it."""
    assert loads(body) == value


@pytest.mark.parametrize("body", [b"[" + b"9" * 400 + b"]", b"[" * 2000 + b"NaN" + b"]" * 2000, b"\xffNaN", b"[NaN,]"])
def test_it_is_json_but_for_its_numbers(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        loads(body)
