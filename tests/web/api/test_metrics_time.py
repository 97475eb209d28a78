"""Metrics by time through HTTP, against plain Python: buckets, their filling, ends of a range (public-api.md section 7.1)."""

from __future__ import annotations

import pytest

from tests.embedded.server import Server
from tests.web.api import metric_rows
from tests.web.api.filter_language import iso
from tests.web.api.metric_rows import World, grouped
from tests.web.api.metric_support import DAY, FROM, TO, ask, asked, by, compare
from tests.web.api.support import Client
from tests.web.queries.support import HOUR, MONDAY, SECOND, Span, insert


@pytest.fixture(scope="module")
def world(server: Server) -> World:
    return metric_rows.made(server)


@pytest.mark.parametrize("granularity", ["minute", "hour", "day", "week", "month"])
@pytest.mark.parametrize("view", ["traces", "observations", "scores-numeric"])
async def test_buckets_without_rows_are_filled(client: Client, world: World, view: str, granularity: str) -> None:
    until = MONDAY + (DAY if granularity == "minute" else 30 * DAY) + 90 * SECOND
    query = asked(view, [("count", "count"), ("count", "avg")], timeDimension={"granularity": granularity})
    query |= {"fromTimestamp": iso(FROM), "toTimestamp": iso(until)}
    reply = await ask(client, query)
    rows = [row for row in world.views[view] if FROM <= row.at <= until]
    counts = {group[0]: len(members) for group, members in grouped(rows, [], granularity).items()}
    expected = metric_rows.buckets(FROM, until, granularity)
    assert [row["time_dimension"] for row in reply.data] == expected
    assert [row["count_count"] for row in reply.data] == [counts.get(at, 0) for at in expected]
    assert [row["avg_count"] for row in reply.data] == [int(at in counts) for at in expected]
    assert len(counts) < len(expected) or granularity == "month"


async def test_filled_rows_have_no_dimensions(client: Client, world: World) -> None:
    metrics = [("latency", "histogram"), ("latency", "p95"), ("totalCost", "sum")]
    query = asked("observations", metrics, dimensions=by("type", "tags"), timeDimension={"granularity": "day"})
    reply = await ask(client, query)
    days = [row["time_dimension"] for row in reply.data]
    assert days == sorted(days)
    assert list(dict.fromkeys(days)) == metric_rows.buckets(FROM, TO, "day")
    empty = reply.data[-1]
    assert empty == {
        "type": None,
        "tags": [],
        "time_dimension": "2026-07-31",
        "histogram_latency": [],
        "p95_latency": 0,
        "sum_totalCost": 0,
    }
    there = [row for row in reply.data if row["type"] is not None]
    compare(there, world.views["observations"], ["type", "tags"], metrics, "day")


@pytest.mark.parametrize(
    ("hours", "granularity"),
    [(1.9, "minute"), (2, "hour"), (71.9, "hour"), (72, "day"), (1439, "day"), (1440, "week"), (8760, "month")],
)
async def test_auto_granularity(client: Client, world: World, hours: float, granularity: str) -> None:
    until = FROM + int(hours * HOUR)
    query = asked("observations", [("count", "count")], timeDimension={"granularity": "auto"})
    reply = await ask(client, query | {"toTimestamp": iso(until)})
    assert [row["time_dimension"] for row in reply.data] == metric_rows.buckets(FROM, until, granularity)


async def test_both_ends_are_inclusive(client: Client, world: World) -> None:
    ats = sorted(row.at for row in world.views["observations"])
    low, high = ats[3], ats[-3]
    for view in ("observations", "traces", "scores-numeric"):
        query = asked(view, [("count", "count")]) | {"fromTimestamp": iso(low), "toTimestamp": iso(high)}
        reply = await ask(client, query)
        assert reply.data == [{"count_count": sum(low <= row.at <= high for row in world.views[view])}]


async def test_an_end_in_milliseconds_is_all_of_it(client: Client, server: Server) -> None:
    """23:59:59.999 is the end of a day: what starts half a millisecond later belongs to it, as it is in milliseconds."""
    at = MONDAY + 200 * DAY
    insert(server, [Span(f"{1007:032x}", f"{n:016x}", at + ns) for n, ns in enumerate((0, 999_999, 1_000_000))])
    query = asked("observations", [("count", "count")]) | {"fromTimestamp": iso(at - HOUR)}
    for until, count in ((iso(at)[:-7] + "Z", 2), (iso(at + 1), 1), (iso(at + 999_999), 2), (iso(at + 1_000_000), 3)):
        assert (await ask(client, query | {"toTimestamp": until})).data == [{"count_count": count}], until


async def test_a_trace_belongs_to_its_start(client: Client, server: Server) -> None:
    """A range that begins within a trace has its observations, and not the trace; what they say of users and tags is the
    trace's, which was said before."""
    at, id_ = MONDAY + 220 * DAY, f"{1008:032x}"
    root = Span(id_, f"{10080:016x}", at, name="root", user_id="user of 8", tags=("t8",))
    insert(server, [root, Span(id_, f"{10081:016x}", at + 3 * HOUR, parent=root.span_id, tokens=(3, 4))])
    later = {"fromTimestamp": iso(at + HOUR), "toTimestamp": iso(at + 5 * HOUR)}
    assert (await ask(client, asked("traces", [("count", "count")]) | later)).data == [{"count_count": 0}]
    query = asked("observations", [("totalTokens", "sum")], dimensions=by("userId", "tags", "traceName")) | later
    assert (await ask(client, query)).data == [
        {"userId": "user of 8", "tags": ["t8"], "traceName": "root", "sum_totalTokens": 7}
    ]
    whole = asked("traces", [("totalTokens", "sum"), ("latency", "max")], dimensions=by("id"))
    whole |= {"fromTimestamp": iso(at), "toTimestamp": iso(at + HOUR)}
    latency = (3 * HOUR + SECOND) / 1e6
    assert (await ask(client, whole)).data == [{"id": id_, "sum_totalTokens": 7, "max_latency": latency}]
