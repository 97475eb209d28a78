"""OTLP/JSON messages, already parsed, → protobuf wire bytes, field by field (otel-mapping sections 1 and 2).

Written by hand rather than through protobuf objects: cheaper, and free of protobuf's own limit of nesting. A message is
a table of its fields; a field is a function from the JSON value to the field's bytes, tag included. Names that are not
in the table are unknown fields and ignored, null is a field that is not there. The first value of a wrong type raises
`Bad`, which costs the span it is in.
"""

from __future__ import annotations

import binascii
import math
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any

from litefuse.otlp.check import MAX_DEPTH
from litefuse.otlp.wire import varint
from litefuse.reasons import Reason

Encode = Callable[[Any], bytes]
Fields = Mapping[str, Encode]

_SIZES = [varint(n) for n in range(1 << 14)]
_double = struct.Struct("<d").pack
_fixed64 = struct.Struct("<Q").pack
_fixed32 = struct.Struct("<I").pack
_INTEGER = re.compile(r"-?[0-9]{1,40}", re.ASCII)
_NUMBER = re.compile(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+", re.ASCII)

KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
STATUS_CODES = ("UNSET", "OK", "ERROR")


class Bad(Exception):
    """A field is not what OTLP says; the text names fields and types, never values."""

    def __init__(self, text: str, reason: Reason = Reason.MALFORMED_SPAN) -> None:
        super().__init__(text)
        self.reason = reason


def message(value: Any, fields: Fields, what: str) -> bytes:
    """A message's own bytes. Raises Bad."""
    if type(value) is not dict:
        raise Bad(f"{what} is not an object")
    parts = []
    for name, inner in value.items():
        encode = fields.get(name)
        if encode is not None and inner is not None:
            parts.append(encode(inner))
    return b"".join(parts)


def size(length: int) -> bytes:
    """A length as varint."""
    return _SIZES[length] if length < 1 << 14 else varint(length)


def utf8(text: str) -> bytes:
    """UTF-8; lone surrogates, which JSON can spell and UTF-8 cannot, become U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


# -- attribute values --------------------------------------------------------------------------------------------------


def any_value(value: Any, depth: int) -> bytes:
    """An AnyValue within `depth` lists and maps. Of two values given at once the last counts, as on the wire. Recursion
    ends at MAX_DEPTH. Raises Bad."""
    if type(value) is not dict:
        raise Bad("an attribute value is not an object")
    out = b""
    for kind, inner in value.items():
        if inner is None:
            continue
        if kind == "stringValue":
            if type(inner) is not str:
                raise Bad("stringValue is not a string")
            raw = utf8(inner)
            out = b"\x0a" + size(len(raw)) + raw
        elif kind == "intValue":
            out = b"\x18" + varint(integer(inner, -1 << 63, (1 << 63) - 1, kind) & (1 << 64) - 1)
        elif kind == "boolValue":
            if type(inner) is not bool:
                raise Bad("boolValue is neither true nor false")
            out = b"\x10\x01" if inner else b"\x10\x00"
        elif kind == "doubleValue":
            out = b"\x21" + _double(_floating(inner))
        elif kind == "arrayValue":
            out = _nested(b"\x2a", inner, depth, kind, any_value)
        elif kind == "kvlistValue":
            out = _nested(b"\x32", inner, depth, kind, _key_value)
        elif kind == "bytesValue":
            decoded = _base64(inner) if type(inner) is str else None
            if decoded is None:
                raise Bad("bytesValue is not base64 text")
            out = b"\x3a" + size(len(decoded)) + decoded
    return out


def _nested(tag: bytes, value: Any, depth: int, what: str, element: Callable[[Any, int], bytes]) -> bytes:
    """ArrayValue and KeyValueList: both hold their elements in the repeated field 1, `values`."""
    if depth >= MAX_DEPTH:
        raise Bad(f"nested deeper than {MAX_DEPTH}", Reason.TOO_DEEP)
    if type(value) is not dict:
        raise Bad(f"{what} is not an object")
    values = value.get("values")
    if values is None:
        return tag + b"\x00"
    if type(values) is not list:
        raise Bad(f"{what}.values is not a list")
    parts = []
    for inner in values:
        raw = element(inner, depth + 1)
        parts.append(b"\x0a" + size(len(raw)) + raw)
    raw = b"".join(parts)
    return tag + size(len(raw)) + raw


def _key_value(pair: Any, depth: int) -> bytes:
    if type(pair) is not dict:
        raise Bad("an attribute is not an object")
    key = pair.get("key", "")
    if type(key) is not str:
        if key is not None:
            raise Bad("an attribute's key is not a string")
        key = ""
    raw = utf8(key)
    head = b"\x0a" + size(len(raw)) + raw
    value = pair.get("value")
    if value is None:
        return head
    raw = any_value(value, depth)
    return head + b"\x12" + size(len(raw)) + raw


def _attributes(tag: bytes) -> Encode:
    def encode(value: Any) -> bytes:
        if type(value) is not list:
            raise Bad("attributes is not a list")
        out = bytearray()
        for pair in value:
            raw = _key_value(pair, 0)
            out += tag
            out += size(len(raw))
            out += raw
        return bytes(out)

    return encode


# -- numbers -----------------------------------------------------------------------------------------------------------


def integer(value: Any, low: int, high: int, what: str) -> int:
    """A 32- or 64-bit integer: a JSON number without a fraction, decimal text, or the 32-bit halves `{low, high}` as
    JavaScript's Long prints them. Exact. Raises Bad, also for what is out of range."""
    if type(value) is str:
        number = int(value) if _INTEGER.fullmatch(value) else _whole(_text_number(value), what)
    elif type(value) is int:
        number = value
    elif type(value) is float:
        # orjson gives a float for an integer of more than 64 bits; rounded, it may look as if it were in range.
        number = _whole(value if abs(value) < 1 << 63 else None, what)
    elif type(value) is dict and type(value.get("low")) is int and type(value.get("high")) is int:
        number = (value["high"] & 0xFFFFFFFF) << 32 | value["low"] & 0xFFFFFFFF
        if low < 0 and number >> 63:
            number -= 1 << 64
    else:
        raise Bad(f"{what} is not a number")
    if not low <= number <= high:
        raise Bad(f"{what} is out of range")
    return number


def _whole(value: float | None, what: str) -> int:
    if value is None or not value.is_integer():
        raise Bad(f"{what} is not a whole number")
    return int(value)


def _text_number(text: str) -> float | None:
    number = float(text) if len(text) <= 400 and _NUMBER.fullmatch(text) else math.nan
    return number if math.isfinite(number) else None


def _floating(value: Any) -> float:
    if type(value) is float:
        return value
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise Bad("doubleValue is out of range") from None
    if type(value) is str:
        if value in ("NaN", "Infinity", "-Infinity"):
            return float(value)
        number = _text_number(value)
        if number is not None:
            return number
    raise Bad("doubleValue is not a number")


# -- ids ---------------------------------------------------------------------------------------------------------------


def id_bytes(value: Any, length: int) -> bytes | None:
    """An id of `length` bytes in any of the forms of otel-mapping WB-5: hex of any case, base64 as protobuf's generic
    JSON printer writes, a list of byte values, JavaScript's Buffer. Hex of another length comes as the bytes it is, for
    the check to refuse; None is what is no id at all."""
    if type(value) is str:
        if not value:
            return b""
        is_hex = _HEX.fullmatch(value) is not None
        if is_hex and len(value) == 2 * length:
            return bytes.fromhex(value)
        # Without its padding, base64 of an id may look like hex of another length; hex is what OTLP says.
        if len(value) <= 2 * length and (value.endswith("=") or not is_hex):
            raw = _base64(value)
            if raw is not None and len(raw) == length:
                return raw
        return bytes.fromhex(value) if is_hex else None
    if type(value) is dict and value.get("type") == "Buffer":
        value = value.get("data")
    if type(value) is list and len(value) <= 64 and all(type(byte) is int and 0 <= byte < 256 for byte in value):
        return bytes(value)
    return None


def _base64(text: str) -> bytes | None:
    """Standard or url-safe, padded or not; None when it is neither."""
    try:
        raw = text.encode("ascii").translate(_STANDARD).rstrip(b"=")
        return binascii.a2b_base64(raw + b"=" * (-len(raw) % 4), strict_mode=True) if raw else b""
    except (UnicodeEncodeError, binascii.Error):
        return None


_STANDARD = bytes.maketrans(b"-_", b"+/")


# -- fields ------------------------------------------------------------------------------------------------------------


def _tag(number: int, wire_type: int) -> bytes:
    return varint(number << 3 | wire_type)


def _text(number: int, what: str) -> Encode:
    tag = _tag(number, 2)

    def encode(value: Any) -> bytes:
        if type(value) is not str:
            raise Bad(f"{what} is not a string")
        raw = utf8(value)
        return tag + size(len(raw)) + raw

    return encode


def _time(number: int, what: str) -> Encode:
    tag = _tag(number, 1)
    return lambda value: tag + _fixed64(integer(value, 0, (1 << 64) - 1, what))


def _count(number: int, what: str) -> Encode:
    tag = _tag(number, 0)
    return lambda value: tag + varint(integer(value, 0, (1 << 32) - 1, what))


def _flags(number: int) -> Encode:
    tag = _tag(number, 5)
    return lambda value: tag + _fixed32(integer(value, 0, (1 << 32) - 1, "flags"))


def _enum(number: int, what: str, prefix: str, names: tuple[str, ...]) -> Encode:
    """Numbers, also unknown ones, and names, with or without the prefix (otel-mapping WB-7)."""
    tag = _tag(number, 0)
    known = {name: i for i, short in enumerate(names) for name in (prefix + short, short)}

    def encode(value: Any) -> bytes:
        found = known.get(value) if type(value) is str else None
        if found is None:
            found = integer(value, -1 << 31, (1 << 31) - 1, what)
        return tag + varint(found & (1 << 64) - 1)

    return encode


def _id(number: int, length: int, what: str, *, checked: bool = False) -> Encode:
    """`checked`: what is no id at all is left for the check to refuse, which names a better reason."""
    tag = _tag(number, 2)

    def encode(value: Any) -> bytes:
        raw = id_bytes(value, length)
        if raw is None:
            if not checked:
                raise Bad(f"{what} is not an id")
            raw = b""
        return tag + size(len(raw)) + raw

    return encode


def _message(number: int, what: str, fields: Fields) -> Encode:
    tag = _tag(number, 2)

    def encode(value: Any) -> bytes:
        raw = message(value, fields, what)
        return tag + size(len(raw)) + raw

    return encode


def _repeated(what: str, element: Encode) -> Encode:
    def encode(value: Any) -> bytes:
        if type(value) is not list:
            raise Bad(f"{what} is not a list")
        return b"".join(map(element, value))

    return encode


_EVENT: Fields = {
    "timeUnixNano": _time(1, "an event's timeUnixNano"),
    "name": _text(2, "an event's name"),
    "attributes": _attributes(_tag(3, 2)),
    "droppedAttributesCount": _count(4, "an event's droppedAttributesCount"),
}
_LINK: Fields = {
    "traceId": _id(1, 16, "a link's traceId"),
    "spanId": _id(2, 8, "a link's spanId"),
    "traceState": _text(3, "a link's traceState"),
    "attributes": _attributes(_tag(4, 2)),
    "droppedAttributesCount": _count(5, "a link's droppedAttributesCount"),
    "flags": _flags(6),
}
_STATUS: Fields = {
    "message": _text(2, "status.message"),
    "code": _enum(3, "status.code", "STATUS_CODE_", STATUS_CODES),
}
SPAN: Fields = {
    "traceId": _id(1, 16, "traceId", checked=True),
    "spanId": _id(2, 8, "spanId", checked=True),
    "traceState": _text(3, "traceState"),
    "parentSpanId": _id(4, 8, "parentSpanId"),
    "name": _text(5, "name"),
    "kind": _enum(6, "kind", "SPAN_KIND_", KINDS),
    "startTimeUnixNano": _time(7, "startTimeUnixNano"),
    "endTimeUnixNano": _time(8, "endTimeUnixNano"),
    "attributes": _attributes(_tag(9, 2)),
    "droppedAttributesCount": _count(10, "droppedAttributesCount"),
    "events": _repeated("events", _message(11, "an event", _EVENT)),
    "droppedEventsCount": _count(12, "droppedEventsCount"),
    "links": _repeated("links", _message(13, "a link", _LINK)),
    "droppedLinksCount": _count(14, "droppedLinksCount"),
    "status": _message(15, "status", _STATUS),
    "flags": _flags(16),
}
_SCOPE: Fields = {
    "name": _text(1, "scope.name"),
    "version": _text(2, "scope.version"),
    "attributes": _attributes(_tag(3, 2)),
    "droppedAttributesCount": _count(4, "scope.droppedAttributesCount"),
}
_ENTITY: Fields = {
    "schemaUrl": _text(1, "an entity's schemaUrl"),
    "type": _text(2, "an entity's type"),
    "idKeys": _repeated("an entity's idKeys", _text(3, "an entity's idKey")),
    "descriptionKeys": _repeated("an entity's descriptionKeys", _text(4, "an entity's descriptionKey")),
}
_RESOURCE: Fields = {
    "attributes": _attributes(_tag(1, 2)),
    "droppedAttributesCount": _count(2, "resource.droppedAttributesCount"),
    "entityRefs": _repeated("entityRefs", _message(3, "an entity", _ENTITY)),
}
#: Without the spans, which `litefuse.otlp.json` puts in.
SCOPE_SPANS: Fields = {"scope": _message(1, "scope", _SCOPE), "schemaUrl": _text(3, "schemaUrl")}
RESOURCE_SPANS: Fields = {"resource": _message(1, "resource", _RESOURCE), "schemaUrl": _text(3, "schemaUrl")}
