"""Looking at the last hours first changes no page."""

from __future__ import annotations

import random

import pytest

from litefuse.clickhouse.client import Store
from tests.embedded.server import Server
from tests.web.queries.support import HOUR, MONDAY, SECOND, Span, insert
from web.queries import sessions, traces
from web.queries.merge import HOUR_NS
from web.queries.sessions import Range
from web.queries.statement import run

PROJECT = "windows"
UNTIL = MONDAY + 10 * 24 * HOUR


@pytest.fixture(scope="module")
def filled(server: Server) -> None:
    """Sixty sessions over ten days, many of them in the last hours; some of them begin long before."""
    chance = random.Random(3)
    spans = []
    for n in range(60):
        at = UNTIL - int(min(10 * 24, chance.paretovariate(0.4)) * HOUR) - 1
        for again in range(chance.choice((1, 1, 2, 5))):
            start = min(UNTIL - 1, at + again * chance.randint(0, 30) * HOUR + chance.randint(0, SECOND))
            spans.append(
                Span(
                    f"{n:016x}{again:016x}",
                    f"{n:08x}{again:08x}",
                    start,
                    project=PROJECT,
                    session_id=f"s{n}",
                    user_id=f"u{n % 25}",
                )
            )
    insert(server, spans)


@pytest.mark.parametrize("group", ["session_id", "user_id"])
@pytest.mark.parametrize("by_last", [False, True])
@pytest.mark.parametrize("since", [None, UNTIL - 20 * HOUR])
async def test_a_page_is_the_same_wherever_it_is_looked_for_first(
    store: Store, filled: None, group: str, by_last: bool, since: int | None
) -> None:
    range_ = Range(since, UNTIL, by_last=by_last)
    every = [row[0] for row in await run(store, sessions.ids(PROJECT, group, range_, 0, 100))]
    assert len(every) > 5
    for offset, limit in ((0, 1), (0, 3), (2, 5), (5, 10), (0, 100), (90, 5)):
        page = [row[0] for row in await sessions._page(store, PROJECT, group, range_, offset, limit)]
        assert page == every[offset : offset + limit]


@pytest.mark.parametrize(
    ("window_hours", "found", "missing", "wanted_hours"),
    [
        (1, 0, 51, 8),  # nothing to go by
        (1, 1, 50, 8),  # never more than grown
        (8, 48, 3, 1),  # nearly there: an hour at least
        (8, 25, 26, 8),
        (8, 34, 17, 6),  # half as much again as it takes
    ],
)
def test_the_next_window_is_as_wide_as_the_last_one_tells(
    window_hours: int, found: int, missing: int, wanted_hours: int
) -> None:
    width = traces.next_width(HOUR_NS, window_hours * HOUR_NS, found, missing)
    assert width == wanted_hours * HOUR_NS
