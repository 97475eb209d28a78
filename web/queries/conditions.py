"""Filters as values, and as SQL: the conditions of the filter language of the public API.

A condition names a column of a table of columns, never SQL; its value becomes a parameter. Conditions are ANDed. Empty
text counts as null, and null matches nothing but `is null`, negative operators included (public-api.md section 1.8).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from web.queries.statement import PROJECT, QueryError, Values

Value = str | int | float | bool | Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Condition:
    """`value`: text, number, bool, or texts for `any of`, `none of`, `all of`; for a column of times Unix ns; `key` is
    the name within a map (metadata), or of a score."""

    column: str
    operator: str
    value: Value = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """`kind`: text, list, number, time, map, bool, or one of SCORES. `sql` is the value in the rows that are filtered; for a
    kind of SCORES it is the id of the trace that is scored. `said`: the same in a single row of trace_parts, None where no
    such row tells. `number`: it is summed from spans."""

    kind: str
    sql: str
    said: str | None = None
    number: bool = False


#: Kinds of columns whose values are scores of a trace → types of these scores.
SCORES: Mapping[str, str] = {
    "numeric score": "data_type IN ('NUMERIC', 'BOOLEAN')",
    "category score": "data_type = 'CATEGORICAL'",
    "boolean score": "data_type = 'BOOLEAN'",
}

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
    if column.said is not None and column.kind in SCORES:  # what decides is the id, which every row has
        return _of_scores(condition, column.kind, column.said, values)
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
    if kind in SCORES:
        return _of_scores(condition, kind, x, values)
    if operator == "is null":
        return f"isNull({x})"
    if operator == "is not null":
        return f"isNotNull({x})"
    if kind == "bool" and operator in ("=", "<>"):
        if not isinstance(value, bool):
            raise QueryError(f"{condition.column} {operator}: needs true or false")
        return f"ifNull({x} {'=' if (operator == '=') == value else '!='} true, false)"
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
    """A row without the key never matches, except `is null` and `is not set`; a key with the empty text is set, and null. In a
    part the map's values are tuples."""
    key = values.text(condition.key)
    there = f"mapContains({x}, {key})"
    if condition.operator == "is not set":
        return f"NOT {there}"
    if condition.operator == "is set":
        return there
    at = shown(f"tupleElement({x}[{key}], 'value')" if part else f"{x}[{key}]")
    if condition.operator in ("is null", "is not null"):
        return f"{at} {'=' if condition.operator == 'is null' else '!='} ''"
    if condition.operator == "matches":
        make: Callable[[str, str], str] | None = _TEXT["contains"]
    else:
        make = _TEXT.get(condition.operator) or _TEXT_NOT.get(condition.operator)
    if make is None:
        raise _no_operator(condition)
    if not isinstance(condition.value, str):
        raise QueryError(f"{condition.column} {condition.operator}: needs text")
    return f"({there} AND {make(at, values.text(condition.value))})"


def shown(text: str) -> str:
    """A value of metadata as its reader sees it: text that is stored as JSON, in quotes, without them (section 1.6)."""
    return f"if(startsWith({text}, '\"') AND JSONType({text}) = 'String', JSONExtractString({text}), {text})"


def _of_scores(condition: Condition, kind: str, x: str, values: Values) -> str:
    """Which traces, by the scores of this name that they and their observations have. Several numbers count by their average;
    a category, or true or false, is looked for among all. Negative operators leave out who has what they name, so that who
    has no such score is found."""
    operator, value = condition.operator, condition.value
    scored = (
        f"SELECT trace_id FROM scores FINAL WHERE {PROJECT} AND trace_id != '' AND {SCORES[kind]} "
        f"AND name = {values.text(condition.key)}"
    )
    if operator in ("is null", "is not null"):
        return f"{x} {'NOT IN' if operator == 'is null' else 'IN'} ({scored})"
    if kind == "category score" and operator in ("any of", "none of"):
        some = f"{scored} AND string_value IN {values.texts(_texts(condition))}"
        return f"{x} {'IN' if operator == 'any of' else 'NOT IN'} ({some})"
    if kind == "boolean score" and operator in ("=", "<>"):
        if not isinstance(value, bool):
            raise QueryError(f"{condition.column} {operator}: needs true or false")
        return f"{x} {'IN' if operator == '=' else 'NOT IN'} ({scored} AND value = {int(value)})"
    if kind == "numeric score" and operator in _ORDER:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise QueryError(f"{condition.column} {operator}: needs a number")
        compared = f"avg(value) {'!=' if operator == '<>' else operator} {_number(condition, value, values)}"
        return f"{x} IN ({scored} GROUP BY trace_id HAVING {compared})"
    raise _no_operator(condition)


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
