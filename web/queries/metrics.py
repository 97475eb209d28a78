"""Calls of models in a range of time: how many, tokens, cost, how long; by model, and by hour or day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from litefuse.clickhouse.asking import Store
from web.queries import observations
from web.queries.conditions import Condition
from web.queries.observations import Filter
from web.queries.statement import QueryError, Statement, Values, bind, run

#: Length of a bucket → the start of the bucket of a span.
BUCKETS = {"hour": "toStartOfHour(start_time)", "day": "toStartOfDay(start_time, 'UTC')"}


@dataclass(frozen=True, slots=True)
class ModelCalls:
    """`bucket_ns`: the start of the hour or day, Unix ns; 0 when there are no buckets. Costs are USD, None when no call has
    one; latencies and times to the first token seconds, None without any."""

    bucket_ns: int
    model: str
    calls: int
    errors: int
    traces: int
    input_tokens: int
    output_tokens: int
    total_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    total_cost: Decimal | None
    calls_without_cost: int
    latency_p50_s: float | None
    latency_p95_s: float | None
    first_token_p50_s: float | None
    first_token_p95_s: float | None


def by_model(
    project_id: str, since_ns: int, until_ns: int, bucket: str | None = None, conditions: Sequence[Condition] = ()
) -> Statement:
    """Observations that name a model and start in [since_ns, until_ns). Buckets in order, then the models with most calls.
    Raises QueryError for a bucket that is none."""
    if bucket is not None and bucket not in BUCKETS:
        raise QueryError(f"no bucket {bucket!r}; there are {', '.join(BUCKETS)}")
    values = Values()
    start = f"toInt64(toUnixTimestamp({BUCKETS[bucket]})) * 1000000000" if bucket else "toInt64(0)"
    matching = observations.matching(Filter(since_ns, until_ns, conditions), values)
    sql = f"""
        SELECT
            {start} AS bucket, CAST(model, 'String') AS named, count() AS calls, countIf(level = 'ERROR'), uniqExact(trace_id),
            sum(input_tokens), sum(output_tokens), sum(total_tokens), sum(cached_tokens), sum(reasoning_tokens),
            sum(total_cost), countIf(isNull(total_cost)),
            quantileOrNull(0.5)(duration_ns / 1e9), quantileOrNull(0.95)(duration_ns / 1e9),
            quantileOrNull(0.5)(time_to_first_token), quantileOrNull(0.95)(time_to_first_token)
        FROM spans FINAL
        WHERE {matching} AND model != ''
        GROUP BY bucket, named
        ORDER BY bucket, calls DESC, named"""
    return bind(project_id, sql, values)


async def models(
    store: Store,
    project_id: str,
    since_ns: int,
    until_ns: int,
    bucket: str | None = None,
    conditions: Sequence[Condition] = (),
) -> list[ModelCalls]:
    """Calls by model, and by `hour` or `day` when a bucket is given. Conditions are those of lists of observations."""
    rows = await run(store, by_model(project_id, since_ns, until_ns, bucket, conditions))
    return [ModelCalls(*row) for row in rows]
