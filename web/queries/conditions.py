"""Filters as values, and as SQL: the conditions of the filter language of the public API.

A condition names a column of a table of columns, never SQL; its value becomes a parameter. Conditions are ANDed. Empty
text counts as null, and null matches nothing but `is null`, negative operators included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from web.queries.statement import QueryError, Values

Value = str | int | float | bool | Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Condition:
    """`value`: text, number, bool, or texts for `any of`, `none of`, `all of`; for a column of times Unix ns; `key` is
    the name within a map (metadata)."""

    column: str
    operator: str
    value: Value = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """`kind`: text, list, number, time, map or bool. `sql` is the value in the rows that are filtered. `said`: the same in
    a single row of trace_parts, None where no such row tells; `own`: whether the value of a trace is the value of one row.
    `number`: it is summed from spans."""

    kind: str
    sql: str
    said: str | None = None
    number: bool = False


_TEXT: Mapping[str, Callable[[str, str], str]] = {
    "=": lambda x, v: f"{x} = {v}",
    "contains": lambda x, v: f"position({x}, {v}) > 0",
    "starts with": lambda x, v: f"startsWith({x}, {v})",
    "ends with": lambda x, v: f"endsWith({x}, {v})",
    "matches": lambda x, v: f"positionCaseInsensitiveUTF8({x}, {v}) > 0",
}
_TEXT_NOT: Mapping[str, Callable[[str, str], str]] = {
    "<>": lambda x, v: f"{x} != {v}",
    "does not contain": lambda x, v: f"position({x}, {v}) = 0",
}
_ORDER = ("=", "<>", ">", "<", ">=", "<=")


def sql(condition: Condition, columns: Mapping[str, Column], values: Values) -> str:
    """The condition on merged rows, in brackets. Raises QueryError for a column, operator or value that does not fit."""
    column = _column(condition, columns)
    return f"({_sql(condition, column.kind, f'({column.sql})', values)})"


def said(condition: Condition, columns: Mapping[str, Column], values: Values) -> str | None:
    """A condition on single rows of trace_parts that at least one row of every matching trace fulfils; None when there is
    no such condition (negative ones: a row that does not say it proves nothing)."""
    column = _column(condition, columns)
    operator, value = condition.operator, condition.value
    if column.said is None or operator in ("none of", "is null", *_TEXT_NOT) or column.kind in ("number", "time"):
        return None
    if column.kind == "bool":
        return f"({column.said})" if (operator == "=") == bool(value) else None
    if column.kind == "list" and operator == "all of":
        if not _texts(condition):
            return None
        # Tags of a trace may come from several rows: each of them has one at least.
        return _sql(Condition(condition.column, "any of", value), column.kind, column.said, values)
    if column.kind == "map" and operator in ("is set", "is not null"):
        return f"mapContains({column.said}, {values.text(condition.key)})"
    return _sql(condition, column.kind, column.said, values, part=True)


def _column(condition: Condition, columns: Mapping[str, Column]) -> Column:
    column = columns.get(condition.column)
    if column is None:
        raise QueryError(f"no column {condition.column!r} to filter by")
    return column


def _sql(condition: Condition, kind: str, x: str, values: Values, part: bool = False) -> str:
    operator, value = condition.operator, condition.value
    if kind == "map":
        return _in_map(condition, x, values, part)
    if kind == "list":
        return _in_list(condition, x, values)
    if kind == "text":
        return _of_text(condition, x, values)
    if operator == "is null":
        return f"isNull({x})"
    if operator == "is not null":
        return f"isNotNull({x})"
    if kind == "bool" and operator in ("=", "<>"):
        if not isinstance(value, bool):
            raise QueryError(f"{condition.column} {operator}: needs true or false")
        return f"{x} {'=' if (operator == '=') == value else '!='} true"
    if kind in ("number", "time") and operator in _ORDER:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise QueryError(f"{condition.column} {operator}: needs a number")
        right = values.time(int(value)) if kind == "time" else _number(condition, value, values)
        return f"ifNull({x} {'!=' if operator == '<>' else operator} {right}, false)"
    raise _no_operator(condition)


def _of_text(condition: Condition, x: str, values: Values) -> str:
    operator = condition.operator
    if operator == "is null":
        return f"{x} = ''"
    if operator == "is not null":
        return f"{x} != ''"
    if operator == "any of":
        return f"({x} != '' AND {x} IN {values.texts(_texts(condition))})"
    if operator == "none of":
        return f"({x} != '' AND {x} NOT IN {values.texts(_texts(condition))})"
    make = _TEXT.get(operator) or _TEXT_NOT.get(operator)
    if make is None:
        raise _no_operator(condition)
    if not isinstance(condition.value, str):
        raise QueryError(f"{condition.column} {operator}: needs text")
    if operator == "=":  # the empty text is what a null column is looked for with
        return make(x, values.text(condition.value))
    return f"({x} != '' AND {make(x, values.text(condition.value))})"


def _in_list(condition: Condition, x: str, values: Values) -> str:
    operator = condition.operator
    if operator in ("is null", "is not null"):
        return f"{'empty' if operator == 'is null' else 'notEmpty'}({x})"
    if operator == "any of":
        return f"hasAny({x}, {values.texts(_texts(condition))})"
    if operator == "none of":
        return f"NOT hasAny({x}, {values.texts(_texts(condition))})"
    if operator == "all of":
        return f"hasAll({x}, {values.texts(_texts(condition))})"
    raise _no_operator(condition)


def _in_map(condition: Condition, x: str, values: Values, part: bool) -> str:
    """A row without the key never matches, except `is null`. In a part the map's values are tuples."""
    key = values.text(condition.key)
    there = f"mapContains({x}, {key})"
    if condition.operator in ("is null", "is not set"):
        return f"NOT {there}"
    if condition.operator in ("is not null", "is set"):
        return there
    at = f"tupleElement({x}[{key}], 'value')" if part else f"{x}[{key}]"
    make = _TEXT.get(condition.operator) or _TEXT_NOT.get(condition.operator)
    if make is None:
        raise _no_operator(condition)
    if not isinstance(condition.value, str):
        raise QueryError(f"{condition.column} {condition.operator}: needs text")
    return f"({there} AND {make(at, values.text(condition.value))})"


def _number(condition: Condition, value: float, values: Values) -> str:
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return values.add("Int64", value)
    if value != value or value in (float("inf"), float("-inf")):
        raise QueryError(f"{condition.column} {condition.operator}: needs a number, not {value}")
    return values.add("Float64", float(value))


def _texts(condition: Condition) -> list[str]:
    value = condition.value
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(x, str) for x in value):
        raise QueryError(f"{condition.column} {condition.operator}: needs a list of texts")
    return list(value)


def _no_operator(condition: Condition) -> QueryError:
    return QueryError(f"{condition.column}: no operator {condition.operator!r}")
