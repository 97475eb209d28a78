"""Query parameters: each route's is a frozen dataclass, whose fields are made by the functions below and named as in the URL.

`parse` fills one, or raises ApiError 400 with every issue; the OpenAPI document is written from the same fields, so that
there is no parameter which is not in it. Rules: public-api.md sections 1.5 to 1.7.

    @dataclass(frozen=True, slots=True, kw_only=True)
    class TracesQuery:
        page: int = page()
        userId: str | None = text("user of the trace")
        tags: tuple[str, ...] = texts("has all of these tags")
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar, cast

from multidict import MultiMapping

from web.api.errors import issue, refused

#: What ClickHouse's times hold: DateTime64(9).
_MOST_NS = 2**63 - 1
MAX_PAGE = 1_000_000
#: Characters of a time.
_MOST_TIME = 100
_TRUE_FALSE = {"true": True, "false": False}
_TIME = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9})\d*)?)?)?\s*(Z|z|[+-]\d{2}(?::?\d{2})?)?",
    re.ASCII,
)


class Bad(Exception):
    """A value that cannot be: `code` as in an issue."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Parameter:
    """`schema` is its JSON schema. `many`: repeated, or one value with commas. `empty`: the empty text means absent."""

    help: str
    schema: Mapping[str, Any]
    read: Callable[[str], Any]
    default: Any = None
    many: bool = False
    empty: bool = True
    required: bool = False


def _field(parameter: Parameter) -> Any:
    return dataclasses.field(default=parameter.default, metadata={"parameter": parameter})


# -- kinds ---------------------------------------------------------------------------------------------------------------


def text(help: str, *, empty: bool = False, required: bool = False) -> Any:
    """`str | None`. The empty text is a value, unless `empty` says that it means absent."""
    return _field(Parameter(help, {"type": "string"}, str, empty=empty, required=required))


def texts(help: str) -> Any:
    """`tuple[str, ...]`: repeated, or one comma-separated value; empty when absent."""
    return _field(Parameter(help, {"type": "array", "items": {"type": "string"}}, str, default=(), many=True))


def integer(help: str, *, low: int, high: int, default: int) -> Any:
    """`int`."""
    schema = {"type": "integer", "minimum": low, "maximum": high, "default": default}
    return _field(Parameter(help, schema, lambda raw: _integer(raw, low, high), default=default))


def page() -> Any:
    return integer("page, the first is 1", low=1, high=MAX_PAGE, default=1)


def limit(*, low: int = 1, high: int = 100, default: int = 50) -> Any:
    return integer("rows of a page", low=low, high=high, default=default)


def number(help: str) -> Any:
    """`float | None`, finite."""
    return _field(Parameter(help, {"type": "number"}, read_number))


def time(help: str) -> Any:
    """`int | None`: an instant, Unix ns."""
    return _field(Parameter(help, {"type": "string", "format": "date-time"}, time_ns))


def flag(help: str, *, default: bool | None = None) -> Any:
    """`bool | None`."""
    return _field(Parameter(help, {"type": "boolean"}, read_flag, default=default))


def choice(help: str, values: Sequence[str], *, fold: bool = False) -> Any:
    """`str | None`, one of these; `fold`: in any case."""
    return _field(Parameter(help, {"type": "string", "enum": list(values)}, _choice(values, fold)))


def choices(help: str, values: Sequence[str], *, fold: bool = False) -> Any:
    """`tuple[str, ...]` of these."""
    schema = {"type": "array", "items": {"type": "string", "enum": list(values)}}
    return _field(Parameter(help, schema, _choice(values, fold), default=(), many=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class NoQuery:
    """A route without parameters."""


# -- reading them --------------------------------------------------------------------------------------------------------

T = TypeVar("T")


@cache
def of(query: Any) -> Mapping[str, Parameter]:
    """The parameters of a class, by name."""
    return {field.name: field.metadata["parameter"] for field in dataclasses.fields(query)}


def parse(query: type[T], given: MultiMapping[str], *, strict: bool = False) -> T:
    """Raises ApiError 400 with all issues. Unknown parameters are ignored, unless `strict`."""
    table: Mapping[str, Parameter] = of(cast(Any, query))
    issues, values = [], {}
    for name, parameter in table.items():
        raw = list(given.getall(name, []))
        if parameter.many:
            raw = [part for value in raw for part in (value.split(",") if len(raw) == 1 else [value]) if part]
        elif len(raw) > 1:
            issues.append(issue("invalid_type", [name], f"{name} is given {len(raw)} times"))
            continue
        elif raw == [""] and parameter.empty:
            raw = []
        if not raw:
            if parameter.required:
                issues.append(issue("invalid_type", [name], f"{name} is required"))
            continue
        try:
            read = [parameter.read(value) for value in raw]
        except Bad as bad:
            issues.append(issue(bad.code, [name], f"{name}: {bad}"))
            continue
        values[name] = tuple(read) if parameter.many else read[0]
    if strict:
        issues += [
            issue("unrecognized_keys", [name], f"unknown parameter {name[:200]!r}")
            for name in dict.fromkeys(given.keys())
            if name not in table
        ]
    if issues:
        raise refused(issues)
    return query(**values)


def time_ns(raw: str) -> int:
    """ISO 8601 as Unix ns. Without a zone it is UTC, a date alone is its midnight. A space in front of the zone is the `+` that
    it was before the URL was decoded. Raises Bad."""
    match = None
    if len(raw) <= _MOST_TIME:  # the time of a regular expression can grow with the square of the text
        match = _TIME.fullmatch(re.sub(r"(:.*) (\d{2}:?\d{2})$", r"\1+\2", raw.strip()))
    if match is None:
        raise Bad("invalid_format", f"{raw[:100]!r} is not a time such as 2026-01-31T12:00:00Z")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        moment = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC
        )
    except ValueError as error:
        raise Bad("invalid_format", f"{raw[:100]!r} is not a time: {error}") from None
    ns = int(moment.timestamp()) * 1_000_000_000 + int((fraction or "0").ljust(9, "0"))
    if zone and zone not in "Zz":
        digits = zone[1:].replace(":", "").ljust(4, "0")
        if int(digits[:2]) > 23 or int(digits[2:]) > 59:
            raise Bad("invalid_format", f"{raw[:100]!r} is not a time: no zone is {zone}")
        offset = (int(digits[:2]) * 3600 + int(digits[2:]) * 60) * 1_000_000_000
        ns += -offset if zone[0] == "+" else offset
    return max(-_MOST_NS, min(_MOST_NS, ns))


def _integer(raw: str, low: int, high: int) -> int:
    if not re.fullmatch(r"[+-]?\d{1,18}", raw.strip(), re.ASCII):
        raise Bad("invalid_type", f"{raw[:100]!r} is not an integer")
    value = int(raw)
    if value < low:
        raise Bad("too_small", f"{value} is less than {low}")
    if value > high:
        raise Bad("too_big", f"{value} is more than {high}")
    return value


def read_number(raw: str) -> float:
    if len(raw) > 400 or not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", raw.strip(), re.ASCII):
        raise Bad("invalid_type", f"{raw[:100]!r} is not a number")
    value = float(raw)
    if value in (float("inf"), float("-inf")):
        raise Bad("too_big", f"{raw[:100]!r} is too large")
    return value


def read_flag(raw: str) -> bool:
    if raw not in _TRUE_FALSE:
        raise Bad("invalid_type", f"{raw[:100]!r} is neither true nor false")
    return _TRUE_FALSE[raw]


def _choice(values: Sequence[str], fold: bool) -> Callable[[str], str]:
    known = {(value.lower() if fold else value): value for value in values}

    def read(raw: str) -> str:
        found = known.get(raw.lower() if fold else raw)
        if found is None:
            raise Bad("invalid_value", f"{raw[:100]!r} is none of {', '.join(values)}")
        return found

    return read
