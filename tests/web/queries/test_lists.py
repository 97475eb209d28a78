"""Lists of traces: filters, order, pages, windows and their borders, against a reference over all spans."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from litefuse.clickhouse.client import Store
from tests.embedded.server import Server
from tests.web.queries.support import HOUR, MONDAY, SECOND, Merged, Span, insert, merge, random_trace
from web.queries import trace_pages, traces
from web.queries.conditions import Condition
from web.queries.merge import Filter
from web.queries.traces import Position

PROJECT = "lists"
MANY = 120


@pytest.fixture(scope="module")
def made(server: Server) -> list[Merged]:
    """Random traces over a month, newest first, as the reference merges them."""
    chance = random.Random(42)
    every = []
    for n in range(MANY):
        start = MONDAY + chance.randint(0, 20 * 24 * HOUR) // chance.choice([1, HOUR]) * 1
        every.append([replace(s, project=PROJECT) for s in random_trace(chance, f"{n:032x}", start, 12)])
    spans = [span for trace in every for span in trace]
    chance.shuffle(spans)
    for at in range(0, len(spans), 200):
        insert(server, spans[at : at + 200])
    return sorted(map(merge, every), key=lambda t: (t.start_ns, t.id), reverse=True)


async def walked(store: Store, filter_: Filter, limit: int, project: str = PROJECT) -> list[str]:
    """Ids of all pages."""
    found: list[str] = []
    before: Position | None = None
    while True:
        page = await traces.newest(store, project, filter_, limit, before)
        assert len(page.traces) <= limit
        found += [trace.id for trace in page.traces]
        if page.next is None:
            return found
        assert len(page.traces) == limit
        before = page.next


C = Condition
Match = Callable[[Merged], bool]
LATENCY = 3.5
FILTERS: dict[str, tuple[list[Condition], Match]] = {
    "user": ([C("userId", "=", "ann")], lambda t: t.user_id == "ann"),
    "users": ([C("userId", "any of", ["ann", "bob"])], lambda t: t.user_id != ""),
    "not the user": ([C("userId", "none of", ["ann"])], lambda t: t.user_id not in ("", "ann")),
    "no user": ([C("userId", "is null")], lambda t: t.user_id == ""),
    "a user": ([C("userId", "is not null")], lambda t: t.user_id != ""),
    "user without": ([C("userId", "does not contain", "n")], lambda t: t.user_id == "bob"),
    "session": ([C("sessionId", "=", "s1")], lambda t: t.session_id == "s1"),
    "name": ([C("name", "=", "n1")], lambda t: t.name == "n1"),
    "name begins": ([C("name", "starts with", "said")], lambda t: t.name.startswith("said")),
    "name is not": ([C("name", "<>", "n1")], lambda t: t.name not in ("", "n1")),
    "no name": ([C("name", "is null")], lambda t: t.name == ""),
    "environment": ([C("environment", "any of", ["prod"])], lambda t: t.environment == "prod"),
    "release": ([C("release", "=", "r1")], lambda t: t.release == "r1"),
    "version": ([C("version", "ends with", "2")], lambda t: t.version.endswith("2")),
    "a tag": ([C("tags", "any of", ["a", "c"])], lambda t: bool({"a", "c"} & set(t.tags))),
    "all tags": ([C("tags", "all of", ["a", "c"])], lambda t: {"a", "c"} <= set(t.tags)),
    "no such tag": ([C("tags", "none of", ["a"])], lambda t: "a" not in t.tags),
    "metadata": ([C("metadata", "=", "1", "k")], lambda t: t.metadata.get("k") == "1"),
    "metadata contains": ([C("metadata", "contains", "z", "x.y")], lambda t: "z" in t.metadata.get("x.y", "")),
    "metadata without": ([C("metadata", "does not contain", "1", "k")], lambda t: "1" not in t.metadata.get("k", "1")),
    "metadata is there": ([C("metadata", "is set", None, "empty")], lambda t: "empty" in t.metadata),
    "metadata is not": ([C("metadata", "is not set", None, "k")], lambda t: "k" not in t.metadata),
    "public": ([C("public", "=", True)], lambda t: t.public),
    "not public": ([C("public", "<>", True)], lambda t: not t.public),
    "input has": ([C("input", "matches", "IN2")], lambda t: "in2" in t.input_preview),
    "output has": ([C("output", "contains", "tout")], lambda t: "tout" in t.output_preview),
    "errors": ([C("errorCount", ">", 0)], lambda t: t.errors > 0),
    "level": ([C("level", "any of", ["ERROR"])], lambda t: t.errors > 0),
    "cost": ([C("totalCost", ">=", 2.5)], lambda t: (t.total_cost or 0) >= 2.5),
    "no cost": ([C("totalCost", "is null")], lambda t: t.total_cost is None),
    "tokens": ([C("totalTokens", "<", 1000)], lambda t: t.total_tokens < 1000),
    "latency": ([C("latency", ">", LATENCY)], lambda t: t.latency_ns > LATENCY * SECOND),
    "several": (
        [
            C("environment", "=", "default"),
            C("tags", "any of", ["a"]),
            C("latency", ">", 1),
            C("userId", "is not null"),
        ],
        lambda t: t.environment == "default" and "a" in t.tags and t.latency_ns > SECOND and t.user_id != "",
    ),
    "nothing like it": ([C("userId", "=", "{project:String}' OR 1=1 --")], lambda t: False),
}


@pytest.mark.parametrize("name", FILTERS)
async def test_filters(name: str, store: Store, made: Sequence[Merged]) -> None:
    conditions, match = FILTERS[name]
    filter_ = Filter(conditions=conditions)
    wanted = [trace.id for trace in made if match(trace)]
    assert name == "nothing like it" or wanted
    assert await walked(store, filter_, 9) == wanted
    assert await traces.count(store, PROJECT, filter_) == len(wanted)
    pages = [await trace_pages.page(store, PROJECT, filter_, offset=at, limit=50) for at in (0, 50, 100, 150)]
    assert [trace.id for page in pages for trace in page] == wanted


async def test_a_range_of_time_holds_the_traces_that_start_in_it(store: Store, made: Sequence[Merged]) -> None:
    chance = random.Random(7)
    for _ in range(10):
        one, two = sorted((chance.choice(made).start_ns, chance.choice(made).start_ns))
        filter_ = Filter(one, two, [C("userId", "is null")] if chance.random() < 0.5 else [])
        wanted = [t.id for t in made if one <= t.start_ns < two and (not filter_.conditions or t.user_id == "")]
        assert await walked(store, filter_, 20) == wanted
        assert await traces.count(store, PROJECT, filter_) == len(wanted)
        assert [t.id for t in await trace_pages.page(store, PROJECT, filter_, limit=1000)] == wanted


@pytest.mark.parametrize("order", ["name", "userId", "release", "id", "timestamp"])
@pytest.mark.parametrize("descending", [True, False])
async def test_pages_in_any_order(order: str, descending: bool, store: Store, made: Sequence[Merged]) -> None:
    key: Callable[[Merged], object] = {
        "name": lambda t: t.name,
        "userId": lambda t: t.user_id,
        "release": lambda t: t.release,
        "id": lambda t: t.id,
        "timestamp": lambda t: t.start_ns,
    }[order]
    wanted = [t.id for t in sorted(made, key=lambda t: (key(t), t.id), reverse=descending)]
    found = []
    for offset in range(0, MANY, 50):
        page = await trace_pages.page(store, PROJECT, order=order, descending=descending, offset=offset, limit=50)
        found += [t.id for t in page]
    assert found == wanted


async def test_a_thousand_traces_that_start_at_once_are_paged_once_each(server: Server, store: Store) -> None:
    insert(server, [Span(f"{n:032x}", "a" * 16, MONDAY + 123, project="at once") for n in range(1000)])
    found = await walked(store, Filter(), 30, "at once")
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == len(found) == 1000


# -- borders of windows: a walk's first window is the hour of the newest span, then 1, 2, 4 … hours before it --------------

NOON = MONDAY + 12 * HOUR
ROOT, CHILD = "b" * 16, "a" * 16


async def only(store: Store, server: Server, spans: Sequence[Span], *conditions: Condition) -> list[str]:
    """Ids, in a project of their own, beside a trace a minute that nothing is said of."""
    project = f"border{random.Random(repr(spans)).getrandbits(60):x}"
    others = [Span(f"{n:032x}", ROOT, NOON - n * 60 * SECOND, name="other") for n in range(600)]
    insert(server, [replace(span, project=project) for span in [*spans, *others]])
    found = await walked(store, Filter(conditions=list(conditions)), 50, project)
    everything = await walked(store, Filter(), 50, project)
    assert len(everything) == len(set(everything)) == 600 + len({s.trace_id for s in spans})
    return found


async def test_a_root_may_arrive_in_an_hour_after_its_children(server: Server, store: Store) -> None:
    t = "f" * 32
    spans = [
        Span(t, CHILD, NOON - 3 * HOUR - 1, parent=ROOT, user_id="ann"),
        Span(t, ROOT, NOON - 3 * HOUR, name="the root"),
    ]
    assert await only(store, server, spans, C("name", "=", "the root"), C("userId", "=", "ann")) == [t]
    assert await only(store, server, spans, C("timestamp", "<", NOON - 3 * HOUR), C("name", "=", "the root")) == [t]


@pytest.mark.parametrize("hours", [1, 2, 9, 24 * 8])
async def test_the_user_may_be_said_hours_later(server: Server, store: Store, hours: int) -> None:
    t = "f" * 32
    spans = [Span(t, ROOT, NOON - 9 * HOUR), Span(t, CHILD, NOON - (9 - hours) * HOUR, parent=ROOT, user_id="ann")]
    assert await only(store, server, spans, C("userId", "=", "ann")) == [t]


async def test_a_user_that_is_said_and_then_another_is_not_found(server: Server, store: Store) -> None:
    t = "f" * 32
    spans = [
        Span(t, ROOT, NOON - 9 * HOUR, user_id="ann"),
        Span(t, CHILD, NOON - 2 * HOUR, parent=ROOT, user_id="bob", tags=("x",)),
    ]
    assert await only(store, server, spans, C("userId", "=", "ann")) == []
    assert await only(store, server, spans, C("userId", "=", "bob"), C("tags", "any of", ["x"])) == [t]


async def test_tags_said_in_two_hours_are_all_there(server: Server, store: Store) -> None:
    t = "f" * 32
    spans = [Span(t, ROOT, NOON - 4 * HOUR - 1, tags=("x",)), Span(t, CHILD, NOON - 4 * HOUR, parent=ROOT, tags=("y",))]
    assert await only(store, server, spans, C("tags", "all of", ["x", "y"])) == [t]


async def test_cost_of_later_hours_counts(server: Server, store: Store) -> None:
    t = "f" * 32
    spans = [
        Span(t, ROOT, NOON - 4 * HOUR - 1, cost="1"),
        Span(t, CHILD, NOON - 1, parent=ROOT, cost="1"),
        Span(t, CHILD, NOON - 1, parent=ROOT, cost="2", copy=1),
    ]
    assert await only(store, server, spans, C("totalCost", "=", 3)) == [t]


async def test_a_trace_of_many_hours_is_where_it_starts(server: Server, store: Store) -> None:
    """Its later parts lie in windows before its own: there it has to be left out, and to be found once."""
    t = "f" * 32
    spans = [Span(t, ROOT, NOON - 9 * HOUR, name="long")]
    spans += [Span(t, f"{n:016x}", NOON - 9 * HOUR + n * HOUR, parent=ROOT) for n in range(9)]
    assert await only(store, server, spans, C("name", "=", "long")) == [t]
    assert await only(store, server, spans, C("observations", "=", 10)) == [t]


async def test_numbers_are_of_the_newest_copies(server: Server, store: Store) -> None:
    span = Span("c" * 32, ROOT, NOON, project="copies", cost="1", tokens=(1, 1), level="ERROR")
    insert(server, [span, replace(span, copy=2, cost="0.25", tokens=(2, 2), level="DEFAULT")])
    insert(server, [replace(span, copy=1, cost="9")])
    (trace,) = (await traces.newest(store, "copies")).traces
    assert (trace.numbers.observations, trace.numbers.total_cost, trace.numbers.total_tokens) == (1, Decimal("0.25"), 4)
    assert trace.numbers.errors == 0
    assert trace.numbers.level == "DEFAULT"


async def test_empty_project(store: Store) -> None:
    assert await traces.newest(store, "nobody") == traces.Page([], None)
    assert await traces.count(store, "nobody") == 0
    assert await trace_pages.page(store, "nobody") == []


@pytest.mark.parametrize("limit", [0, -1, 1001])
async def test_limits(store: Store, limit: int) -> None:
    with pytest.raises(ValueError, match="limit must be between 1 and 1000"):
        await traces.newest(store, PROJECT, limit=limit)


@pytest.mark.parametrize(
    "condition",
    [
        C("nope", "=", "x"),
        C("name", ">", "x"),
        C("name", "=", 1),
        C("tags", "=", "x"),
        C("tags", "any of", [1]),  # type: ignore[list-item]
        C("latency", "contains", 1),
        C("latency", ">", "x"),
        C("latency", ">", True),
        C("latency", ">", float("nan")),
        C("userId", "any of", "x"),
        C("metadata", ">", "1"),
        C("public", "=", "yes"),
    ],
)
async def test_conditions_that_cannot_be(store: Store, condition: Condition) -> None:
    with pytest.raises(ValueError, match=condition.column):
        await traces.newest(store, PROJECT, Filter(conditions=[condition]))
