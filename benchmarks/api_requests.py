"""What the part `api` asks for: each question as a request, about another user, tag or trace each time. Pure."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from benchmarks.queries import DAY_NS, Known, tenant

PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True, slots=True)
class Get:
    """Path under /api/public, and its parameters; `accept` when it is not JSON that is wanted."""

    path: str
    query: dict[str, str]
    accept: str = ""


Make = Callable[[Known, random.Random], Get]


@dataclass(frozen=True, slots=True)
class Question:
    """`statement`: the question of the part `queries` that asks for the same."""

    name: str
    make: Make
    statement: str = ""


def _get(path: str, **query: str) -> Make:
    return lambda known, rng: Get(path, query)


def _filtered(path: str, *conditions: dict[str, Any], **query: str) -> Make:
    """Values of conditions may be functions of what is known."""

    def make(known: Known, rng: random.Random) -> Get:
        filled = [{k: v(known, rng) if callable(v) else v for k, v in one.items()} for one in conditions]
        return Get(path, {**query, "filter": json.dumps(filled)})

    return make


def _condition(kind: str, column: str, operator: str, value: object, **more: str) -> dict[str, Any]:
    return {"type": kind, "column": column, "operator": operator, "value": value, **more}


def _trace(**query: str) -> Make:
    return lambda known, rng: Get(f"/traces/{rng.choice(known.trace_ids)}", query)


def _otlp(accept: str) -> Make:
    return lambda known, rng: Get(f"/otel/v1/traces/{rng.choice(known.trace_ids)}", {}, accept)


def time_text(ns: int) -> str:
    """ISO 8601, to the microsecond."""
    return datetime.fromtimestamp(ns / 1e9, UTC).isoformat()


def _metrics(path: str, days: int, view: str, measures: list[tuple[str, str]], **more: object) -> Make:
    """Metrics of the last days, or of one of the last three."""

    def make(known: Known, rng: random.Random) -> Get:
        until = known.until_ns - (rng.randrange(3) * DAY_NS if days == 1 else 0)
        query = {
            "view": view,
            "metrics": [{"measure": measure, "aggregation": aggregation} for measure, aggregation in measures],
            "fromTimestamp": time_text(until - days * DAY_NS),
            "toTimestamp": time_text(until),
            **more,
        }
        return Get(path, {"query": json.dumps(query)})

    return make


def _daily(known: Known, rng: random.Random) -> Get:
    return Get("/metrics/daily", {"fromTimestamp": time_text(known.until_ns - 30 * DAY_NS), "limit": "31"})


_GENERATIONS = _condition("string", "type", "=", "GENERATION")
_COSTS = [("totalCost", "sum"), ("totalTokens", "sum"), ("count", "count"), ("latency", "p95")]
_BY_MODEL = [{"field": "providedModelName"}]
_IO = "core,basic,time,io,metadata,model,usage"

QUESTIONS = (
    Question("/traces", _get("/traces"), "traces: 50 newest"),
    Question("/traces, fields=core", _get("/traces", fields="core"), "traces: 50 newest"),
    Question("/traces, userId", lambda k, r: Get("/traces", {"userId": r.choice(k.users)}), "traces: by user"),
    Question("/traces, sessionId", lambda k, r: Get("/traces", {"sessionId": r.choice(k.sessions)})),
    Question("/traces, a tag that many have", _get("/traces", tags="chat"), "traces: by a tag that many have"),
    Question("/traces, a tag that few have", _get("/traces", tags="demo"), "traces: by a tag that few have"),
    Question(
        "/traces, metadata (tenant)",
        _filtered("/traces", _condition("stringObject", "metadata", "=", lambda k, r: tenant(r), key="tenant")),
        "traces: by metadata (tenant)",
    ),
    Question(
        "/traces, metadata that few have",
        _filtered("/traces", _condition("stringObject", "metadata", "=", "A", key="experiment.arm")),
        "traces: by metadata that few have",
    ),
    Question(
        "/traces, cost, one in a hundred",
        _filtered("/traces", _condition("number", "totalCost", ">", lambda k, r: k.dear)),
        "traces: by cost, one in a hundred",
    ),
    Question(
        "/traces, with errors", _filtered("/traces", _condition("number", "errorCount", ">", 0)), "traces: with errors"
    ),
    Question(
        "/traces, with a low score",
        _filtered("/traces", _condition("numberObject", "scores_avg", "<", 0.2, key="helpfulness")),
    ),
    Question("/traces/{id}", _trace(), "trace by id, with input and output of all"),
    Question("/traces/{id}, fields=core,scores", _trace(fields="core,scores")),
    Question("/otel/v1/traces/{id}, JSON", _otlp("")),
    Question("/otel/v1/traces/{id}, protobuf", _otlp(PROTOBUF)),
    Question("/sessions", _get("/sessions"), "sessions: 50 newest of all"),
    Question("/sessions/{id}", lambda k, r: Get(f"/sessions/{r.choice(k.sessions)}", {}), "session by id"),
    Question("/observations", _get("/observations")),
    Question(
        "/observations, generations of a model",
        lambda k, r: _filtered(
            "/observations", _condition("string", "model", "=", r.choice(k.models)), type="GENERATION"
        )(k, r),
    ),
    Question(
        "/observations/{id}", lambda k, r: Get(f"/observations/{r.choice(k.spans)}", {}), "observation by id alone"
    ),
    Question("/v2/observations", _get("/v2/observations")),
    Question(f"/v2/observations, fields={_IO}", _get("/v2/observations", fields=_IO)),
    Question(
        "/v2/observations, generations of a model",
        lambda k, r: _filtered(
            "/v2/observations",
            _condition("string", "model", "=", r.choice(k.models)),
            type="GENERATION",
            fields="core,basic,model,usage",
        )(k, r),
        "observations: 50 newest generations",
    ),
    Question(
        "/v2/observations, of a trace",
        lambda k, r: Get("/v2/observations", {"traceId": r.choice(k.trace_ids), "fields": _IO, "limit": "1000"}),
    ),
    Question("/v2/observations, userId", lambda k, r: Get("/v2/observations", {"userId": r.choice(k.users)})),
    Question(
        "/v2/metrics, a day by model",
        _metrics("/v2/metrics", 1, "observations", _COSTS, dimensions=_BY_MODEL, filters=[_GENERATIONS]),
        "metrics of a day by model",
    ),
    Question(
        "/v2/metrics, a day by model and hour",
        _metrics(
            "/v2/metrics",
            1,
            "observations",
            _COSTS,
            dimensions=_BY_MODEL,
            filters=[_GENERATIONS],
            timeDimension={"granularity": "hour"},
            config={"row_limit": 1000},
        ),
        "metrics of a day by model and hour",
    ),
    Question(
        "/v2/metrics, 30 days by model and day",
        _metrics(
            "/v2/metrics",
            30,
            "observations",
            _COSTS,
            dimensions=_BY_MODEL,
            filters=[_GENERATIONS],
            timeDimension={"granularity": "day"},
            config={"row_limit": 1000},
        ),
        "metrics of 30 days by model and day",
    ),
    Question(
        "/v2/metrics, 30 days, the dearest users",
        _metrics(
            "/v2/metrics",
            30,
            "observations",
            [("totalCost", "sum")],
            dimensions=[{"field": "userId"}],
            orderBy=[{"field": "sum_totalCost", "direction": "desc"}],
            config={"row_limit": 20},
        ),
    ),
    Question(
        "/v2/metrics, 30 days, scores by name",
        _metrics(
            "/v2/metrics", 30, "scores-numeric", [("value", "avg"), ("count", "count")], dimensions=[{"field": "name"}]
        ),
    ),
    Question(
        "/metrics, traces of a day by name",
        _metrics(
            "/metrics",
            1,
            "traces",
            [("count", "count"), ("latency", "p95"), ("totalCost", "sum")],
            dimensions=[{"field": "name"}],
        ),
    ),
    Question(
        "/metrics, traces of 30 days by day",
        _metrics(
            "/metrics", 30, "traces", [("count", "count"), ("totalCost", "sum")], timeDimension={"granularity": "day"}
        ),
    ),
    Question("/metrics/daily, 30 days", _daily),
    Question("/v3/scores", _get("/v3/scores")),
    Question("/v2/scores", _get("/v2/scores")),
    Question("/v2/scores, traceId", lambda k, r: Get("/v2/scores", {"traceId": r.choice(k.scored)})),
    Question("/v2/scores, name and value", _get("/v2/scores", name="helpfulness", operator="<", value="0.1")),
)


@dataclass(frozen=True, slots=True)
class Paging:
    """A list that is read page by page until there are `rows` rows. `by_cursor`: else by the number of the page."""

    name: str
    path: str
    limit: int
    by_cursor: bool
    query: dict[str, str]


#: Rows that are read, at most; in the quick form.
PAGED_ROWS = 10_000
QUICK_PAGED_ROWS = 2_000
PAGINGS = (
    Paging("/v2/observations, 1000 by cursor", "/v2/observations", 1000, True, {"fields": _IO}),
    Paging("/v2/observations, 100 by cursor", "/v2/observations", 100, True, {"fields": _IO}),
    Paging("/observations, 100 by number", "/observations", 100, False, {}),
    Paging("/traces, 100 by number", "/traces", 100, False, {}),
    Paging("/traces, 100 by number, fields=core", "/traces", 100, False, {"fields": "core"}),
    Paging("/v3/scores, 100 by cursor", "/v3/scores", 100, True, {}),
)


def page_query(paging: Paging, number: int, meta: dict[str, Any], most: int = PAGED_ROWS) -> dict[str, str] | None:
    """Parameters of a page, the first being 1, after one with this `meta` (of the first: empty); None behind the last."""
    query = {**paging.query, "limit": str(paging.limit)}
    if number == 1:
        return query
    if (number - 1) * paging.limit >= most:
        return None
    if paging.by_cursor:
        return {**query, "cursor": meta["cursor"]} if "cursor" in meta else None
    return {**query, "page": str(number)} if number <= meta["totalPages"] else None
