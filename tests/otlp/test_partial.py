"""What a sender reads about refused spans."""

from __future__ import annotations

from litefuse.otlp.check import Window
from litefuse.otlp.partial import MAX_CHARS, Refusal, combine, message, time_text
from litefuse.reasons import Reason


def test_counts_names_and_the_window() -> None:
    refusals = [Refusal(i, Reason.BAD_TRACE_ID) for i in range(5)] + [Refusal(9, Reason.TOO_NEW, "ends 2500")]
    text = message(refusals, 10, Window.of(1_750_000_000_000_000_000, 30))
    assert text == (
        "6 of 10 spans rejected; "
        "5: trace id is not 16 bytes, or all zeros [bad_trace_id]: span 0, span 1, span 2, …; "
        "1: span lies more than a day ahead of the server's clock [too_new]: span 9 (ends 2500); "
        "times from 2025-05-16T15:06:40Z to 2025-06-16T15:06:40Z are kept"
    )


def test_the_window_only_when_it_matters() -> None:
    assert "kept" not in message([Refusal(0, Reason.BAD_SPAN_ID)], 1, Window.of(1, 0))


def test_is_bounded() -> None:
    refusals = [Refusal(i, reason, "d" * 500) for reason in Reason for i in range(1000)]
    assert len(message(refusals, 1 << 40)) <= MAX_CHARS


def test_every_time_has_a_text() -> None:
    assert time_text(0) == "1970-01-01T00:00:00Z"
    assert time_text((1 << 64) - 1) == "2554-07-21T23:34:33.709551Z"


def test_combines_places() -> None:
    first = [Refusal(i, Reason.MALFORMED_SPAN) for i in (0, 3, 4, 9)]
    then = [Refusal(i, Reason.BAD_SPAN_ID) for i in (0, 1, 2, 5)]
    # Of places 0 … 9 without 0, 3, 4 and 9 are left 1, 2, 5, 6, 7, 8.
    combined = combine(first, then)
    assert [r.place for r in combined] == [0, 1, 2, 3, 4, 5, 8, 9]
    assert [r.place for r in combined if r.reason is Reason.BAD_SPAN_ID] == [1, 2, 5, 8]
    assert combine([], then) == then
    assert combine(first, []) == first
    assert combine(first[:1], [Refusal(3, Reason.BAD_SPAN_ID)])[1].place == 4
