"""The map stage alone: CPU µs of `worker.map.map_spans` a span that is mapped, and a plain span that is not."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks import inputs
from benchmarks.figures import Section, Series, Table
from benchmarks.inputs import Body
from benchmarks.llm.dialects import DIALECTS, PLAIN
from benchmarks.llm.traffic import requests
from benchmarks.records import records, slices
from benchmarks.rounds import Rounds
from litefuse.prices import Book
from litefuse.prices.catalogue import catalogue
from litefuse.telemetry import metrics as m
from worker.decode import Defaults, decode
from worker.map import map_spans

US = 1e6
_DEFAULTS = Defaults()
_CORPUS = "LLM spans of tests/corpus"
_HTTP = "plain HTTP spans (gen.py)"


@dataclass(frozen=True, slots=True)
class Once:
    """One round over `spans` spans, of which `mapped` had something to map: CPU seconds."""

    spans: int
    mapped: int
    decode: float
    map: float

    @property
    def per_span(self) -> float:
        """µs a span that is mapped; where none is, a span."""
        return self.map / (self.mapped or self.spans) * US


def inputs_of(quick: bool) -> dict[str, list[Body]]:
    """By name; a round of each takes a second or two. The generator's by convention, plain spans apart."""
    share = 10 if quick else 1
    feeds = {_CORPUS: inputs.repeated(inputs.llm_spans(), 10_000 // share)}
    made = [request.data for request in requests(30_000 // share)]
    for name, dialect in DIALECTS.items():
        feeds[f"generator: {name}"] = _of_scopes(made, {dialect.scope[0]})
    feeds["generator: servers, clients, databases"] = _of_scopes(made, {name for name, _ in PLAIN.values()})
    feeds[_HTTP] = inputs.http_spans(512, 128 // share)
    return feeds


def _of_scopes(made: Sequence[bytes], scopes: set[str]) -> list[Body]:
    """The requests with the spans of these scopes alone. MLflow's resource makes all spans worth a look: not here."""
    found = []
    for data in made:
        message = ExportTraceServiceRequest.FromString(data)
        for resource_spans in message.resource_spans:
            kept = [group for group in resource_spans.scope_spans if group.scope.name in scopes]
            mine = any(group.scope.name == "mlflow.tracing.provider" for group in resource_spans.scope_spans)
            del resource_spans.scope_spans[:]
            if not mine or "mlflow.tracing.provider" in scopes:
                resource_spans.scope_spans.extend(kept)
        spans = sum(len(group.spans) for r in message.resource_spans for group in r.scope_spans)
        if spans:
            plain = message.SerializeToString()
            found.append(Body(plain, spans, plain=len(plain)))
    return found


def run(rounds: Rounds, quick: bool) -> Section:
    """The table of what mapping costs."""
    feeds = inputs_of(quick)
    book = Book(catalogue())
    found: dict[str, list[Once]] = {name: [] for name in feeds}
    for _ in rounds:
        rounds.say("map")
        for name, bodies in feeds.items():
            found[name].append(once(bodies, book))
    return _section(feeds, found)


def once(bodies: Sequence[Body], book: Book) -> Once:
    """Decode all, then map all: slices of about 1 MiB, as the pipeline has them."""
    gc.collect()
    spans = sum(body.spans for body in bodies)
    began = time.process_time()
    batches: list[pa.RecordBatch | None] = [decode(taken, _DEFAULTS, 0.0).spans for taken in slices(records(bodies))]
    decoded = time.process_time()
    before = _mapped()
    for batch in batches:
        map_spans(batch, book)
    return Once(spans, int(_mapped() - before), decoded - began, time.process_time() - decoded)


def _mapped() -> float:
    return float(next(iter(m.SPANS_MAPPED.collect())).samples[0].value)


def _section(feeds: dict[str, list[Body]], found: dict[str, list[Once]]) -> Section:
    table = Table(
        "map",
        "Map stage: CPU µs a span",
        ("spans", "bytes a span", "mapped", "decode", "map"),
        note="`worker.map.map_spans` alone, in one thread, with the catalogue of prices; decode beside it. `map` is what a "
        "span costs that is mapped; where none is, one that is looked at.",
    )
    section = Section([table])
    for name, rounds in found.items():
        bodies = feeds[name]
        spans = sum(body.spans for body in bodies)
        series = Series.of((one.per_span for one in rounds), "µs/span")
        table.rows.append(
            (
                name,
                f"{sum(body.plain for body in bodies) / spans:.0f}",
                f"{rounds[0].mapped / spans:.0%}",
                Series.of((one.decode / one.spans * US for one in rounds), "µs/span"),
                series,
            )
        )
        section.figures[f"map/{name}"] = series
    section.figures["map/corpus"] = section.figures[f"map/{_CORPUS}"]
    section.figures["map/http"] = section.figures[f"map/{_HTTP}"]
    generated = [found[f"generator: {name}"] for name in DIALECTS]
    section.figures["map/generator"] = Series.of(
        (sum(o.map for o in ones) / sum(o.mapped for o in ones) * US for ones in zip(*generated, strict=True)),
        "µs/span",
    )
    table.rows.append(("generator: mean of all conventions", "", "", None, section.figures["map/generator"]))
    return section
