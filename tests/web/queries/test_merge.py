"""Traces are what a merge over all their spans gives, whatever the order, the repeats and the inserts they came in."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict

import pytest

from litefuse.clickhouse.client import Store
from tests.embedded.server import Server
from tests.web.queries.support import HOUR, MONDAY, Merged, Span, insert, merge, random_trace
from web.queries import traces
from web.queries.traces import Trace

COMPARED = tuple(key for key in Merged.__dataclass_fields__ if key in Trace.__dataclass_fields__)
NUMBERS = ("observations", "errors", "total_tokens", "total_cost", "latency_ns")


def shown(trace: Trace) -> dict[str, object]:
    found = {key: getattr(trace, key) for key in COMPARED} | {key: getattr(trace.numbers, key) for key in NUMBERS}
    found["tags"] = list(trace.tags)
    found["metadata"] = dict(trace.metadata)
    return found


def expected(spans: Sequence[Span]) -> dict[str, object]:
    return asdict(merge(spans))


async def everything(store: Store, project: str = "p") -> list[Trace]:
    found: list[Trace] = []
    page = await traces.newest(store, project, limit=7)
    found += page.traces
    while page.next is not None:
        page = await traces.newest(store, project, limit=7, before=page.next)
        found += page.traces
    return found


def arrive(server: Server, chance: random.Random, spans: list[Span]) -> None:
    """In any order, some twice, in several inserts."""
    sent = spans + chance.sample(spans, len(spans) // 5)
    chance.shuffle(sent)
    while sent:
        count = chance.randint(1, len(sent))
        insert(server, sent[:count])
        sent = sent[count:]


@pytest.mark.parametrize("seed", range(6))
async def test_section_16_3_whatever_the_order(server: Server, store: Store, seed: int) -> None:
    chance = random.Random(seed)
    project = f"random{seed}"
    made = {}
    for n in range(40):
        start = MONDAY + chance.choice([0, 1, HOUR - 1, HOUR, chance.randint(0, 30 * 24 * HOUR), n])
        spans = random_trace(chance, f"{seed:02x}{n:030x}", start)
        made[spans[0].trace_id] = [_in(span, project) for span in spans]
    arrive(server, chance, [span for spans in made.values() for span in spans])
    wanted = sorted((expected(s) for s in made.values()), key=lambda t: (t["start_ns"], t["id"]), reverse=True)
    before = await everything(store, project)
    assert [trace.id for trace in before] == [trace["id"] for trace in wanted]
    for trace, want in zip(before, wanted, strict=True):
        assert shown(trace) == want
    if seed % 2:
        server.one("OPTIMIZE TABLE trace_parts FINAL", database="litefuse")
        server.one("OPTIMIZE TABLE spans FINAL", database="litefuse")
        assert await everything(store, project) == before


def _in(span: Span, project: str) -> Span:
    from dataclasses import replace

    return replace(span, project=project)
