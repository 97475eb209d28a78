"""The filter language in plain Python, for the values of filter_rows.py: which conditions a column takes, and what each of them
means (public-api.md section 1.8). Shares nothing with the SQL."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tests.web.api.filter_rows import NASTY, Values
from tests.web.queries.support import SECOND

Filter = Mapping[str, Any]

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda x, y: x == y,
    "<>": lambda x, y: x != y,
    ">": lambda x, y: x > y,
    "<": lambda x, y: x < y,
    ">=": lambda x, y: x >= y,
    "<=": lambda x, y: x <= y,
    "contains": lambda x, y: y in x,
    "does not contain": lambda x, y: y not in x,
    "starts with": lambda x, y: x.startswith(y),
    "ends with": lambda x, y: x.endswith(y),
}


def holds(condition: Filter, value: Any) -> bool:
    """Whether a value fulfils a condition."""
    type_: str = condition["type"]
    operator: str = condition["operator"]
    wanted: Any = condition.get("value")
    keyed = isinstance(value, dict)
    if keyed:
        there: bool = condition["key"] in value
        value = value.get(condition["key"])
        if operator in ("is set", "is not set"):
            return there == (operator == "is set")
    if type_ == "null":
        return bool(value in (None, "", [])) == (operator == "is null")
    if type_ in ("categoryOptions", "booleanObject"):
        some = bool(set(value or ()) & set(wanted if isinstance(wanted, list) else [wanted]))
        return some == (operator in ("any of", "="))
    if value is None or (value == "" and not keyed):
        return False
    if type_ == "numberObject":
        return _COMPARE[operator](sum(value) / len(value), wanted)
    if isinstance(value, list):
        if operator == "all of":
            return set(wanted or ()) <= set(value)
        return bool(set(value) & set(wanted or ())) == (operator == "any of")
    if type_ == "stringOptions":
        return bool(value in (wanted or ())) == (operator == "any of")
    if operator == "matches":
        return bool(wanted in value) if keyed else wanted.lower() in value.lower()
    return _COMPARE[operator](value, ns_of(wanted) if type_ == "datetime" else wanted)


def conditions(kind: str, searched: bool, rows: Sequence[Values], column: str) -> Iterator[Filter]:
    """Conditions on a column, every type and operator that it takes, most of them fulfilled by some rows and not by all."""
    chance = random.Random(column)
    values = [row[column] for row in rows]
    if kind == "text":
        yield from _on_text("string", searched, [v for v in values if v], {}, chance)
        for operator in ("any of", "none of"):
            yield {"type": "stringOptions", "operator": operator, "value": [*_pick(values, chance), "absent", ""]}
            yield {"type": "stringOptions", "operator": operator, "value": ["absent"]}
    elif kind == "map":
        yield from _on_text("stringObject", searched, [v["k"] for v in values if "k" in v], {"key": "k"}, chance)
        for key in ("k", "x.y", "o'k \\ {x:String}", "absent"):
            yield {"type": "stringObject", "operator": "=", "key": key, "value": "1"}
            yield {"type": "stringObject", "operator": "does not contain", "key": key, "value": "1"}
            for operator in ("is set", "is not set"):
                yield {"type": "stringObject", "operator": operator, "key": key}
    elif kind == "list":
        some = [tag for v in values for tag in v or ()]
        for operator in ("any of", "none of", "all of"):
            for wanted in (_pick(some, chance), [chance.choice(some), "absent"], ["b", "a"]):
                yield {"type": "arrayOptions", "operator": operator, "value": wanted}
        yield {"type": "arrayOptions", "operator": "none of", "value": []}
        yield {"type": "arrayOptions", "operator": "all of", "value": []}
        yield {"type": "stringOptions", "operator": "any of", "value": _pick(some, chance)}
        yield {"type": "stringOptions", "operator": "none of", "value": _pick(some, chance)}
    elif kind in ("number", "numeric score"):
        yield from _on_numbers(kind, values, chance)
    elif kind == "time":
        for operator in (">", "<", ">=", "<="):
            yield {"type": "datetime", "operator": operator, "value": iso(chance.choice([v for v in values if v]))}
    elif kind == "bool":
        for operator in ("=", "<>"):
            for true in (True, False):
                yield {"type": "boolean", "operator": operator, "value": true}
    elif kind == "category score":
        for operator in ("any of", "none of"):
            for key in ("quality", NASTY[0], "absent"):
                yield {"type": "categoryOptions", "operator": operator, "key": key, "value": ["good", NASTY[0]]}
    else:
        assert kind == "boolean score"
        for operator in ("=", "<>"):
            for key in ("quality", NASTY[0], "absent"):
                yield {"type": "booleanObject", "operator": operator, "key": key, "value": key == "quality"}
    for operator in ("is null", "is not null"):
        keyed = {"key": "k" if kind == "map" else "quality"} if kind == "map" or kind.endswith("score") else {}
        yield {"type": "null", "operator": operator, **keyed}
    yield {"type": "null", "operator": "is null", "value": "", "key": "quality"}


def _on_text(type_: str, searched: bool, values: Sequence[str], key: Filter, chance: random.Random) -> Iterator[Filter]:
    for value in _pick(values, chance)[:1]:
        half = len(value) // 2
        yield {"type": type_, "operator": "=", "value": value, **key}
        yield {"type": type_, "operator": "contains", "value": value[1:] or value, **key}
        yield {"type": type_, "operator": "does not contain", "value": value[half:], **key}
        yield {"type": type_, "operator": "starts with", "value": value[: half + 1], **key}
        yield {"type": type_, "operator": "ends with", "value": value[half:], **key}
        yield {"type": type_, "operator": "=", "value": value.swapcase(), **key}
        if searched:
            yield {"type": type_, "operator": "matches", "value": value[half:].swapcase(), **key}
            yield {"type": type_, "operator": "matches", "value": value[half:], **key}
    for operator, value in (("=", ""), ("contains", ""), ("contains", "%"), ("starts with", ""), ("ends with", "_")):
        yield {"type": type_, "operator": operator, "value": value, **key}
    yield {"type": type_, "operator": "does not contain", "value": "absent", **key}


def _on_numbers(kind: str, values: Sequence[Any], chance: random.Random) -> Iterator[Filter]:
    if kind == "numeric score":
        for key in ("quality", NASTY[0], "absent"):
            averages = [sum(v[key]) / len(v[key]) for v in values if key in v] or [0]
            for operator in ("=", ">", "<", ">=", "<="):
                yield {"type": "numberObject", "operator": operator, "key": key, "value": chance.choice(averages)}
        return
    known = sorted({v for v in values if v is not None})
    for operator in ("=", ">", "<", ">=", "<="):
        yield {"type": "number", "operator": operator, "value": known[len(known) // 2]}
    for operator, extreme in ((">", -1.5), ("<", 10**18), ("<", 1e300)):
        yield {"type": "number", "operator": operator, "value": extreme}


def _pick(values: Sequence[Any], chance: random.Random) -> list[Any]:
    """Two of them, or what there is."""
    known = sorted({v for v in values if v not in (None, "")})
    return chance.sample(known, min(2, len(known))) or ["absent"]


def iso(ns: int) -> str:
    """Unix ns with all its digits."""
    return f"{datetime.fromtimestamp(ns // SECOND, UTC):%Y-%m-%dT%H:%M:%S}.{ns % SECOND:09d}Z"


def ns_of(text: str) -> int:
    """What `iso` was given."""
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(f"{seconds}+00:00").timestamp()) * SECOND + int(fraction)
