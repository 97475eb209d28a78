"""The worker stage by stage: CPU µs a span of each step, alone, on the same records.

The stages are called as the pipeline calls them: slices of about 1 MiB are decoded, blocks of up to 100 000 rows built
and sent. Reading the log and sending the block are measured with a real log and a real HTTP connection.
"""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, ParamSpec, TypeVar

import worker.decode
from benchmarks import inputs
from benchmarks.figures import Cell, Section, Series, Table
from benchmarks.inputs import Body
from benchmarks.records import records, slices
from benchmarks.rounds import Rounds
from litefuse.log.base import Record
from litefuse.prices import Book
from litefuse.prices.catalogue import catalogue
from worker.block import Cutter, Limits
from worker.block import Slice as Piece
from worker.decode import Defaults, decode
from worker.map import map_spans
from worker.write import ipc

P = ParamSpec("P")
T = TypeVar("T")

_DEFAULTS = Defaults()
_BOOK = Book(catalogue())
#: As the settings' defaults, but for the age.
_LIMITS = Limits(bytes=33554432, rows=100_000, age=1.0)

STAGES = ("decode", "map", "block", "Arrow IPC")
#: What decode consists of; the rest of it is headers, the columns that say where a span comes from, and assembling.
INSIDE = ("· inflate", "· JSON → protobuf", "· ptars", "· flatten", "· check")
REST = "· the rest"


@dataclass
class Costs:
    """CPU seconds of each stage in one round, over `spans` spans."""

    spans: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, stage: str, began: float) -> float:
        """The time since `began` goes to the stage; now is returned."""
        now = time.process_time()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - began
        return now

    def per_span(self, stage: str) -> float:
        return self.seconds.get(stage, 0.0) / self.spans * 1e6


def inputs_of(quick: bool) -> dict[str, list[Body]]:
    """By name. Sizes are such that a round takes a fraction of a second."""
    share = 8 if quick else 1
    http = inputs.http_spans(512, 128 // share)
    llm = inputs.repeated(inputs.llm_spans(), 20_000 // share)
    return {
        "http-512": http,
        "http-1": inputs.http_spans(1, 10_000 // share),
        "http-512 gzip": inputs.each(http, inputs.as_gzip),
        "http-512 JSON": inputs.each(http[: max(1, len(http) // 4)], inputs.as_json),
        "LLM": llm,
        "LLM JSON": inputs.each(llm, inputs.as_json),
    }


def run(rounds: Rounds, quick: bool) -> Section:
    """The table of stages."""
    costs: dict[str, list[Costs]] = {}
    feeds = {name: (bodies, records(bodies)) for name, bodies in inputs_of(quick).items()}
    for _ in rounds:
        rounds.say("stages")
        for name, (bodies, recs) in feeds.items():
            costs.setdefault(name, []).append(once(bodies, recs))
    return _section(feeds, costs)


def once(bodies: Sequence[Body], recs: Sequence[Record]) -> Costs:
    """Every stage on all records. `decode` is run twice: as it is, and with its own stages timed, which for tiny records
    costs more than they do."""
    gc.collect()
    costs = Costs(sum(body.spans for body in bodies))
    pieces: list[Piece] = []
    for taken in slices(recs):
        began = time.process_time()
        piece = decode(taken, _DEFAULTS, 0.0)
        began = costs.add("decode", began)
        spans = map_spans(piece.spans, _BOOK)
        costs.add("map", began)
        pieces.append(piece.mapped(spans))
    _blocks(costs, pieces)
    pieces.clear()
    with _watched(costs):
        for taken in slices(recs):
            began = time.process_time()
            decode(taken, _DEFAULTS, 0.0)
            costs.add("watched", began)
    inside = sum(costs.seconds.get(stage, 0.0) for stage in INSIDE)
    costs.seconds[REST] = costs.seconds["watched"] - inside
    return costs


@contextlib.contextmanager
def _watched(costs: Costs) -> Iterator[None]:
    """While this is open, what `decode` calls is timed where it calls it."""
    kept = {name: getattr(worker.decode, name) for name in ("inflate", "to_protobuf", "flatten", "verdicts", "FULL")}
    worker_decode: Any = worker.decode
    worker_decode.inflate = _timed(costs, "· inflate", kept["inflate"])
    worker_decode.to_protobuf = _timed(costs, "· JSON → protobuf", kept["to_protobuf"])
    worker_decode.flatten = _timed(costs, "· flatten", kept["flatten"])
    worker_decode.verdicts = _timed(costs, "· check", kept["verdicts"])
    worker_decode.FULL = SimpleNamespace(
        list_to_record_batch=_timed(costs, "· ptars", kept["FULL"].list_to_record_batch)
    )
    try:
        yield
    finally:
        for name, function in kept.items():
            setattr(worker_decode, name, function)


def _timed(costs: Costs, stage: str, function: Callable[P, T]) -> Callable[P, T]:
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        began = time.process_time()
        try:
            return function(*args, **kwargs)
        finally:
            costs.add(stage, began)

    return call


def _blocks(costs: Costs, pieces: Sequence[Piece]) -> None:
    began = time.process_time()
    cutter = Cutter(_LIMITS)
    for i, piece in enumerate(pieces):
        cutter.add(piece)
        if cutter.full() or i + 1 == len(pieces):
            block = cutter.take()
            began = costs.add("block", began)
            for part in block.parts:
                ipc(part.spans)
            began = costs.add("Arrow IPC", began)


def _section(feeds: dict[str, tuple[list[Body], list[Record]]], costs: dict[str, list[Costs]]) -> Section:
    names = list(feeds)
    table = Table(
        "stages",
        "Worker, stage by stage: CPU µs a span",
        ("stage", *names),
        note="Each stage alone, in one thread. `http-512`: 552-byte spans in requests (records) of 512; `http-1`: the same, "
        "one a record; `LLM`: the requests of the corpus' LLM client libraries.",
    )
    bytes_per_span: list[Cell] = [
        short_bytes(sum(b.plain for b in bodies) / sum(b.spans for b in bodies)) for bodies, _ in feeds.values()
    ]
    table.rows.append(("bytes a span, inflated", *bytes_per_span))
    section = Section([table])
    for stage in ("decode", *INSIDE, REST, *STAGES[1:]):
        cells = [Series.of((c.per_span(stage) for c in costs[name]), "µs/span") for name in names]
        table.rows.append((stage, *cells))
    sums = [Series.of((sum(c.per_span(stage) for stage in STAGES) for c in costs[name]), "µs/span") for name in names]
    table.rows.append(("sum", *sums))
    section.figures.update({f"stages/{name}/sum": series for name, series in zip(names, sums, strict=True)})
    return section


def short_bytes(value: float) -> str:
    return f"{value:.0f}"
