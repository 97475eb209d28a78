"""What a query of metrics reads, and the buckets of time (public-api.md section 7.1)."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from litefuse.clickhouse.client import Store
from tests.web.queries.support import HOUR, MONDAY, SECOND
from web.queries import metric_sql, metric_time
from web.queries.conditions import Condition
from web.queries.metric_query import Metric, Query, check
from web.queries.metric_views import VIEWS


def sql(view: str, measure: str, *dimensions: str, **rest: Any) -> str:
    query = Query(VIEWS[view], [Metric(measure, "count")], MONDAY, MONDAY + HOUR, dimensions, **rest)
    return metric_sql.statement("p", check(query), nameless=False).sql


def test_only_what_is_needed_is_joined() -> None:
    plain = sql("observations", "latency", "providedModelName")
    assert "trace_parts" not in plain
    assert "scores" not in plain
    assert "metadata" not in plain
    assert "trace_id" not in plain
    assert "trace_parts" in sql("observations", "latency", "userId")
    assert "JOIN" not in sql("traces", "count", "userId")
    assert "FROM spans" in sql("traces", "latency", "userId")
    assert "FROM spans" not in sql("scores-numeric", "value", "traceName", conditions=[Condition("userId", "=", "a")])
    assert "FROM spans" in sql("scores-numeric", "value", "observationName")


@pytest.mark.parametrize("view", list(VIEWS))
def test_copies_never_count(view: str) -> None:
    """Every read of spans or scores whose rows are counted is FINAL, and leaves out what is no observation."""
    for name, measure in VIEWS[view].measures.items():
        if measure.version > 1:
            continue
        text = " ".join(sql(view, name).split())
        for table in ("spans", "scores"):
            for part in text.split(f"FROM {table} ")[1:]:
                assert part.startswith(("FINAL", "AS s FINAL")), text
                assert table != "spans" or "type != 'TRACE'" in part


@pytest.mark.parametrize("granularity", metric_time.GRANULARITIES)
async def test_buckets_in_sql_and_in_python(store: Store, granularity: str) -> None:
    chance = random.Random(granularity)
    instants = [
        chance.randint(-70 * 365 * 86_400, 130 * 365 * 86_400) * SECOND + chance.randint(0, 10**9) for _ in range(300)
    ]
    instants += [0, -1, MONDAY, MONDAY - 1]
    at = "fromUnixTimestamp64Nano(arrayJoin({instants:Array(Int64)}), 'UTC')"
    rows = await store.rows(f"SELECT {metric_time.sql(at, granularity)}", {"instants": instants})
    assert [row[0] for row in rows] == [metric_time.bucket(ns, granularity) for ns in instants]
    for ns in instants:
        start = datetime.fromisoformat(
            metric_time.text(metric_time.bucket(ns, granularity), granularity).replace("Z", "+00:00")
        ).replace(tzinfo=UTC)
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=ns // SECOND)
        assert timedelta(0) <= moment - start < timedelta(days=31)
        assert granularity != "week" or start.weekday() == 0
        assert granularity != "month" or start.day == 1


@pytest.mark.parametrize("granularity", metric_time.GRANULARITIES)
def test_buckets_of_a_range(granularity: str) -> None:
    low, high = MONDAY - HOUR - 1, MONDAY + 40 * 24 * HOUR
    found = list(metric_time.buckets(low, high, granularity))
    assert found == sorted(set(found))
    assert (found[0], found[-1]) == (metric_time.bucket(low, granularity), metric_time.bucket(high, granularity))
    assert {metric_time.bucket(ns, granularity) for ns in range(low, high, 59 * SECOND)} <= set(found)
    assert list(metric_time.buckets(low, low, granularity)) == [found[0]]
