"""Deletion while spans come in, deletion that stops half way, and what it waits for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from litefuse import deletion
from litefuse.clickhouse.client import Store
from tests.deletion.support import SYNC, T1, T2, T3, traces_in
from tests.embedded.server import Server
from tests.web.queries.support import MONDAY, Span, insert


async def test_a_deletion_that_stopped_half_way_is_finished_by_the_next(store: Store) -> None:
    await store.command("ALTER TABLE spans DELETE WHERE project_id = 'p'", settings={"mutations_sync": "2"})
    assert await deletion.traces_of_user(store, "p", "ann") == [T1]
    assert (await deletion.user(store, "p", "ann")).complete
    assert await traces_in(store, "trace_parts") == {T2, T3}


class Stopping:
    """The store, which does something after its n-th mutation or insert, such as to raise."""

    def __init__(self, store: Store, after: int, then: Callable[[], None]) -> None:
        self.store, self.after, self.then, self.commands = store, after, then, 0

    async def rows(self, *arguments: Any, **named: Any) -> list[tuple[Any, ...]]:
        return await self.store.rows(*arguments, **named)

    async def command(self, *arguments: Any, **named: Any) -> Any:
        answer = await self.store.command(*arguments, **named)
        self.commands += 1
        if self.commands == self.after:
            await asyncio.to_thread(self.then)
        return answer


class Stopped(Exception):
    pass


async def said(store: Store, table: str) -> dict[str, tuple[str, list[str], str]]:
    """What the traces of project p say by their stored spans (copies too), or by the view: user, tags, first start."""
    sql = {
        "spans": "SELECT trace_id, argMax(user_id, (user_id != '', start_time, span_id)), "
        "arraySort(groupUniqArrayArray(tags)), toString(min(start_time)) FROM spans WHERE project_id = 'p' GROUP BY ALL",
        "traces": "SELECT trace_id, user_id, tags, toString(start_time) FROM traces WHERE project_id = 'p'",
    }[table]
    return {row[0]: (row[1], row[2], row[3]) for row in await store.rows(sql, settings={"final": "0"})}


LATE = "c" * 16


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5])
async def test_m2_a_span_that_comes_in_between_two_steps_keeps_its_part_and_leaves_none_behind(
    store: Store, server: Server, step: int
) -> None:
    late = [
        Span(T1, LATE, MONDAY + 5, parent="a" * 16, tags=("late",), project="p"),
        Span(T2, LATE, MONDAY + 5, user_id="eve", tags=("late",), project="p"),
    ]
    stopping = Stopping(store, step, lambda: insert(server, late))
    done = await deletion.traces(stopping, "p", [T1, T2])
    assert await said(store, "spans") == await said(store, "traces")
    counts = {count.table: count.after for count in done.counts}
    for table in ("spans", "trace_parts"):
        assert len(await traces_in(store, table)) == (3 if counts[table] else 1), table
    assert done.complete == (await traces_in(store, "spans") == {T3})
    assert (await deletion.traces(store, "p", [T1, T2])).complete
    assert await traces_in(store, "trace_parts") == {T3}


@pytest.mark.parametrize("steps", [8, 21, 22, 23])
async def test_m2_spans_that_come_in_after_every_step_make_traces_of_what_is_left(
    store: Store, server: Server, steps: int
) -> None:
    """A round has seven. After the last of the third all rounds have found some, and the parts are made anew."""
    count = 0

    def more() -> None:
        nonlocal count
        count += 1
        stopping.after += 1
        if count <= steps:
            insert(server, [Span(T1, f"{count:016x}", MONDAY + count, tags=(f"t{count}",), project="p")])

    stopping = Stopping(store, 1, more)
    done = await deletion.traces(stopping, "p", [T1])
    assert await said(store, "spans") == await said(store, "traces")
    assert done.complete == (T1 not in await traces_in(store, "trace_parts"))
    assert await traces_in(store, "spans", "other") == await traces_in(store, "traces", "other") == {T1, T2, T3}


async def test_m2_under_load_every_trace_is_what_its_spans_say(store: Store, server: Server) -> None:
    """Three writers go on while the same traces are deleted again and again."""
    ids = [f"{n:032x}" for n in range(1, 30)]
    ending = threading.Event()

    def write(writer: int) -> int:
        number = 0
        while not ending.is_set():
            number += 1
            some = [
                Span(ids[(number + n) % len(ids)], f"{writer:x}{number:011x}{n:04x}", MONDAY + number, project="p")
                for n in range(5)
            ]
            insert(server, [replace(s, tags=(s.span_id,), user_id=f"user {number % 5}") for s in some])
        return number

    writers = [asyncio.create_task(asyncio.to_thread(write, writer)) for writer in range(3)]
    try:
        deleted = 0
        for n in range(2):
            done = await deletion.traces(store, "p", ids[n:])
            deleted += sum(count.before for count in done.counts)
            await deletion.user(store, "p", f"user {n}")
    finally:
        ending.set()
        written = sum(await asyncio.gather(*writers))
    assert written > 10
    assert deleted > 10
    assert await said(store, "spans") == await said(store, "traces")
    assert (await deletion.traces(store, "p", ids)).complete


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("step", [1, 2, 3, 4, 5])
async def test_a_crash_after_any_step_leaves_what_the_user_s_name_still_finds(
    store: Store, server: Server, step: int, late: bool
) -> None:
    """The trace names zoe and, later in the same hour, bob: its part names bob alone. Another span of it, which names bob,
    comes in as the process dies."""
    trace = "4" * 32
    insert(
        server,
        [
            Span(trace, "a" * 16, MONDAY, user_id="zoe", tags=("zoe's",), project="p"),
            Span(trace, "b" * 16, MONDAY + 1, parent="a" * 16, user_id="bob", project="p"),
        ],
    )

    def crash() -> None:
        if late:
            insert(server, [Span(trace, LATE, MONDAY + 2, parent="a" * 16, user_id="bob", project="p")])
        raise Stopped

    stopping = Stopping(store, step, crash)
    with pytest.raises(Stopped):
        await deletion.user(stopping, "p", "zoe")
    done = await deletion.user(store, "p", "zoe")
    assert done.complete
    await store.command(
        "ALTER TABLE trace_parts DELETE WHERE false", settings=SYNC
    )  # what the first has submitted is done
    # Nothing of hers is left. A span that came in after hers were gone is a trace of its own, without anything of hers.
    spans = await said(store, "spans")
    assert await said(store, "traces") == spans
    assert spans.get(trace, ("bob", [], ""))[:2] == ("bob", [])
    assert late or trace not in spans


async def test_a_mutation_that_deletes_nothing_waits_for_those_before_it(store: Store) -> None:
    """On which the counts after a deletion rely."""
    await store.command("SYSTEM STOP MERGES trace_parts")
    waiting = None
    try:
        await deletion._submit(store, "trace_parts", "project_id = 'p'", {})
        waiting = asyncio.create_task(deletion._delete(store, "trace_parts", deletion._NOTHING, {}))
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done
        assert await traces_in(store, "trace_parts") == {T1, T2, T3}
    finally:
        await store.command("SYSTEM START MERGES trace_parts")
        if waiting is not None:
            await asyncio.wait_for(waiting, 30)
    assert await traces_in(store, "trace_parts") == set()


async def test_inserts_that_run_are_waited_for(store: Store, server: Server) -> None:
    """A slow one has stored its spans before its parts, perhaps; one that begins later need not be waited for."""
    slow = (
        "INSERT INTO spans (project_id, trace_id, span_id, start_time, end_time, received_at) "
        "SELECT 'p', 'slow', toString(number + sleepEachRow(1)), now(), now(), now() FROM numbers(2)"
    )
    inserting = asyncio.create_task(store.command(slow))
    async with asyncio.timeout(10):
        while not (await store.rows("SELECT count() FROM system.processes WHERE query_kind = 'Insert'"))[0][0]:
            await asyncio.sleep(0.01)
    await deletion._inserts_ended(store)
    rows = await store.rows("SELECT count() FROM spans WHERE trace_id = 'slow'", settings={"final": "0"})
    assert rows == [(2,)]
    await inserting


async def test_what_is_derived_again_is_what_was_derived(store: Store) -> None:
    """By the view's own statement, of these traces only; a repetition changes nothing."""
    before = await store.rows("SELECT * FROM traces ORDER BY ALL")
    await store.command("ALTER TABLE trace_parts DELETE WHERE trace_id != {t:String}", {"t": T3}, settings=SYNC)
    await deletion.derive_again(store, "p", [T1])
    assert await traces_in(store, "trace_parts") == {T1, T3}
    assert await traces_in(store, "trace_parts", "other") == {T3}
    for project in ("p", "other"):
        for _ in range(2):
            await deletion.derive_again(store, project, [T1, T2])
    assert await store.rows("SELECT * FROM traces ORDER BY ALL") == before
