"""Numbers by day (public-api.md section 7.2)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from typing_extensions import TypedDict

from web.api import paging
from web.api.filters import combined
from web.api.paging import PageMeta
from web.api.parameters import limit, page, text, texts, time
from web.api.route import Call, Route
from web.api.values import or_none, time_text
from web.queries import daily
from web.queries.conditions import Condition
from web.queries.daily import Day, Usage
from web.queries.totals import Total


class DailyUsage(TypedDict):
    """Of one model; null for observations that name none. Tokens, and USD."""

    model: str | None
    inputUsage: int
    outputUsage: int
    totalUsage: int
    countObservations: int
    countTraces: int
    totalCost: float


class DailyNumbers(TypedDict):
    """`date` is `YYYY-MM-DD`, UTC."""

    date: str
    countTraces: int
    countObservations: int
    totalCost: float
    usage: list[DailyUsage]


class DailyAnswer(TypedDict):
    data: list[DailyNumbers]
    meta: PageMeta


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyQuery:
    page: int = page()
    limit: int = limit()
    traceName: str | None = text("name of the trace")
    userId: str | None = text("user of the trace")
    tags: tuple[str, ...] = texts("the trace has all of these tags")
    environment: tuple[str, ...] = texts("environment of the trace is one of these")
    fromTimestamp: int | None = time("what starts at this time or later")
    toTimestamp: int | None = time("what starts before this time")


def conditions(query: DailyQuery) -> list[Condition]:
    """On traces."""
    return combined(
        [],
        {
            "name": None if query.traceName is None else Condition("name", "=", query.traceName),
            "userId": None if query.userId is None else Condition("userId", "=", query.userId),
            "tags": Condition("tags", "all of", query.tags) if query.tags else None,
            "environment": Condition("environment", "any of", query.environment) if query.environment else None,
        },
    )


def usage(found: Usage) -> DailyUsage:
    return {
        "model": or_none(found.model),
        "inputUsage": found.input_tokens,
        "outputUsage": found.output_tokens,
        "totalUsage": found.total_tokens,
        "countObservations": found.observations,
        "countTraces": found.traces,
        "totalCost": float(found.total_cost),
    }


def day(found: Day) -> DailyNumbers:
    return {
        "date": time_text(found.start_ns)[:10],
        "countTraces": found.traces,
        "countObservations": sum(model.observations for model in found.usage),
        "totalCost": float(sum((model.total_cost for model in found.usage), Decimal(0))),
        "usage": [usage(model) for model in found.usage],
    }


async def get(call: Call, query: DailyQuery) -> DailyAnswer:
    within = daily.Filter(query.fromTimestamp, query.toTimestamp, conditions(query))
    offset = paging.offset(query.page, query.limit)
    days, total = await daily.page(call.store, call.project_id, within, offset, query.limit)
    return {"data": [day(found) for found in days], "meta": paging.meta(query.page, query.limit, Total(total))}


ROUTES: tuple[Route, ...] = (
    Route("GET", "/metrics/daily", get, "Numbers by day", "Metrics", DailyAnswer, DailyQuery, errors=(422,)),
)
