"""Scores for the benchmarks: of traces, of observations, of sessions, as evaluators give them, seeded."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.records import PROJECT
from litefuse.clickhouse.client import Store
from web.queries.new_scores import COLUMNS, NewScore, block, planned

_ROWS_A_BLOCK = 10_000
_MINUTE_NS = 60 * 10**9
_TONES = ("polite", "neutral", "curt")
_INSERT = {"optimize_on_insert": "0"}
_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Scored:
    """A span that is scored, or its trace, or its session. `start_ns`: Unix ns."""

    trace_id: str
    span_id: str
    session_id: str
    start_ns: int


async def spans(store: Store, number: int) -> list[Scored]:
    """So many spans, or all, spread over the whole time."""
    rows = await store.rows(
        "SELECT trace_id, span_id, session_id, toUnixTimestamp64Nano(start_time) FROM spans "
        "ORDER BY cityHash64(span_id) LIMIT {number:UInt64}",
        {"number": number},
    )
    return [Scored(*row) for row in rows]


async def fill(store: Store, scored: Sequence[Scored], seed: int = 0) -> int:
    """A score of each, stored. Raises StoreError."""
    rng = random.Random(seed)
    made = [_new(one, rng) for one in scored]
    for at in range(0, len(made), _ROWS_A_BLOCK):
        rows = planned(made[at : at + _ROWS_A_BLOCK], {}, time.time_ns())
        await store.insert_arrow("scores", COLUMNS, block(rows), settings=_INSERT, timeout=_TIMEOUT_S)
    return len(made)


def _new(one: Scored, rng: random.Random) -> NewScore:
    said = _said(rng)
    score = NewScore(
        project_id=PROJECT,
        id=rng.randbytes(16).hex(),
        timestamp_ns=one.start_ns + rng.randrange(1, 30) * _MINUTE_NS,
        name=said["name"],
        data_type=said["dataType"],
        value=0.0 if isinstance(said["value"], str) else float(said["value"]),
        string_value=_text(said["value"]) if said["dataType"] != "NUMERIC" else "",
        comment=said.get("comment", ""),
    )
    if one.session_id and rng.random() < 0.05:
        return replace(score, session_id=one.session_id)
    return replace(score, trace_id=one.trace_id, observation_id=one.span_id if rng.random() < 0.3 else "")


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else str(bool(value))


def _said(rng: random.Random) -> dict[str, Any]:
    """Name, type and value as a client sends them; a comment of one in five."""
    kind = rng.choices(("NUMERIC", "BOOLEAN", "CATEGORICAL"), (60, 25, 15))[0]
    said: dict[str, Any] = {"dataType": kind}
    if kind == "NUMERIC":
        said |= {"name": rng.choice(("helpfulness", "relevance", "groundedness")), "value": round(rng.random(), 3)}
    elif kind == "BOOLEAN":
        said |= {"name": "correct", "value": int(rng.random() < 0.8)}
    else:
        said |= {"name": "tone", "value": rng.choice(_TONES)}
    if rng.random() < 0.2:
        said["comment"] = "The answer names the document, and leaves out the second half of the question. " * 2
    return said


def bodies(scored: Sequence[Scored], seed: int) -> Iterator[dict[str, Any]]:
    """New scores as a client sends them, without end."""
    rng = random.Random(seed)
    while True:
        one = rng.choice(scored)
        body = {"id": rng.randbytes(16).hex(), **_said(rng), "traceId": one.trace_id, "environment": "production"}
        if rng.random() < 0.3:
            body["observationId"] = one.span_id
        yield body
