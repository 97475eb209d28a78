"""Rows of `spans` → the OTLP they came in as: the inverse of worker/flatten.py, attributes back in their types.

Spans are put together under the resource and scope they came with. What a row does not tell, and so is not rebuilt
(docs/export.md): the order of attributes and all but the last of equal keys, whether an empty resource, scope or status was
there at all, fields that OTLP's schema did not have, text that was no UTF-8.

Pure. About 30 µs a span of 15 attributes, and holds the GIL: in a thread.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from litefuse import text_ids
from litefuse.otlp.schema import ARRAY_VALUE, FULL_REQUEST, KVLIST_VALUE
from litefuse.otlp.values import KINDS, STATUS_CODES

_TYPES = ("string", "int", "float", "bool", "json")
#: Columns of `spans` that a span is rebuilt from, in the order in which `Request.add` takes them.
COLUMNS: tuple[str, ...] = (
    "trace_id",
    "span_id",
    "parent_span_id",
    "name",
    "kind",
    "start_time_unix_nano",
    "end_time_unix_nano",
    "status_code",
    "status_message",
    "trace_state",
    "flags",
    "dropped_attributes_count",
    "dropped_events_count",
    "dropped_links_count",
    *(f"attributes_{kind}" for kind in _TYPES),
    *(f"resource_{kind}" for kind in _TYPES),
    "resource_dropped_attributes_count",
    "resource_schema_url",
    "scope_name",
    "scope_version",
    "scope_attributes",
    "scope_attribute_types",
    "scope_dropped_attributes_count",
    "scope_schema_url",
    "events.time_unix_nano",
    "events.name",
    "events.attributes",
    "events.attribute_types",
    "events.dropped_attributes_count",
    "links.trace_id",
    "links.span_id",
    "links.trace_state",
    "links.flags",
    "links.attributes",
    "links.attribute_types",
    "links.dropped_attributes_count",
)
_HEX = re.compile(r"(?:[0-9a-f]{2})*", re.ASCII)


class Request:
    """An export request while spans are added to it. `size` is about how many bytes it takes, `spans` how many it has."""

    def __init__(self) -> None:
        self.size = self.spans = 0
        self._message = FULL_REQUEST()
        self._resources: dict[str, Any] = {}
        self._scopes: dict[tuple[str, str], Any] = {}

    @property
    def message(self) -> Any:
        """litefuse.otlp.schema.FULL_REQUEST; on the wire the same as OTLP's ExportTraceServiceRequest and TracesData."""
        return self._message

    def body(self) -> bytes:
        """As protobuf."""
        body: bytes = self._message.SerializeToString()
        return body

    def add(self, values: Sequence[Any], start_ns: int = 0) -> None:
        """One row of COLUMNS, as clickhouse-connect gives it. `start_ns` is the start of a span that was sent without any time:
        what takes it in again then finds it where it was, and not at the earliest start of its request."""
        row = dict(zip(COLUMNS, values, strict=True))
        span = self._scope(row).spans.add()
        _fill(span, row)
        if not span.start_time_unix_nano and not span.end_time_unix_nano:
            span.start_time_unix_nano = start_ns
        self.spans += 1
        self.size += span.ByteSize() + 4

    def _scope(self, row: Mapping[str, Any]) -> Any:
        """The ScopeSpans of the row's resource and scope."""
        resource_key = _key(
            [row[f"resource_{kind}"] for kind in _TYPES],
            row["resource_schema_url"],
            row["resource_dropped_attributes_count"],
        )
        scope_key = _key(
            [row["scope_attributes"], row["scope_attribute_types"]],
            row["scope_name"],
            row["scope_version"],
            row["scope_schema_url"],
            row["scope_dropped_attributes_count"],
        )
        found = self._scopes.get((resource_key, scope_key))
        if found is None:
            found = self._scopes[resource_key, scope_key] = self._resource(resource_key, row).scope_spans.add()
            found.schema_url = row["scope_schema_url"].encode()
            scope = found.scope
            scope.SetInParent()
            scope.name, scope.version = row["scope_name"].encode(), row["scope_version"].encode()
            scope.dropped_attributes_count = row["scope_dropped_attributes_count"]
            _texts(scope.attributes, row["scope_attributes"], row["scope_attribute_types"])
            self.size += found.ByteSize() + 8
        return found

    def _resource(self, key: str, row: Mapping[str, Any]) -> Any:
        """The ResourceSpans of the row's resource."""
        found = self._resources.get(key)
        if found is None:
            found = self._resources[key] = self._message.resource_spans.add()
            found.schema_url = row["resource_schema_url"].encode()
            found.resource.SetInParent()
            found.resource.dropped_attributes_count = row["resource_dropped_attributes_count"]
            _typed(found.resource.attributes, row, "resource")
            self.size += found.ByteSize() + 8
        return found


def _key(maps: Sequence[Mapping[str, Any]], *rest: object) -> str:
    """Equal for resources, or scopes, that are equal but for the order of attributes. As text, in which NaN is equal to NaN
    and 1 is neither 1.0 nor true."""
    return repr(([sorted(attributes.items(), key=_first) for attributes in maps], rest))


def _first(pair: tuple[str, Any]) -> str:
    return pair[0]


def _fill(span: Any, row: Mapping[str, Any]) -> None:
    texts = row["attributes_string"]
    span.trace_id = _id(row["trace_id"], texts.get(text_ids.TRACE_ID), text_ids.trace_id)
    span.span_id = _id(row["span_id"], texts.get(text_ids.SPAN_ID), text_ids.span_id)
    if row["parent_span_id"]:
        span.parent_span_id = _id(row["parent_span_id"], texts.get(text_ids.PARENT_SPAN_ID), text_ids.span_id)
    for name in ("name", "trace_state"):
        setattr(span, name, row[name].encode())
    for name in (
        "start_time_unix_nano",
        "end_time_unix_nano",
        "flags",
        "dropped_attributes_count",
        "dropped_events_count",
        "dropped_links_count",
    ):
        setattr(span, name, row[name])
    span.kind = _number(row["kind"], KINDS)
    code, message = _number(row["status_code"], STATUS_CODES), row["status_message"]
    if code or message:
        span.status.code, span.status.message = code, message.encode()
    _typed(span.attributes, row, "attributes")
    _events(span.events, row)
    _links(span.links, row)


def _events(events: Any, row: Mapping[str, Any]) -> None:
    for at, name, attributes, types, dropped in zip(
        row["events.time_unix_nano"],
        row["events.name"],
        row["events.attributes"],
        row["events.attribute_types"],
        row["events.dropped_attributes_count"],
        strict=True,
    ):
        event = events.add()
        event.time_unix_nano, event.name, event.dropped_attributes_count = at, name.encode(), dropped
        _texts(event.attributes, attributes, types)


def _links(links: Any, row: Mapping[str, Any]) -> None:
    for trace_id, span_id, trace_state, flags, attributes, types, dropped in zip(
        row["links.trace_id"],
        row["links.span_id"],
        row["links.trace_state"],
        row["links.flags"],
        row["links.attributes"],
        row["links.attribute_types"],
        row["links.dropped_attributes_count"],
        strict=True,
    ):
        link = links.add()
        link.trace_id, link.span_id = bytes.fromhex(trace_id), bytes.fromhex(span_id)
        link.trace_state, link.flags, link.dropped_attributes_count = trace_state.encode(), flags, dropped
        _texts(link.attributes, attributes, types)


def _id(stored: str, text: str | None, hashed: Any) -> Any:
    """The id on the wire. `text` is what the span's attributes say: when it is what is stored, the wire had its hash."""
    if stored != text and _HEX.fullmatch(stored):
        return bytes.fromhex(stored)
    return hashed(stored)


def _number(name: str, names: Sequence[str]) -> int:
    """A number that OTLP does not define is stored as such."""
    return names.index(name) if name in names else int(name)


# -- attributes ----------------------------------------------------------------------------------------------------------


def _typed(pairs: Any, row: Mapping[str, Any], prefix: str) -> None:
    """Five maps, one a type, into KeyValues."""
    for key, text in row[f"{prefix}_string"].items():
        _pair(pairs, key).string_value = text.encode()
    for key, number in row[f"{prefix}_int"].items():
        _pair(pairs, key).int_value = number
    for key, number in row[f"{prefix}_float"].items():
        _pair(pairs, key).double_value = number
    for key, flag in row[f"{prefix}_bool"].items():
        _pair(pairs, key).bool_value = bool(flag)
    for key, text in row[f"{prefix}_json"].items():
        _put(_pair(pairs, key), orjson.loads(text))


def _texts(pairs: Any, attributes: Mapping[str, str], types: Mapping[str, str]) -> None:
    """A map of texts, and the types of those that are none, into KeyValues."""
    for key, text in attributes.items():
        value, kind = _pair(pairs, key), types.get(key)
        if kind is None:
            value.string_value = text.encode()
        elif kind == "int":
            value.int_value = int(text)
        elif kind == "float":
            value.double_value = float(text)
        elif kind == "bool":
            value.bool_value = text == "true"
        else:
            _put(value, orjson.loads(text))


def _pair(pairs: Any, key: str) -> Any:
    pair = pairs.add()
    pair.key = key.encode()
    pair.value.SetInParent()
    return pair.value


def _put(any_value: Any, value: Any) -> None:
    """A value of litefuse.otlp.values' JSON form into an AnyValue. Lists and maps become bytes level by level, so no depth is
    too great for a protobuf library to write."""
    if value is None:
        any_value.SetInParent()
    elif isinstance(value, str):
        any_value.string_value = value.encode()
    elif isinstance(value, bool):
        any_value.bool_value = value
    elif isinstance(value, int):
        any_value.int_value = value
    elif isinstance(value, float):
        any_value.double_value = value
    elif isinstance(value, list):
        array = ARRAY_VALUE()
        for inner in value:
            _put(array.values.add(), inner)
        any_value.array_value = array.SerializeToString()
    elif value.keys() == {"bytesValue"}:
        any_value.bytes_value = base64.b64decode(value["bytesValue"])
    elif value.keys() == {"doubleValue"}:
        any_value.double_value = float(value["doubleValue"])
    else:
        pairs = value["kvlistValue"] if value.keys() == {"kvlistValue"} else value
        kvlist = KVLIST_VALUE()
        for key, inner in pairs.items():
            _put(_pair(kvlist.values, key), inner)
        any_value.kvlist_value = kvlist.SerializeToString()
