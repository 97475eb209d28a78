"""What metrics are of the rows of filter_rows.py, said a second time in plain Python (public-api.md section 7.1).

Shares nothing with the SQL: a row is its time, its dimensions and its measures, and what is asked of rows are loops over them.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.embedded.server import Server
from tests.web.api.filter_rows import Score, observation_rows, put, score_rows, scores_made, spans_made, trace_rows
from tests.web.queries.support import HOUR, MONDAY, SECOND, Span, newest

TOOLS = ("search", "fetch", "o'brien \\ {x:String}", "")
AGGREGATIONS = ("sum", "avg", "count", "max", "min", "p50", "p75", "p90", "p95", "p99", "histogram", "uniq")


@dataclass(frozen=True, slots=True)
class Row:
    """`many`: what a dimension makes rows of: name → name and amount of each."""

    at: int
    dimensions: Mapping[str, Any]
    measures: Mapping[str, Any]
    metadata: Mapping[str, str] = field(default_factory=dict)
    many: Mapping[str, Sequence[tuple[str, Any]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class World:
    """Rows of project p, by view."""

    spans: Sequence[Span]
    scores: Sequence[Score]
    views: Mapping[str, Sequence[Row]]


def made(server: Server) -> World:
    """Rows in project p, others with the same ids in another project; copies of spans, and scores that were sent again."""
    chance = random.Random(11)
    spans = [_with_tools(chance, span) for span in spans_made(chance)]
    scores = scores_made(chance, spans)
    prompted = [span for span in spans if span.prompt[1] is not None]
    scores += [
        Score(f"of {n}", "prompted", kind, n % 2, str(n % 2 == 1), span.trace_id, span.span_id, at=MONDAY + n * HOUR)
        for n, (span, kind) in enumerate((s, k) for s in prompted for k in ("NUMERIC", "BOOLEAN", "CATEGORICAL"))
    ]
    put(server, spans, scores)
    changed = [replace(score, value=0, at=score.at + 40 * 24 * HOUR, name="moved") for score in scores[::7]]
    deleted = scores[3::10]
    lines = [{**score.row(), "version": 20} for score in changed]
    lines += [{**score.row(), "version": 30, "deleted": 1} for score in deleted]
    answer = server.ask(
        "INSERT INTO scores FORMAT JSONEachRow\n" + "\n".join(map(json.dumps, lines)), database="litefuse"
    )
    assert answer.status == 200, answer.text
    latest = {score.id: score for score in [*scores, *changed]}
    for score in deleted:
        del latest[score.id]
    left = list(latest.values())
    views = {
        "traces": traces(spans, left),
        "observations": observations(spans, left),
        "scores-numeric": scored(spans, left, ("NUMERIC", "BOOLEAN")),
        "scores-boolean": scored(spans, left, ("BOOLEAN",)),
        "scores-categorical": scored(spans, left, ("CATEGORICAL",)),
    }
    return World(spans, left, views)


def _with_tools(chance: random.Random, span: Span) -> Span:
    if span.type != "GENERATION" or chance.random() < 0.3:
        return span
    called = [chance.choice(TOOLS) for _ in range(chance.randint(0, 4))]
    return replace(span, tools=tuple(chance.sample(TOOLS, chance.randint(0, 3))), called=tuple(called))


# -- rows ----------------------------------------------------------------------------------------------------------------


def _month(ns: int) -> str:
    return f"{datetime.fromtimestamp(ns // SECOND, UTC):%Y-%m}"


def traces(spans: Sequence[Span], scores: Sequence[Score]) -> list[Row]:
    of_trace = defaultdict(list)
    for span in newest(spans):
        of_trace[span.trace_id].append(span)
    found = []
    for id_, said in trace_rows(spans, scores).items():
        kept = [span for span in of_trace[id_] if span.type != "TRACE"]
        names = ("id", "name", "tags", "userId", "sessionId", "release", "version", "environment")
        costs = [Decimal(span.cost) for span in kept if span.cost is not None]
        measures = {
            "count": 1,
            "observationsCount": len(kept),
            "scoresCount": sum(score.trace == id_ for score in scores),
            "uniqueUserIds": said["userId"] or None,
            "uniqueSessionIds": said["sessionId"] or None,
            "latency": said["latency"] * 1000,
            "totalTokens": said["totalTokens"],
            "totalCost": sum(costs, Decimal(0)) if costs else None,
        }
        at = said["timestamp"]
        dimensions = {name: said[name] for name in names} | {"timestampMonth": _month(at)}
        found.append(Row(at, dimensions, measures, said["metadata"]))
    return found


def observations(spans: Sequence[Span], scores: Sequence[Score]) -> list[Row]:
    said_of, trace_of, found = observation_rows(spans), trace_rows(spans, scores), []
    for span in newest(spans):
        if span.type == "TRACE":
            continue
        said, trace = said_of[span.span_id], trace_of[span.trace_id]
        ran = None if span.unended else span.end_time - span.start
        streamed = None if span.unended or span.first_token is None else span.end_time - span.first_token
        cost = None if span.cost is None else Decimal(span.cost)
        names = ("id", "traceId", "traceName", "environment", "parentObservationId", "type", "name", "level", "version")
        more = ("release", "promptName", "promptVersion", "userId", "sessionId", "isRootObservation")
        dimensions = {name: said[name] for name in (*names, *more)}
        dimensions |= {
            "tags": said["traceTags"],
            "providedModelName": said["model"],
            "traceRelease": trace["release"],
            "traceVersion": trace["version"],
            "startTimeMonth": _month(span.start),
        }
        measures = {
            "count": 1,
            "latency": None if ran is None else ran / 1e6,
            "streamingLatency": None if streamed is None else streamed / 1e6,
            "timeToFirstToken": None if span.first_token is None else (span.first_token - span.start) / 1e6,
            "inputTokens": span.tokens[0],
            "outputTokens": span.tokens[1],
            "totalTokens": sum(span.tokens),
            "outputTokensPerSecond": span.tokens[1] * 1e9 / streamed if streamed and streamed > 0 else None,
            "tokensPerSecond": sum(span.tokens) * 1e9 / ran if ran else None,
            "inputCost": None if span.costs[0] is None else Decimal(span.costs[0]),
            "outputCost": None if span.costs[1] is None else Decimal(span.costs[1]),
            "totalCost": cost,
            "countScores": sum((s.trace, s.observation) == (span.trace_id, span.span_id) for s in scores),
            "toolDefinitions": len(span.tools) or None,
            "toolCalls": len(span.called) or None,
            "traceId": span.trace_id,
            "uniqueUserIds": trace["userId"] or None,
            "uniqueSessionIds": trace["sessionId"] or None,
        }
        usage = {"input": span.tokens[0], "output": span.tokens[1]} if any(span.tokens) else {}
        many: dict[str, Sequence[tuple[str, Any]]] = {
            "toolNames": [(name, None) for name in dict.fromkeys(span.tools)],
            "calledToolNames": [(name, None) for name in dict.fromkeys(span.called)],
            "costType": [] if cost is None else [("total", cost)],
            "usageType": list(usage.items()),
        }
        found.append(Row(span.start, dimensions, measures, said["metadata"], many))
    return found


def scored(spans: Sequence[Span], scores: Sequence[Score], types: Sequence[str]) -> list[Row]:
    observed, trace_of = observation_rows(spans), trace_rows(spans, scores)
    said_of, found = score_rows(spans, scores), []
    for score in scores:
        if score.data_type not in types:
            continue
        said, trace, span = said_of[score.id], trace_of.get(score.trace, {}), observed.get(score.observation, {})
        names = ("id", "environment", "name", "source", "dataType", "traceId", "observationId", "traceName", "userId")
        dimensions = {name: said[name] for name in names} | {
            "configId": None,
            "timestampMonth": _month(score.at),
            "timestampDay": f"{datetime.fromtimestamp(score.at // SECOND, UTC):%Y-%m-%d}",
            "tags": said["tags"] or [],
            "sessionId": score.session or trace.get("sessionId"),
            "traceRelease": trace.get("release"),
            "traceVersion": trace.get("version"),
            "observationName": span.get("name"),
            "observationModelName": span.get("model"),
            "observationPromptName": span.get("promptName"),
            "observationPromptVersion": span.get("promptVersion"),
            "value": score.value,
            "stringValue": score.text,
            "booleanValue": score.value == 1,
        }
        found.append(Row(score.at, dimensions, {"count": 1, "value": score.value}, said["metadata"]))
    return found


# -- what is asked of them -----------------------------------------------------------------------------------------------


def exploded(rows: Iterable[Row], by: str, spans: Mapping[str, Span]) -> list[Row]:
    """A row for each name; the number of calls and definitions of tools is that name's."""
    found = []
    for row in rows:
        span = spans[row.dimensions["id"]]
        for name, amount in row.many[by]:
            measures = dict(row.measures)
            if by in ("toolNames", "calledToolNames"):
                measures["toolCalls"] = span.called.count(name) or None
                measures["toolDefinitions"] = span.tools.count(name) or None
            else:
                measures[{"costType": "costByType", "usageType": "usageByType"}[by]] = amount
            found.append(replace(row, dimensions={**row.dimensions, by: name}, measures=measures))
    return found


def bucket(ns: int, granularity: str) -> str:
    at = datetime.fromtimestamp(ns // SECOND, UTC)
    if granularity == "minute":
        return f"{at:%Y-%m-%dT%H:%M}:00Z"
    if granularity == "hour":
        return f"{at:%Y-%m-%dT%H}:00:00Z"
    if granularity == "week":
        at -= timedelta(days=at.weekday())
    return f"{at:%Y-%m}-01" if granularity == "month" else f"{at:%Y-%m-%d}"


def buckets(from_ns: int, to_ns: int, granularity: str) -> list[str]:
    """Every minute of the range is asked for its bucket, of long ones every hour."""
    step = 60 * SECOND if granularity in ("minute", "hour") else HOUR
    every = [*range(from_ns, to_ns, step), to_ns]
    return list(dict.fromkeys(bucket(ns, granularity) for ns in every))


def key(row: Mapping[str, Any], names: Sequence[str]) -> tuple[Any, ...]:
    """What a row of an answer is grouped by."""
    return tuple(tuple(row[name]) if isinstance(row[name], list) else row[name] for name in names)


def grouped(
    rows: Iterable[Row], dimensions: Sequence[str], granularity: str | None = None
) -> dict[tuple[Any, ...], list[Row]]:
    """By dimensions, and by the bucket when there is a granularity. Empty text is null."""
    found = defaultdict(list)
    for row in rows:
        named: dict[str, Any] = {name: row.dimensions[name] for name in dimensions}
        named = {name: None if value == "" else value for name, value in named.items()}
        if granularity:
            named["time_dimension"] = bucket(row.at, granularity)
        found[key(named, list(named))].append(row)
    return dict(found)


def _quantile(values: Sequence[Any], share: float) -> float:
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low]) + (at - low) * (float(ordered[high]) - float(ordered[low]))


_OF: Mapping[str, Callable[[Sequence[Any]], Any]] = {
    "avg": lambda values: float(sum(values)) / len(values),
    "max": max,
    "min": min,
    **{f"p{n}": lambda values, n=n: _quantile(values, n / 100) for n in (50, 75, 90, 95, 99)},  # type: ignore[misc]
}


def aggregated(rows: Sequence[Row], measure: str, aggregation: str) -> Any:
    """Of histograms the number of values, which is the sum of their heights."""
    values = [row.measures[measure] for row in rows if row.measures[measure] is not None]
    if aggregation in ("count", "histogram"):
        return len(values)
    if aggregation == "uniq":
        return len(set(values))
    if aggregation == "sum":
        return float(sum(values, Decimal(0))) if values and isinstance(values[0], Decimal) else sum(values)
    found = _OF[aggregation](values) if values else None
    return float(found) if isinstance(found, Decimal) else found
