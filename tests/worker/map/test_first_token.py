"""Completion start time (otel-mapping.md section 10)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.usage_names import FIRST_TOKEN_EVENTS
from worker.map.first_token import completion_start, moment
from worker.map.span import Event, Span

START = 1_764_000_000_000_000_000
MS, S = 10**6, 10**9
STATED = "langfuse.observation.completion_start_time"


def begun(length_ns: int = 10 * S, **attributes: Any) -> int | None:
    """ns after the start of the span."""
    found = completion_start(Span(attributes=attributes, start_ns=START, end_ns=START + length_ns))
    return None if found is None else found - START


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2024-01-01T00:00:00Z", 0),
        ("2024-01-01T00:00:00", 0),
        ("2024-01-01 00:00:00.5", 500_000_000),
        ("2024-01-01T02:00:00.123+02:00", 123_000_000),
        ("2023-12-31T18:30:00.123456-05:30", 123_456_000),
        ("2024-01-01T00:00:00.123456789Z", 123_456_789),
        ("2024-01-01T00:00:00,1234567Z", 123_456_700),
        ("2024-01-01T00:00:00.000000001+00:00", 1),
        ("2024-01-01T00:00:00.1234567891234Z", 123_456_789),
        ("20240101T000000Z", 0),
        ("2024-01-01", 0),
        ("20240101", 0),
    ],
)
def test_section_10_row_1_iso_8601_to_the_nanosecond(text: str, ns: int) -> None:
    assert moment(text) == 1_704_067_200 * S + ns


def test_section_10_row_1_more_layers_of_json_quotes() -> None:
    time = "2024-01-01T00:00:00Z"
    assert moment(json.dumps(time)) == moment(json.dumps(json.dumps(time))) == moment(time)


@pytest.mark.parametrize(
    "value",
    ["", "soon", "2024-13-01T00:00:00Z", '"', '"x', "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9" * 60, "x" * 100_000,
     "1969-12-31", True, None, [], {}, {"time": 1}, -5, 0, 1 << 64, float("nan"), float("inf"), -0.5],
)  # fmt: skip
def test_section_10_row_1_unreadable_passes_on(value: Any) -> None:
    assert begun(**{STATED: value, "ai.response.msToFirstChunk": 5}) == 5 * MS


@pytest.mark.parametrize(
    ("value", "ns"),
    [
        (1_704_067_200_123, 1_704_067_200_123 * 10**6),
        (1_704_067_200_123_456, 1_704_067_200_123_456 * 10**3),
        (1_704_067_200_123_456_789, 1_704_067_200_123_456_789),
        ("1704067200123", 1_704_067_200_123 * 10**6),
        ('"1704067200123456789"', 1_704_067_200_123_456_789),
        (1_704_067_200, 1_704_067_200 * S),
        (1_704_067_200.5, 1_704_067_200 * S + S // 2),
    ],
)
def test_wb_19_integers_are_unix_times_by_their_size(value: Any, ns: int) -> None:
    assert moment(value) == ns


def test_section_10_row_1_wins() -> None:
    sent = {STATED: "2024-01-01T00:00:00Z", "ai.response.msToFirstChunk": 5, "lk.response.ttft": 1}
    assert completion_start(Span(attributes=sent, start_ns=START)) == 1_704_067_200 * S


@pytest.mark.parametrize(("ms", "expected"), [(5, 5), (5.1, 6), ("5.1", 6), (0, 0)])
def test_section_10_row_2_milliseconds_of_vercel_are_rounded_up(ms: Any, expected: int) -> None:
    assert begun(**{"ai.response.msToFirstChunk": ms}) == expected * MS
    assert begun(**{"ai.stream.msToFirstChunk": ms}) == expected * MS


def test_section_10_row_2_order() -> None:
    assert begun(**{"ai.response.msToFirstChunk": 5, "ai.stream.msToFirstChunk": 6, "lk.response.ttft": 1}) == 5 * MS
    sent: dict[str, Any] = {"ai.response.msToFirstChunk": "", "ai.stream.msToFirstChunk": 6}
    assert begun(**sent) == 6 * MS


SECONDS = (
    "gen_ai.response.time_to_first_chunk",
    "gen_ai.server.time_to_first_token",
    "lk.response.ttft",
    "lk.response.ttfb",
)


@pytest.mark.parametrize("name", SECONDS)
@pytest.mark.parametrize(("value", "ns"), [(0.25, 250 * MS), ("0.25", 250 * MS), (2, 2 * S), (0.031770454, 31_770_454)])
def test_wb_19_seconds(name: str, value: Any, ns: int) -> None:
    assert begun(**{name: value}) == ns


def test_wb_19_order_of_seconds() -> None:
    sent: dict[str, Any] = {name: place + 1 for place, name in enumerate(SECONDS)}
    for place, name in enumerate(SECONDS):
        assert begun(**sent) == (place + 1) * S
        sent[name] = "x"
    assert begun(**sent) is None


def test_wb_19_a_wait_longer_than_the_span_is_milliseconds() -> None:
    assert begun(580 * MS, **{"gen_ai.server.time_to_first_token": 575}) == 575 * MS


def test_wb_19_a_span_without_a_length_does_not_tell_seconds_from_milliseconds() -> None:
    assert begun(0, **{"gen_ai.response.time_to_first_chunk": 0.5}) == S // 2


@pytest.mark.parametrize("value", [-1, "-1", "", "fast", True, [1], {}, 1e300, float("nan"), 1 << 70])
def test_section_10_what_is_no_duration_is_nothing(value: Any) -> None:
    assert begun(**{"ai.response.msToFirstChunk": value}) is None
    assert begun(**dict.fromkeys(SECONDS, value)) is None


def test_section_10_nothing_said() -> None:
    assert begun() is None


@pytest.mark.parametrize("name", sorted(FIRST_TOKEN_EVENTS))
def test_the_event_of_the_first_chunk_counts_where_nothing_else_says_it(name: str) -> None:
    events = (
        Event("x", {}, START + 1),
        Event(name, {}, START + 9 * MS),
        Event(name, {}, START + 5 * MS),
        Event(name, {}, 0),
    )
    span = Span(events=events, start_ns=START, end_ns=START + S)
    assert completion_start(span) == START + 5 * MS
    stated = Span(
        attributes={"gen_ai.response.time_to_first_chunk": 0.5}, events=events, start_ns=START, end_ns=START + S
    )
    assert completion_start(stated) == START + 500 * MS
    assert completion_start(Span(events=(Event(name, {}, START - 1),), start_ns=START, end_ns=START + S)) is None
