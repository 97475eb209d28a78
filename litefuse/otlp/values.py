"""AnyValues that are lists, maps or bytes, as JSON text and back: lossless, typed, and readable in SQL.

The form (columns `attributes_json` and `resource_json`, documented in docs/sql.md):

    string  "text"        list   [ … ]                    bytes          {"bytesValue":"<base64>"}
    int     5             map    { … }                    NaN, infinity  {"doubleValue":"NaN"}
    double  5.0           empty  null                     a map whose only key is one of these three marks is wrapped:
    bool    true                                          {"kvlistValue":{ … }}

Ints and doubles stay apart (a double always has a point or an exponent). Lost are, by intent, the order of a
map's keys and all but the last of equal keys (architecture section 7); invalid UTF-8 and NUL are mended.
"""

from __future__ import annotations

import base64
import math
from typing import Any

import orjson
from google.protobuf.message import DecodeError

from litefuse.otlp.schema import ARRAY_VALUE, KVLIST_VALUE

#: An AnyValue may hold that many levels of lists and maps, in protobuf and in JSON. Standard protobuf parsers stop at 100
#: nested messages, which is not much less; what is deeper could be given back to nobody as OTLP.
MAX_DEPTH = 50

#: Enum numbers by place: what the columns `kind` and `status_code` of `spans` call them. Others are stored as numbers.
KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
STATUS_CODES = ("UNSET", "OK", "ERROR")

_MARKS = frozenset(("bytesValue", "doubleValue", "kvlistValue"))


class TooDeep(ValueError):
    """Nested deeper than MAX_DEPTH."""


class Malformed(ValueError):
    """The bytes are not the value they were said to be."""


def mend_text(raw: bytes) -> str:
    """UTF-8 with what is invalid, and NUL, replaced by U+FFFD (otel-mapping section 21)."""
    return raw.decode("utf-8", "replace").replace("\0", "\ufffd")


def bytes_json(raw: bytes) -> str:
    """JSON text of a bytes value."""
    return '{"bytesValue":"' + base64.b64encode(raw).decode("ascii") + '"}'


def array_json(raw: bytes) -> str:
    """JSON text of the wire bytes of an ArrayValue. Raises TooDeep, Malformed."""
    return _dump(_list(raw, 1))


def kvlist_json(raw: bytes) -> str:
    """JSON text of the wire bytes of a KeyValueList. Raises TooDeep, Malformed."""
    return _dump(_map(raw, 1))


def float_text(value: float) -> str:
    """The shortest text that gives the same double again; NaN, Infinity and -Infinity by name."""
    if math.isfinite(value):
        return repr(value)
    return "NaN" if value != value else ("Infinity" if value > 0 else "-Infinity")


def _parse(kind: Any, raw: bytes, depth: int) -> Any:
    """One level: lists and maps within are bytes still."""
    if depth > MAX_DEPTH:
        raise TooDeep(f"nested deeper than {MAX_DEPTH}")
    try:
        return kind.FromString(raw).values
    except DecodeError as error:
        raise Malformed("an attribute value cannot be decoded") from error


def _list(raw: bytes, depth: int) -> list[Any]:
    return [_value(value, depth) for value in _parse(ARRAY_VALUE, raw, depth)]


def _map(raw: bytes, depth: int) -> dict[str, Any]:
    pairs = {mend_text(pair.key): _value(pair.value, depth) for pair in _parse(KVLIST_VALUE, raw, depth)}
    return {"kvlistValue": pairs} if len(pairs) == 1 and not _MARKS.isdisjoint(pairs) else pairs


def _value(value: Any, depth: int) -> Any:
    which = value.WhichOneof("value")
    if which is None:
        return None
    inner = getattr(value, which)
    if which == "string_value":
        return mend_text(inner)
    if which == "array_value":
        return _list(inner, depth + 1)
    if which == "kvlist_value":
        return _map(inner, depth + 1)
    if which == "bytes_value":
        return {"bytesValue": base64.b64encode(inner).decode("ascii")}
    if which == "double_value" and not math.isfinite(inner):
        return {"doubleValue": float_text(inner)}
    return inner


def _dump(value: Any) -> str:
    return orjson.dumps(value).decode("utf-8")
