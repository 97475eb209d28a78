"""Writes of scores: many requests in one block, what fails, and what two processes do at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest

from litefuse.clickhouse.client import Store
from litefuse.errors import RowRefused, StoreError, StoreUnavailable
from tests.embedded.server import Server
from tests.web.api.score_support import body, fresh
from tests.web.api.support import Client
from web.api.errors import ApiError
from web.api.score_writer import ScoreWriter
from web.queries import scores
from web.queries.new_scores import COLUMNS, Deleted, Known, NewScore, block, planned


class Watched:
    """The store, whose inserts are counted, may wait, and may fail: `failing` has the error for a block."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.blocks: list[bytes] = []
        self.going = asyncio.Event()
        self.going.set()
        self.failing: dict[bytes, StoreError] = {}
        self.afterwards: StoreError | None = None

    async def rows(self, *arguments: Any, **named: Any) -> list[tuple[Any, ...]]:
        return await self.store.rows(*arguments, **named)

    async def command(self, *arguments: Any, **named: Any) -> Any:
        return await self.store.command(*arguments, **named)

    async def insert_arrow(
        self, table: str, columns: Sequence[str], body: bytes, *, settings: Mapping[str, str], timeout: float
    ) -> None:
        self.blocks.append(body)
        await self.going.wait()
        for part, error in self.failing.items():
            if part in body:
                raise error
        await self.store.insert_arrow(table, columns, body, settings=settings, timeout=timeout)
        if self.afterwards is not None:
            raise self.afterwards


@pytest.fixture
async def store(server: Server) -> AsyncIterator[Store]:
    store = await Store.open(server.embedded.url)
    yield store
    await store.close()


@pytest.fixture
async def watched(store: Store) -> Watched:
    return Watched(store)


@pytest.fixture
async def writer(watched: Watched) -> AsyncIterator[ScoreWriter]:
    writer = ScoreWriter(watched)
    yield writer
    watched.going.set()
    await writer.close()


def new(id_: str | None = None, *, project: str = "p", **said: Any) -> NewScore:
    whole = {"timestamp_ns": 1_780_272_000_000_000_001, "name": "n", "data_type": "NUMERIC", "trace_id": "t", **said}
    return NewScore(project_id=project, id=id_ or fresh("written"), **whole)


async def comments(store: Store, ids: Sequence[str], project: str = "p") -> dict[str, str]:
    rows = await store.rows(
        "SELECT id, comment FROM scores FINAL WHERE project_id = {p:String} AND id IN {i:Array(String)}",
        {"p": project, "i": list(ids)},
    )
    return {row[0]: row[1] for row in rows}


async def test_requests_that_come_meanwhile_are_one_insert(writer: ScoreWriter, watched: Watched, store: Store) -> None:
    made = [new(comment=f"c{n}") for n in range(100)]
    watched.going.clear()
    first = asyncio.create_task(writer.write(made[:1]))
    async with asyncio.timeout(10):
        while not watched.blocks:
            await asyncio.sleep(0.01)
    rest = [asyncio.create_task(writer.write([one])) for one in made[1:]]
    await asyncio.sleep(0.05)
    assert not first.done()
    assert not any(task.done() for task in rest)
    watched.going.set()
    await asyncio.gather(first, *rest)
    assert len(watched.blocks) == 2
    assert await comments(store, [one.id for one in made]) == {one.id: one.comment for one in made}


async def test_it_is_there_when_the_answer_is(client: Client, store: Store) -> None:
    """Of many requests at once each finds its own score stored."""

    async def one(n: int) -> None:
        sent = body(comment=f"c{n}")
        assert (await client.call("POST", "/scores", body=sent)).status == 200
        assert await comments(store, [sent["id"]]) == {sent["id"]: f"c{n}"}

    await asyncio.gather(*(one(n) for n in range(50)))


async def test_of_one_id_in_a_block_the_last_counts(writer: ScoreWriter, store: Store) -> None:
    id_ = fresh("written")
    await writer.write([new(id_, comment=f"c{n}") for n in range(5)])
    rows = await store.rows("SELECT comment FROM scores WHERE id = {i:String}", {"i": id_}, settings={"final": "0"})
    assert rows == [("c4",)]
    await writer.write([new(id_, comment="again"), Deleted("p", id_)])
    assert await comments(store, [id_]) == {}
    await writer.write([Deleted("p", id_), new(id_, comment="anew")])
    assert await comments(store, [id_]) == {id_: "anew"}


async def test_two_processes_with_clocks_that_differ(store: Store) -> None:
    """The one that writes later wins, and one row is left, whichever clock is ahead."""
    id_, ahead = fresh("written"), 2**63
    await store.insert_arrow(
        "scores", *_arguments([new(id_, comment="of the future")], {}, ahead), settings={}, timeout=10
    )
    writers = [ScoreWriter(store) for _ in range(2)]
    for n in range(6):
        await writers[n % 2].write([new(id_, comment=f"c{n}")])
        assert await comments(store, [id_]) == {id_: f"c{n}"}
    await writers[1].write([Deleted("p", id_)])
    assert await comments(store, [id_]) == {}
    for writer in writers:
        await writer.close()


def _arguments(
    scores_: Sequence[NewScore], known: Mapping[tuple[str, str], Known], now_ns: int
) -> tuple[Sequence[str], bytes]:
    return COLUMNS, block(planned(scores_, known, now_ns))


async def test_processes_at_once_leave_one_of_each(store: Store) -> None:
    ids = [fresh("written") for _ in range(20)]
    writers = [ScoreWriter(store) for _ in range(3)]
    chance = random.Random(1)
    writes = [
        writer.write([new(id_, comment=f"{n} {m}") for id_ in chance.sample(ids, 10)])
        for n, writer in enumerate(writers)
        for m in range(10)
    ]
    await asyncio.gather(*writes)
    found = await store.rows(
        "SELECT id, count() FROM scores FINAL WHERE id IN {i:Array(String)} GROUP BY id", {"i": ids}
    )
    assert {row[1] for row in found} == {1}
    assert len(found) == len(ids)
    for writer in writers:
        await writer.close()


async def test_a_refused_score_is_no_part_of_the_others(writer: ScoreWriter, watched: Watched, store: Store) -> None:
    bad, good = new("bad bad bad"), [new(comment=f"c{n}") for n in range(3)]
    watched.failing[b"bad bad bad"] = RowRefused("no such row", 27)
    watched.going.clear()
    tasks = [asyncio.create_task(writer.write([one])) for one in (good[0], good[1], bad, good[2])]
    await asyncio.sleep(0.05)
    watched.going.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [type(None), type(None), ApiError, type(None)]
    assert isinstance(answers[2], ApiError)
    assert answers[2].status == 400
    assert set(await comments(store, [one.id for one in (bad, *good)])) == {one.id for one in good}


@pytest.mark.parametrize("error", [StoreUnavailable("away"), StoreUnavailable("slow", 159), StoreUnavailable("", 241)])
async def test_what_may_not_be_stored_is_to_be_sent_again(
    writer: ScoreWriter, watched: Watched, store: Store, error: StoreError
) -> None:
    """Also when the block was stored and only its answer is lost: the repetition changes nothing."""
    one = new(comment="c")
    for where in ("before", "afterwards"):
        if where == "before":
            watched.failing[one.id.encode()] = error
        else:
            watched.failing.clear()
            watched.afterwards = error
        with pytest.raises(ApiError) as refused:
            await writer.write([one])
        assert (refused.value.status, refused.value.retry_after) == (503, 1)
    watched.afterwards = None
    await writer.write([one])
    assert await comments(store, [one.id]) == {one.id: "c"}


async def test_what_waits_is_bounded(watched: Watched, store: Store) -> None:
    writer = ScoreWriter(watched, waiting_bytes=20_000)
    watched.going.clear()
    made = [new(comment="x" * 1000) for _ in range(40)]
    tasks = [asyncio.create_task(writer.write([one])) for one in made]
    await asyncio.sleep(0.1)
    watched.going.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, ApiError)]
    assert {(one.status, one.retry_after) for one in refused} == {(503, 1)}
    assert 0 < len(refused) < 40
    taken = {one.id for one, answer in zip(made, answers, strict=True) if answer is None}
    assert set(await comments(store, [one.id for one in made])) == taken
    await writer.write([new(comment="x" * 50_000)])  # alone, one that is larger than that is taken
    await writer.close()


async def test_at_the_end_what_waits_is_written(watched: Watched, store: Store) -> None:
    writer = ScoreWriter(watched)
    watched.going.clear()
    made = [new(comment="c") for _ in range(5)]
    tasks = [asyncio.create_task(writer.write([one])) for one in made]
    await asyncio.sleep(0.05)
    closing = asyncio.create_task(writer.close())
    await asyncio.sleep(0.05)
    watched.going.set()
    await asyncio.gather(closing, *tasks)
    assert len(await comments(store, [one.id for one in made])) == 5
    with pytest.raises(ApiError) as refused:
        await writer.write([new()])
    assert refused.value.status == 503
    await writer.close()


async def test_whoever_stops_waiting_harms_nobody(writer: ScoreWriter, watched: Watched, store: Store) -> None:
    watched.going.clear()
    made = [new(comment="c") for _ in range(3)]
    tasks = [asyncio.create_task(writer.write([one])) for one in made]
    await asyncio.sleep(0.05)
    tasks[1].cancel()
    watched.going.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [type(None), asyncio.CancelledError, type(None)]
    assert {one.id for one in (made[0], made[2])} <= set(await comments(store, [one.id for one in made]))


# -- what is planned -----------------------------------------------------------------------------------------------------


def test_rows_say_what_is_known() -> None:
    score, gone, never = new("a"), Deleted("p", "b"), Deleted("p", "c")
    known = {
        ("p", "a"): Known(500, False, 7, "t", "", ""),
        ("p", "b"): Known(5, False, 8, "its trace", "its observation", ""),
    }
    first, second = planned([score, gone, never], known, 100_000_000)
    assert (first["version"], first["created_at"], first["updated_at"], first["deleted"]) == (100_000_000, 7, 100, 0)
    assert (second["id"], second["version"], second["deleted"], second["trace_id"]) == (
        "b",
        100_000_000,
        1,
        "its trace",
    )
    [behind] = planned([score], known, 10)
    assert behind["version"] == 501
    [anew] = planned([score], {("p", "a"): Known(5, True, 7, "", "", "")}, 100_000_000)
    assert anew["created_at"] == 100
    assert planned([gone], {("p", "b"): Known(5, True, 7, "", "", "")}, 100) == []


async def test_a_deleted_score_does_not_come_back_through_an_index(writer: ScoreWriter, store: Store) -> None:
    """Rows of other times and traces lie in other parts and granules; indexes find the older ones alone."""
    await store.command("SYSTEM STOP MERGES scores")
    try:
        moved, gone = fresh("written"), fresh("written")
        filling = [new(f"fill {n:06}", trace_id=f"other {n}") for n in range(20_000)]
        await writer.write([*filling, new(moved, trace_id="first"), new(gone, trace_id="first")])
        await writer.write([new(moved, trace_id="second")])
        await writer.write([Deleted("p", gone)])
        assert await scores.of_traces(store, "p", ["first"]) == {}
        found = await scores.of_traces(store, "p", ["first", "second"])
        assert [score.id for score in found["second"]] == [moved]
    finally:
        await store.command("SYSTEM START MERGES scores")
