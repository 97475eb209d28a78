"""Filling the tables for the benchmarks of queries: every span arrives, some of them twice, and can be asked for."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks import queries
from benchmarks import store as filling
from benchmarks.llm.traffic import UNTIL_NS
from benchmarks.records import PROJECT
from litefuse.clickhouse.client import Store
from schemas.runner import migrate
from tests.embedded.server import running
from web.queries.traces import Page

SPANS = 6000


async def test_every_span_is_stored_and_some_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "_REPEATED", 0.2)  # of few requests
    said: list[str] = []
    with running(tmp_path / "litefuse") as server:
        store = await Store.open(server.embedded.url)
        await migrate(store)
        filled = await filling.fill(store, SPANS, UNTIL_NS, said.append)
        assert filled.spans >= SPANS
        assert 0 < filled.repeated < filled.spans
        rows = (await store.rows("SELECT count(), uniqExact(trace_id, span_id), uniq(project_id) FROM spans FINAL"))[0]
        assert rows == (filled.spans, filled.spans, 1)
        parts, stored, size = await filling.parts(store)
        assert filled.spans < stored <= filled.spans + filled.repeated
        assert parts > 1
        assert size > 0
        known = await queries.known_of(store, filled)
        assert known.dear > 0
        for question in queries.QUESTIONS:
            found = await question.ask(store, known, random.Random(1))
            assert found, question.name
            if isinstance(found, Page):
                assert found.traces, question.name
        assert (await store.rows("SELECT any(project_id) FROM spans"))[0][0] == PROJECT
        await store.close()
