"""A query of metrics as a value, and which ones there can be (public-api.md section 7.1). Pure.

`check` raises QueryError for names that the view does not have, and fills in what a query leaves to us.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from web.queries.conditions import Condition
from web.queries.metric_views import Dimension, Measure, View
from web.queries.statement import QueryError

#: Aggregation → SQL of a measure. `{bins}`: of a histogram. Nothing at all is 0 for sums and counts, else null. `uniq` is exact
#: up to 65 536 values, and about half a percent off beyond: exact sets would be as large as the data.
AGGREGATIONS: Mapping[str, str] = {
    "sum": "ifNull(sum({x}), 0)",
    "avg": "avgOrNull({x})",
    "count": "count({x})",
    "max": "maxOrNull({x})",
    "min": "minOrNull({x})",
    **{f"p{percent}": f"quantileOrNull({percent / 100})({{x}})" for percent in (50, 75, 90, 95, 99)},
    "histogram": "histogram({bins})(toFloat64({x}))",
    "uniq": "uniq({x})",
}
#: What can be asked of a measure that is text.
OF_TEXT = ("count", "uniq")
#: Name of the only column of a query without metrics.
COUNT = "count"
TIME = "time_dimension"


@dataclass(frozen=True, slots=True)
class Metric:
    measure: str
    aggregation: str

    @property
    def name(self) -> str:
        """As rows of the answer and orders call it."""
        return f"{self.aggregation}_{self.measure}"


@dataclass(frozen=True, slots=True)
class Order:
    field: str
    descending: bool


@dataclass(frozen=True, slots=True)
class Query:
    """Of what is in [from_ns, to_ns], Unix ns. `granularity`: minute, hour, day, week or month; None for no buckets. `order` is
    empty for the default. `limit`: rows of the answer, None for all. `version`: of the API."""

    view: View
    metrics: Sequence[Metric]
    from_ns: int
    to_ns: int
    dimensions: Sequence[str] = ()
    conditions: Sequence[Condition] = ()
    granularity: str | None = None
    order: Sequence[Order] = ()
    bins: int = 10
    limit: int | None = None
    version: int = 1

    @property
    def exploded(self) -> str | None:
        """The dimension that makes several rows of one."""
        return next((name for name in self.dimensions if self.view.dimensions[name].each), None)

    @property
    def filled(self) -> bool:
        """Whether buckets without rows are part of the answer."""
        return self.granularity is not None and not self.order

    @property
    def names(self) -> list[str]:
        """Of the columns of the answer, in their order."""
        metrics = [metric.name for metric in self.metrics] or [COUNT]
        return [*self.dimensions, *([TIME] if self.granularity else []), *metrics]


def dimensions_of(view: View, version: int) -> dict[str, Dimension]:
    return {name: found for name, found in view.dimensions.items() if found.version <= version}


def measures_of(view: View, version: int) -> dict[str, Measure]:
    return {name: found for name, found in view.measures.items() if found.version <= version}


def check(query: Query) -> Query:
    """The query without repeats, and with the dimensions that its measures bring. Raises QueryError."""
    dimensions, measures = dimensions_of(query.view, query.version), measures_of(query.view, query.version)
    if query.version > query.view.until_version:
        raise QueryError(f"View '{query.view.name}' is not supported in version 'v{query.version}': ask /metrics")
    for name in query.dimensions:
        if name not in dimensions:
            raise QueryError(f"Invalid dimension {name[:200]}. Must be one of {_listed(dimensions)}")
    for metric in query.metrics:
        measure = measures.get(metric.measure)
        if measure is None:
            raise QueryError(f"Invalid metric {metric.measure[:200]}. Must be one of {_listed(measures)}")
        fitting = OF_TEXT if measure.kind == "text" else tuple(AGGREGATIONS)
        if metric.aggregation not in fitting:
            raise QueryError(
                f"Invalid aggregation {metric.aggregation[:200]} for {metric.measure}. Must be one of {_listed(fitting)}"
            )
    brought = [measures[metric.measure].each for metric in query.metrics if measures[metric.measure].each]
    found = replace(
        query,
        dimensions=tuple(dict.fromkeys([*query.dimensions, *brought])),
        metrics=tuple(dict.fromkeys(query.metrics)),
    )
    exploding = [name for name in found.dimensions if dimensions[name].each]
    if len(exploding) > 1:
        raise QueryError(f"Only one of {_listed(exploding)} can be a dimension of a query")
    for condition in found.conditions:
        each = dimensions[condition.column].each if condition.column in dimensions else None
        if each and each.amounts and condition.column not in found.dimensions:
            raise QueryError(f"{condition.column} can be filtered by where it is a dimension of the query")
    _check_order(found)
    _check_many(found)
    return found


def _check_order(query: Query) -> None:
    """Raises QueryError."""
    known = [*query.dimensions, *([TIME] if query.granularity else [])]
    known += [metric.name for metric in query.metrics if metric.aggregation != "histogram"]
    for order in query.order:
        if order.field not in (known if query.metrics else [*known, COUNT]):
            raise QueryError(
                f"Invalid orderBy field {order.field[:200]}. Must be one of the dimension or metric fields: {_listed(known)}"
            )


def _check_many(query: Query) -> None:
    """Version 2 gives the top of dimensions that have about as many values as rows, and no more. Raises QueryError."""
    many = [name for name in query.dimensions if query.view.dimensions[name].many]
    if query.version < 2 or not many:
        return
    named = f"High cardinality dimension(s) '{_listed(many)}'"
    if query.granularity is not None:
        raise QueryError(f"{named} cannot be used with timeDimension")
    metrics = {metric.name for metric in query.metrics}
    if query.limit is None or not any(order.descending and order.field in metrics for order in query.order):
        raise QueryError(
            f"{named} require both 'config.row_limit' and 'orderBy' with direction 'desc' on a measure of the query"
        )


def _listed(names: Collection[str]) -> str:
    return ",".join(names)


def ordered(query: Query) -> list[Order]:
    """The order, with the default where none is given: by time, else the first metric from the greatest, else the first
    dimension; and the dimensions after it, so that equal rows have an order too."""
    found = list(query.order)
    if not found:
        first = next((metric.name for metric in query.metrics if metric.aggregation != "histogram"), None)
        if query.granularity:
            found = [Order(TIME, False)]
        elif first:
            found = [Order(first, True)]
    given = {order.field for order in found}
    rest = [*query.dimensions, *([TIME] if query.granularity else [])]
    return [*found, *(Order(name, False) for name in rest if name not in given)]
