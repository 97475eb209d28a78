"""Sessions, users, metrics and observations, against the same reference."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from litefuse.clickhouse.client import Store
from tests.embedded.server import Server
from tests.web.queries.support import HOUR, MONDAY, SECOND, Merged, Span, insert, merge, newest, random_trace
from web.queries import metrics, observation_pages, observations, sessions, texts, traces
from web.queries.conditions import Condition as C
from web.queries.observations import LARGE, SMALL
from web.queries.sessions import Range

PROJECT = "groups"
Made = list[tuple[Merged, list[Span]]]


@pytest.fixture(scope="module")
def made(server: Server) -> Made:
    chance = random.Random(5)
    every = []
    for n in range(100):
        start = MONDAY + chance.randint(0, 20 * 24) * HOUR + chance.randint(0, SECOND)
        every.append([replace(s, project=PROJECT) for s in random_trace(chance, f"{n:032x}", start, 12)])
    spans = [span for trace in every for span in trace]
    chance.shuffle(spans)
    for at in range(0, len(spans), 150):
        insert(server, spans[at : at + 150])
    return [(merge(trace), trace) for trace in every]


def grouped(made: Made, key: Callable[[Merged], str]) -> dict[str, list[Merged]]:
    found = defaultdict(list)
    for trace, _ in sorted(made, key=lambda m: (m[0].start_ns, m[0].id)):
        if key(trace):
            found[key(trace)].append(trace)
    return dict(found)


async def test_sessions(store: Store, made: Made) -> None:
    wanted = grouped(made, lambda t: t.session_id)
    found = await sessions.sessions(store, PROJECT)
    assert [s.id for s in found] == sorted(wanted, key=lambda s: (wanted[s][0].start_ns, s), reverse=True)
    assert await sessions.count_sessions(store, PROJECT) == len(wanted) == 2
    for session in found:
        of_it = wanted[session.id]
        assert session.traces == len(of_it)
        assert session.start_ns == of_it[0].start_ns
        assert session.last_start_ns == of_it[-1].start_ns
        assert session.end_ns == max(t.end_ns for t in of_it)
        assert session.environment == of_it[0].environment
        assert session.first_input == of_it[0].input_preview
        assert session.last_output == of_it[-1].output_preview
        assert list(session.users) == sorted({t.user_id for t in of_it} - {""})
        assert session.numbers.observations == sum(t.observations for t in of_it)
        assert session.numbers.errors == sum(t.errors for t in of_it)
        assert session.numbers.total_tokens == sum(t.total_tokens for t in of_it)
        assert session.numbers.total_cost == sum((t.total_cost or Decimal(0) for t in of_it), Decimal(0))
        assert await sessions.session(store, PROJECT, session.id) == session
    assert await sessions.session(store, PROJECT, "nope") is None
    assert await sessions.session(store, PROJECT, "") is None


async def test_users(store: Store, made: Made) -> None:
    wanted = grouped(made, lambda t: t.user_id)
    found = await sessions.users(store, PROJECT)
    assert [u.id for u in found] == sorted(wanted, key=lambda u: (wanted[u][-1].start_ns, u), reverse=True)
    assert await sessions.count_users(store, PROJECT) == len(wanted) == 2
    for user in found:
        of_it = wanted[user.id]
        assert user.traces == len(of_it)
        assert user.sessions == len({t.session_id for t in of_it} - {""})
        assert (user.start_ns, user.last_start_ns) == (of_it[0].start_ns, of_it[-1].start_ns)
        assert list(user.environments) == sorted({t.environment for t in of_it})
        assert user.numbers.total_cost == sum((t.total_cost or Decimal(0) for t in of_it), Decimal(0))
        assert await sessions.user(store, PROJECT, user.id) == user
    assert [u.id for u in await sessions.users(store, PROJECT, Range(contains="NN"))] == ["ann"]


@pytest.mark.parametrize("by_last", [True, False])
async def test_a_range_of_sessions_is_of_their_first_or_last_trace(store: Store, made: Made, by_last: bool) -> None:
    wanted = grouped(made, lambda t: t.session_id)
    borders = sorted(t.start_ns for of_it in wanted.values() for t in of_it)
    for since in borders:
        for until in (None, borders[-1]):
            range_ = Range(since, until, by_last=by_last)
            starts = {s: of_it[-1 if by_last else 0].start_ns for s, of_it in wanted.items()}
            inside = [s for s, at in starts.items() if since <= at and (until is None or at < until)]
            found = [s.id for s in await sessions.sessions(store, PROJECT, range_)]
            assert found == sorted(inside, key=lambda s: (starts[s], s), reverse=True)


async def test_sessions_of_an_environment(store: Store, made: Made) -> None:
    wanted = grouped(made, lambda t: t.session_id)
    for environment in ("prod", "default", "dev"):
        found = await sessions.sessions(store, PROJECT, Range(environments=[environment]))
        assert {s.id for s in found} == {s for s, t in wanted.items() if t[0].environment == environment}


# -- observations --------------------------------------------------------------------------------------------------------


def kept(made: Made) -> list[Span]:
    spans = [span for _, trace in made for span in newest(trace)]
    return sorted(spans, key=lambda s: (s.start, s.trace_id, s.span_id), reverse=True)


async def walked(store: Store, filter_: observations.Filter, limit: int) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    before = None
    while True:
        page = await observation_pages.newest(store, PROJECT, filter_, limit, before)
        found += [(o["trace_id"], o["id"]) for o in page.observations]
        if page.next is None:
            return found
        before = page.next


FILTERS: dict[str, tuple[list[C], Callable[[Span, Merged], bool]]] = {
    "all": ([], lambda s, t: True),
    "level": ([C("level", "=", "ERROR")], lambda s, t: s.level == "ERROR"),
    "name": ([C("name", "any of", ["n1", "n2"])], lambda s, t: s.name in ("n1", "n2")),
    "cost": ([C("totalCost", ">", 0.4)], lambda s, t: s.cost is not None and Decimal(s.cost) > Decimal("0.4")),
    "latency": ([C("latency", "<", 1)], lambda s, t: s.end_time - s.start < SECOND),
    "root": ([C("isRootObservation", "=", True)], lambda s, t: s.is_root or s.app_root),
    "no parent": ([C("parentObservationId", "is null")], lambda s, t: not s.parent),
    "of the trace's user": ([C("userId", "=", "ann")], lambda s, t: t.user_id == "ann"),
    "of the trace's tags": ([C("tags", "all of", ["a", "b"])], lambda s, t: {"a", "b"} <= set(t.tags)),
    "of the trace's name": ([C("traceName", "=", "n1")], lambda s, t: t.name == "n1"),
}


@pytest.mark.parametrize("name", FILTERS)
async def test_lists_of_observations(name: str, store: Store, made: Made) -> None:
    conditions, match = FILTERS[name]
    of = {trace.id: trace for trace, _ in made}
    wanted = [(s.trace_id, s.span_id) for s in kept(made) if match(s, of[s.trace_id])]
    filter_ = observations.Filter(conditions=conditions)
    assert wanted
    assert await walked(store, filter_, 40) == wanted
    assert await observations.count(store, PROJECT, filter_) == len(wanted)
    page = await observation_pages.page(store, PROJECT, filter_, offset=3, limit=20)
    assert [(o["trace_id"], o["id"]) for o in page] == wanted[3:23]


async def test_a_range_of_observations(store: Store, made: Made) -> None:
    spans = kept(made)
    for one, two in ((10, 50), (0, 1), (100, len(spans) - 1)):
        filter_ = observations.Filter(spans[two].start, spans[one].start)
        wanted = [(s.trace_id, s.span_id) for s in spans if spans[two].start <= s.start < spans[one].start]
        assert await walked(store, filter_, 25) == wanted


async def test_a_trace_without_its_time(store: Store, made: Made) -> None:
    for merged, spans in made[:20]:
        found = await observations.trace(store, PROJECT, merged.id, large=True)
        assert found is not None
        trace, seen = found
        assert [trace] == await traces.by_ids(store, PROJECT, [merged.id])
        assert (trace.start_ns, trace.name, trace.numbers.observations) == (
            merged.start_ns,
            merged.name,
            merged.observations,
        )
        wanted = sorted(newest(spans), key=lambda s: (s.start, not s.is_root, s.span_id))
        assert [(o["id"], o["start_ns"], o["level"]) for o in seen] == [(s.span_id, s.start, s.level) for s in wanted]
        assert set(seen[0]) == {*SMALL, *LARGE}
        assert seen[0]["input"] == wanted[0].input
        one = await observations.by_id(store, PROJECT, seen[0]["id"])
        assert one == seen[0]
    assert await observations.trace(store, PROJECT, "0" * 32 + "nope") is None
    assert await observations.by_id(store, PROJECT, "nope") is None


async def test_large_columns_of_a_list_are_read_only_when_asked_for(store: Store, made: Made) -> None:
    assert set((await observation_pages.newest(store, PROJECT)).observations[0]) == set(SMALL)
    page = await observation_pages.newest(store, PROJECT, names=[*SMALL, *LARGE])
    assert set(page.observations[0]) == {*SMALL, *LARGE}
    small = " ".join(SMALL.values())
    assert not any(column in small.split() for column in ("input", "output", "attributes_string"))


async def test_section_16_3_texts_in_full_are_those_of_the_previews(store: Store, made: Made) -> None:
    """In these tests a preview is the whole text; where a copy has taken one away, the preview still tells it."""
    plain = [(merged, spans) for merged, spans in made if all(s.copy == 0 for s in spans)]
    page = await traces.by_ids(store, PROJECT, [merged.id for merged, _ in plain])
    low, high = min(t.start_ns for t in page), max(t.spans_until_ns for t in page)
    found = await texts.of_traces(store, PROJECT, [t.id for t in page], low, high)
    assert found == {m.id: (m.input_preview, m.output_preview) for m, _ in plain}


# -- metrics -------------------------------------------------------------------------------------------------------------


async def test_metrics_by_model_and_hour(server: Server, store: Store) -> None:
    def call(n: int, at: int, ms: int, model: str = "gpt", **more: object) -> Span:
        span = Span("a" * 31 + str(n % 3), f"{n:016x}", at, at + ms * 1_000_000, project="metrics", model=model)
        return replace(span, **more)  # type: ignore[arg-type]

    spans = [call(n, MONDAY + n, 100 * (n + 1), tokens=(10, 1), cost="0.01") for n in range(10)]
    spans += [replace(spans[0], copy=1)]  # a re-send counts once
    spans += [call(20, MONDAY + HOUR, 50, level="ERROR", first_token=MONDAY + HOUR + 20_000_000)]
    spans += [call(21, MONDAY + 25 * HOUR, 50, "claude", environment="prod")]
    spans += [call(22, MONDAY, 50, ""), call(23, MONDAY + 48 * HOUR, 50)]
    insert(server, spans)
    until = MONDAY + 48 * HOUR
    first, later, other = await metrics.models(store, "metrics", MONDAY, until, "hour")
    assert (first.bucket_ns, first.model, first.calls, first.traces, first.errors) == (MONDAY, "gpt", 10, 3, 0)
    assert (first.input_tokens, first.output_tokens, first.total_tokens) == (100, 10, 110)
    assert first.total_cost == Decimal("0.1")
    assert first.latency_p50_s == pytest.approx(0.55)
    assert first.latency_p95_s == pytest.approx(0.955)
    assert first.first_token_p50_s is None
    assert (later.bucket_ns, later.errors, later.calls_without_cost, later.total_cost) == (MONDAY + HOUR, 1, 1, None)
    assert later.first_token_p95_s == pytest.approx(0.02)
    assert (other.bucket_ns, other.model) == (MONDAY + 25 * HOUR, "claude")
    by_day = await metrics.models(store, "metrics", MONDAY, until, "day")
    assert [(m.bucket_ns, m.model, m.calls) for m in by_day] == [
        (MONDAY, "gpt", 11),
        (MONDAY + 24 * HOUR, "claude", 1),
    ]
    whole = await metrics.models(store, "metrics", MONDAY, until)
    assert [(m.bucket_ns, m.model, m.calls) for m in whole] == [(0, "gpt", 11), (0, "claude", 1)]
    some = await metrics.models(store, "metrics", MONDAY, until, None, [C("environment", "=", "prod")])
    assert [m.model for m in some] == ["claude"]
    with pytest.raises(ValueError, match="no bucket 'year'"):
        await metrics.models(store, "metrics", MONDAY, until, "year")
