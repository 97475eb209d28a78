"""Query parameters: each kind, its bounds, and the forms in which values come (public-api.md sections 1.5 to 1.7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from multidict import MultiDict
from yarl import URL

from web.api import parameters
from web.api.errors import ApiError
from web.api.parameters import Bad, parse, time_ns

SECOND = 1_000_000_000
NOON = 1_769_860_800 * SECOND  # 2026-01-31T12:00:00Z


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    page: int = parameters.page()
    limit: int = parameters.limit()
    rows: int = parameters.limit(low=0, high=1000)
    name: str | None = parameters.text("name")
    cursor: str | None = parameters.text("cursor", empty=True)
    tags: tuple[str, ...] = parameters.texts("tags")
    score: float | None = parameters.number("score")
    since: int | None = parameters.time("since")
    root: bool | None = parameters.flag("root")
    sure: bool | None = parameters.flag("sure", default=False)
    level: str | None = parameters.choice("level", ("DEBUG", "ERROR"))
    source: tuple[str, ...] = parameters.choices("source", ("API", "EVAL"), fold=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    query: str | None = parameters.text("query", required=True, empty=True)


def read(*given: tuple[str, str]) -> Query:
    return parse(Query, MultiDict(given))


def issues(*given: tuple[str, str], query: type[Any] = Query, strict: bool = False) -> list[tuple[str, str]]:
    """(name, code) of what is wrong."""
    with pytest.raises(ApiError) as caught:
        parse(query, MultiDict(given), strict=strict)
    assert caught.value.status == 400
    assert str(caught.value) == "Invalid request data"
    found = caught.value.error
    assert not isinstance(found, str)
    assert all(set(issue) == {"code", "path", "message"} for issue in found)
    return [(issue["path"][0], issue["code"]) for issue in found]


def test_defaults() -> None:
    assert read() == Query(
        page=1,
        limit=50,
        rows=50,
        name=None,
        cursor=None,
        tags=(),
        score=None,
        since=None,
        root=None,
        sure=False,
        level=None,
        source=(),
    )


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("page", "1", 1),
        ("page", "1000000", 1_000_000),
        ("page", "007", 7),
        ("page", "+2", 2),
        ("page", " 2", 2),
        ("limit", "100", 100),
        ("rows", "0", 0),
        ("rows", "1000", 1000),
        ("name", "", ""),
        ("name", " a,b ", " a,b "),
        ("name", "x" * 60_000, "x" * 60_000),
        ("name", "a\x00\ud800", "a\x00\ud800"),
        ("cursor", "abc", "abc"),
        ("score", "0.5", 0.5),
        ("score", "-.5", -0.5),
        ("score", "1.", 1.0),
        ("score", "1e-3", 0.001),
        ("score", "-0", 0.0),
        ("root", "true", True),
        ("root", "false", False),
        ("sure", "true", True),
        ("level", "ERROR", "ERROR"),
        ("source", "eval", ("EVAL",)),
        ("source", "Api,EVAL,API", ("API", "EVAL", "API")),
    ],
)
def test_a_value_is_read(name: str, raw: str, value: object) -> None:
    assert getattr(read((name, raw)), name) == value


@pytest.mark.parametrize(
    "name", ["page", "limit", "rows", "cursor", "tags", "score", "since", "root", "level", "source"]
)
def test_an_empty_value_is_none(name: str) -> None:
    assert read((name, "")) == read()


@pytest.mark.parametrize(
    ("name", "raw", "code"),
    [
        ("page", "0", "too_small"),
        ("page", "-1", "too_small"),
        ("page", "1000001", "too_big"),
        ("page", "999999999999999999", "too_big"),
        ("page", "9" * 5000, "invalid_type"),
        ("page", "1.0", "invalid_type"),
        ("page", "1e2", "invalid_type"),
        ("page", "0x1", "invalid_type"),
        ("page", "1_0", "invalid_type"),
        ("page", "٣", "invalid_type"),
        ("page", "NaN", "invalid_type"),
        ("page", "a", "invalid_type"),
        ("page", "1,2", "invalid_type"),
        ("page", "1\n", "too_big"),
        ("limit", "0", "too_small"),
        ("limit", "101", "too_big"),
        ("rows", "1001", "too_big"),
        ("rows", "-1", "too_small"),
        ("score", "nan", "invalid_type"),
        ("score", "Infinity", "invalid_type"),
        ("score", "1e999", "too_big"),
        ("score", "1e9999", "invalid_type"),
        ("score", "1,5", "invalid_type"),
        ("score", "0x1p3", "invalid_type"),
        ("score", "1" * 500, "invalid_type"),
        ("score", "1" * 60_000 + "x", "invalid_type"),
        ("root", "True", "invalid_type"),
        ("root", "1", "invalid_type"),
        ("root", "yes", "invalid_type"),
        ("level", "error", "invalid_value"),
        ("level", "ERROR,DEBUG", "invalid_value"),
        ("source", "API,OTHER", "invalid_value"),
        ("since", "yesterday", "invalid_format"),
    ],
)
def test_a_value_that_cannot_be_is_refused(name: str, raw: str, code: str) -> None:
    if raw == "1\n":  # white space around a number is no matter
        assert read((name, raw)).page == 1
        return
    assert issues((name, raw)) == [(name, code)]


@pytest.mark.parametrize("name", ["page", "name", "cursor", "score", "since", "root", "level"])
def test_a_repeated_scalar_is_refused(name: str) -> None:
    assert issues((name, "1"), (name, "1")) == [(name, "invalid_type")]


@pytest.mark.parametrize(
    ("given", "tags"),
    [
        (["a"], ("a",)),
        (["a,b"], ("a", "b")),
        (["a,,b,"], ("a", "b")),
        ([","], ()),
        (["a", "b"], ("a", "b")),
        (["a,b", "c"], ("a,b", "c")),  # repeated: that is what the SDK does, and a comma is a part of a tag
        (["", "a"], ("a",)),
        (["a", "a"], ("a", "a")),
        ([" a, b"], (" a", " b")),
    ],
)
def test_lists_are_repeated_or_one_value_with_commas(given: list[str], tags: tuple[str, ...]) -> None:
    assert read(*(("tags", value) for value in given)).tags == tags


def test_every_issue_is_told_at_once() -> None:
    found = issues(("page", "x"), ("limit", "101"), ("since", "x"), ("root", "x"))
    assert found == [
        ("page", "invalid_type"),
        ("limit", "too_big"),
        ("since", "invalid_format"),
        ("root", "invalid_type"),
    ]


def test_what_is_required_has_to_be_there() -> None:
    assert issues(query=Needed) == [("query", "invalid_type")]
    assert issues(("query", ""), query=Needed) == [("query", "invalid_type")]
    assert parse(Needed, MultiDict([("query", "x")])).query == "x"


def test_unknown_parameters_are_ignored_unless_the_route_is_strict() -> None:
    given = [("pages", "x"), ("limit", "5"), ("pages", "y"), ("z" * 5000, "")]
    assert read(*given).limit == 5
    assert issues(*given, strict=True) == [("pages", "unrecognized_keys"), ("z" * 5000, "unrecognized_keys")]


# -- times ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2026-01-31T12:00:00Z", NOON),
        ("2026-01-31T12:00:00z", NOON),
        ("2026-01-31T12:00:00.000Z", NOON),
        ("2026-01-31T12:00:00.123Z", NOON + 123_000_000),
        ("2026-01-31T12:00:00,5Z", NOON + 500_000_000),
        ("2026-01-31T12:00:00.123456789Z", NOON + 123_456_789),
        ("2026-01-31T12:00:00.1234567899Z", NOON + 123_456_789),
        ("2026-01-31T12:00Z", NOON),
        ("2026-01-31T14:00:00+02:00", NOON),
        ("2026-01-31T14:00:00+0200", NOON),
        ("2026-01-31T14:00:00+02", NOON),
        ("2026-01-31T06:30:00-05:30", NOON),
        ("2026-01-31T14:00+02:00", NOON),
        ("2026-01-31T14:00:00.5+02:00", NOON + SECOND // 2),
        # The plus of an offset, when a URL was not encoded.
        ("2026-01-31T14:00:00 02:00", NOON),
        ("2026-01-31T14:00:00.000000 02:00", NOON),
        ("2026-01-31T14:00 0200", NOON),
        # Without a zone: UTC.
        ("2026-01-31T12:00:00", NOON),
        ("2026-01-31T12:00:00.25", NOON + SECOND // 4),
        ("2026-01-31 12:00:00", NOON),
        ("2026-01-31 12:00", NOON),
        ("2026-01-31 12:00:00+00:00", NOON),
        ("2026-01-31 12:00:00 00:00", NOON),
        ("2026-01-31 12:00:00 Z", NOON),
        ("2026-01-31", NOON - 12 * 3600 * SECOND),
        (" 2026-01-31T12:00:00Z ", NOON),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00+01:00", -3600 * SECOND),
        # Beyond what ClickHouse's times hold.
        ("9999-12-31T23:59:59Z", 2**63 - 1),
        ("0001-01-01T00:00:00Z", -(2**63 - 1)),
        ("2024-02-29T00:00:00Z", 1_709_164_800 * SECOND),
    ],
)
def test_times_in_all_their_forms(text: str, ns: int) -> None:
    assert time_ns(text) == ns
    assert read(("since", text)).since == ns


@pytest.mark.parametrize("zone", ["+02:00", "-05:30", "+0000", "Z"])
def test_a_time_that_was_not_encoded_in_the_url(zone: str) -> None:
    raw = f"2026-01-31T12:00:00.5{zone}"
    encoded, bare = (URL(f"/x?since={text}", encoded=True).query for text in (quote(raw), raw))
    assert parse(Query, encoded) == parse(Query, bare)


@pytest.mark.parametrize(
    "text",
    [
        "now",
        "2026",
        "2026-01",
        "20260131",
        "20260131T120000Z",
        "2026-13-01",
        "2026-02-29",
        "2026-02-30T00:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:60:00Z",
        "2026-01-31T12:00:60Z",
        "2026-01-31T12",
        "2026-01-31T",
        "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00:00+2",
        "2026-01-31T12:00:00+24:00",
        "2026-01-31T12:00:00+02:60",
        "2026-01-31T12:00:00ZZ",
        "2026-01-31T12:00:00Z; DROP TABLE spans",
        "1769860800",
        "1769860800000",
        "0000-01-01",
        "-2026-01-31",
        "２026-01-31",
        "\ud800",
        "2026-01-31\x00",
        "1" * 50_000,
        ":" * 50_000,
        ": " * 25_000,
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(Bad):
        time_ns(text)
    assert issues(("since", text)) == [("since", "invalid_format")]


def test_a_message_shows_no_more_than_the_beginning_of_a_value() -> None:
    with pytest.raises(ApiError) as caught:
        read(("page", "x" * 50_000), ("since", "x" * 50_000), ("level", "x" * 50_000), ("score", "x" * 50_000))
    assert len(str(caught.value.error)) < 1500
