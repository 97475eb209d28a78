"""The filter language: JSON conditions of a URL, read into conditions of web/queries (public-api.md section 1.8).

    [{"type": "string", "column": "userId", "operator": "=", "value": "ann"}]

What a column may be called on which endpoint is in web/api/filter_columns.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from web.api.errors import invalid, issue, refused
from web.api.filter_columns import FilterColumn
from web.api.parameters import Bad, text, time_ns
from web.queries.conditions import Condition, Value

_TEXT = ("=", "contains", "does not contain", "starts with", "ends with", "matches")
_ORDER = ("=", ">", "<", ">=", "<=")
_NULL = ("is null", "is not null")
_SET = ("is set", "is not set")
#: Type of a condition → its operators.
OPERATORS: Mapping[str, tuple[str, ...]] = {
    "datetime": (">", "<", ">=", "<="),
    "string": _TEXT,
    "number": _ORDER,
    "stringOptions": ("any of", "none of"),
    "arrayOptions": ("any of", "none of", "all of"),
    "stringObject": (*_TEXT, *_SET),
    "numberObject": _ORDER,
    "categoryOptions": ("any of", "none of"),
    "booleanObject": ("=", "<>"),
    "boolean": ("=", "<>"),
    "null": _NULL,
}
#: Kind of a column → types of conditions on it.
TYPES: Mapping[str, tuple[str, ...]] = {
    "text": ("string", "stringOptions", "null"),
    "list": ("arrayOptions", "stringOptions", "null"),
    "number": ("number", "null"),
    "time": ("datetime", "null"),
    "bool": ("boolean", "null"),
    "map": ("stringObject", "null"),
    "numeric score": ("numberObject", "null"),
    "category score": ("categoryOptions", "null"),
    "boolean score": ("booleanObject", "null"),
}
#: Kinds of columns whose values have names.
_KEYED = ("map", "numeric score", "category score", "boolean score")
_MAX_TIME_NS = 2**63 - 1
#: Conditions of a filter. Of some hundred ClickHouse takes longer to read the statement than a client waits.
MOST_CONDITIONS = 50


def parameter() -> Any:
    """The field `filter` of a route's query: `str | None`."""
    return text(
        "conditions on any column, a JSON list, all of which have to hold: "
        '`[{"type": "string", "column": "userId", "operator": "=", "value": "ann"}]`; '
        "docs/filters.md has the columns and operators",
        empty=True,
    )


def parse(given: str | None, table: Mapping[str, FilterColumn]) -> list[Condition]:
    """The conditions of the parameter `filter`, with columns as web/queries call them. Raises ApiError 400."""
    if not given:
        return []
    try:
        elements = orjson.loads(given)
    except (ValueError, RecursionError):
        raise invalid("filter is not valid JSON") from None
    return read(elements, table)


def read(elements: Any, table: Mapping[str, FilterColumn], at: str = "filter") -> list[Condition]:
    """The same of a JSON value; `at` is where it stands in the request. Raises ApiError 400."""
    if not isinstance(elements, list):
        raise refused([issue("invalid_type", [at], "needs a list of conditions")])
    if len(elements) > MOST_CONDITIONS:
        raise refused([issue("too_big", [at], f"{len(elements)} conditions are more than {MOST_CONDITIONS}")])
    found, issues = [], []
    for n, element in enumerate(elements):
        try:
            found.append(_condition(element, table))
        except _Wrong as wrong:
            issues.append(issue(wrong.code, [at, n, *wrong.path], str(wrong)))
    if issues:
        raise refused(issues)
    return found


def combined(conditions: Sequence[Condition], simple: Mapping[str, Condition | None]) -> list[Condition]:
    """The conditions of `filter` and those of simple parameters, by the column they are on: `filter` replaces those on the same
    column. A simple parameter that is the empty text looks for what is not said."""
    filtered = {condition.column for condition in conditions}
    kept = [c for c in simple.values() if c is not None and c.column not in filtered]
    return [replace(c, operator="is null", value=None) if c.operator == "=" and c.value == "" else c for c in kept] + [
        *conditions
    ]


def within(
    conditions: Sequence[Condition], column: str, since_ns: int | None, until_ns: int | None
) -> tuple[int | None, int | None, list[Condition]]:
    """The range of time [since, until), Unix ns, and the other conditions. A condition on the column of the time replaces both
    ends, which are what simple parameters say, and is itself part of the range."""
    on_time = [c for c in conditions if c.column == column]
    if not on_time:
        return since_ns, until_ns, list(conditions)
    since: int | None = None
    until: int | None = None
    for condition in on_time:
        if not isinstance(condition.value, int):
            continue
        value = min(condition.value + (condition.operator in (">", "<=")), _MAX_TIME_NS)
        if condition.operator in (">", ">="):
            since = value if since is None else max(since, value)
        elif condition.operator in ("<", "<="):
            until = value if until is None else min(until, value)
    folded = (">", ">=", "<", "<=")
    return since, until, [c for c in conditions if c.column != column or c.operator not in folded]


class _Wrong(Exception):
    """A condition that cannot be; `path` leads to what is wrong in it."""

    def __init__(self, code: str, path: Sequence[str], message: str) -> None:
        super().__init__(message)
        self.code, self.path = code, path


def _condition(element: Any, table: Mapping[str, FilterColumn]) -> Condition:
    if not isinstance(element, dict):
        raise _Wrong("invalid_type", [], "a condition is an object")
    type_, name, operator = (_word(element, word) for word in ("type", "column", "operator"))
    if type_ not in OPERATORS:
        raise _Wrong("invalid_value", ["type"], f"no type {type_[:100]!r}; there are {', '.join(OPERATORS)}")
    column = table.get(name)
    if column is None:
        known = dict.fromkeys(c.name for c in table.values())
        raise invalid(f"Invalid filter column {name[:100]!r}. There are {', '.join(known)}")
    if type_ not in TYPES[column.kind]:
        raise _Wrong("invalid_value", ["type"], f"{name} takes {' or '.join(TYPES[column.kind])}, not {type_}")
    if operator not in OPERATORS[type_] or (operator == "matches" and not column.searched):
        known_operators = [o for o in OPERATORS[type_] if o != "matches" or column.searched]
        raise _Wrong("invalid_value", ["operator"], f"{operator[:100]!r} is none of {', '.join(known_operators)}")
    key = _key(element, column) if column.kind in _KEYED else ""
    return Condition(column.column, operator, _value(type_, operator, element.get("value")), key)


def _word(element: Mapping[str, Any], word: str) -> str:
    value = element.get(word)
    if not isinstance(value, str):
        raise _Wrong("invalid_type", [word], "needs text")
    return value


def _key(element: Mapping[str, Any], column: FilterColumn) -> str:
    key = element.get("key")
    if not isinstance(key, str):
        raise _Wrong("invalid_type", ["key"], f"{column.name} needs the key, as text")
    return key


def _value(type_: str, operator: str, value: Any) -> Value:
    """The value as conditions have it."""
    if operator in _NULL or operator in _SET:
        return None
    if type_ in ("string", "stringObject"):
        if not isinstance(value, str):
            raise _Wrong("invalid_type", ["value"], "needs text")
        return value
    if type_ in ("number", "numberObject"):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _Wrong("invalid_type", ["value"], "needs a number")
        return value
    if type_ in ("boolean", "booleanObject"):
        if not isinstance(value, bool):
            raise _Wrong("invalid_type", ["value"], "needs true or false")
        return value
    if type_ == "datetime":
        if not isinstance(value, str):
            raise _Wrong("invalid_type", ["value"], "needs a time as text")
        try:
            return time_ns(value)
        except Bad as bad:
            raise _Wrong(bad.code, ["value"], str(bad)) from None
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise _Wrong("invalid_type", ["value"], "needs a list of texts")
    if not value and (type_ != "arrayOptions" or operator == "any of"):
        raise _Wrong("too_small", ["value"], "needs at least one text")
    return value
