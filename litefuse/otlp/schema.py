"""The protobuf schemas we decode OTLP with: wire-compatible with OTLP, not equal to it (architecture section 8).

* Text is declared `bytes`: invalid UTF-8 in one string would otherwise refuse the whole request; it is mended later.
* `array_value` and `kvlist_value` are declared `bytes` in `FULL`: no recursion while decoding, so no nesting bomb.
* `SCAN_REQUEST` knows ids and times only; unknown fields are skipped, so it costs a tenth.
* `VALUE` is for the few attributes that are lists or maps: one level at a time, so that depth is ours to bound.

`FULL` below is a ptars handler (list of messages → Arrow record batch); the others are upb classes. `FULL_REQUEST`, of the
same schema as `FULL`, is what the tests hold it against, and normalises what ptars reads differently.
"""

from __future__ import annotations

from typing import Any

import ptars
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message

_T = descriptor_pb2.FieldDescriptorProto
_BYTES, _BOOL, _INT64, _DOUBLE = _T.TYPE_BYTES, _T.TYPE_BOOL, _T.TYPE_INT64, _T.TYPE_DOUBLE
_UINT32, _INT32, _FIXED32, _FIXED64 = _T.TYPE_UINT32, _T.TYPE_INT32, _T.TYPE_FIXED32, _T.TYPE_FIXED64

# A field: name, number, scalar type or message name, and a flag: "*" repeated, "|" member of the oneof `value`.
_Field = tuple[str, int, Any, str]

_ANY_FLAT: list[_Field] = [
    ("string_value", 1, _BYTES, "|"),
    ("bool_value", 2, _BOOL, "|"),
    ("int_value", 3, _INT64, "|"),
    ("double_value", 4, _DOUBLE, "|"),
    ("array_value", 5, _BYTES, "|"),
    ("kvlist_value", 6, _BYTES, "|"),
    ("bytes_value", 7, _BYTES, "|"),
]
_FULL: dict[str, list[_Field]] = {
    "AnyValue": _ANY_FLAT,
    "KeyValue": [("key", 1, _BYTES, ""), ("value", 2, "AnyValue", "")],
    "Resource": [("attributes", 1, "KeyValue", "*"), ("dropped_attributes_count", 2, _UINT32, "")],
    "Scope": [
        ("name", 1, _BYTES, ""),
        ("version", 2, _BYTES, ""),
        ("attributes", 3, "KeyValue", "*"),
        ("dropped_attributes_count", 4, _UINT32, ""),
    ],
    "Event": [
        ("time_unix_nano", 1, _FIXED64, ""),
        ("name", 2, _BYTES, ""),
        ("attributes", 3, "KeyValue", "*"),
        ("dropped_attributes_count", 4, _UINT32, ""),
    ],
    "Link": [
        ("trace_id", 1, _BYTES, ""),
        ("span_id", 2, _BYTES, ""),
        ("trace_state", 3, _BYTES, ""),
        ("attributes", 4, "KeyValue", "*"),
        ("dropped_attributes_count", 5, _UINT32, ""),
        ("flags", 6, _FIXED32, ""),
    ],
    "Status": [("message", 2, _BYTES, ""), ("code", 3, _INT32, "")],
    "Span": [
        ("trace_id", 1, _BYTES, ""),
        ("span_id", 2, _BYTES, ""),
        ("trace_state", 3, _BYTES, ""),
        ("parent_span_id", 4, _BYTES, ""),
        ("name", 5, _BYTES, ""),
        ("kind", 6, _INT32, ""),
        ("start_time_unix_nano", 7, _FIXED64, ""),
        ("end_time_unix_nano", 8, _FIXED64, ""),
        ("attributes", 9, "KeyValue", "*"),
        ("dropped_attributes_count", 10, _UINT32, ""),
        ("events", 11, "Event", "*"),
        ("dropped_events_count", 12, _UINT32, ""),
        ("links", 13, "Link", "*"),
        ("dropped_links_count", 14, _UINT32, ""),
        ("status", 15, "Status", ""),
        ("flags", 16, _FIXED32, ""),
    ],
    "ScopeSpans": [("scope", 1, "Scope", ""), ("spans", 2, "Span", "*"), ("schema_url", 3, _BYTES, "")],
    "ResourceSpans": [
        ("resource", 1, "Resource", ""),
        ("scope_spans", 2, "ScopeSpans", "*"),
        ("schema_url", 3, _BYTES, ""),
    ],
    "Request": [("resource_spans", 1, "ResourceSpans", "*")],
}
_SCAN: dict[str, list[_Field]] = {
    "Span": [
        ("trace_id", 1, _BYTES, ""),
        ("span_id", 2, _BYTES, ""),
        ("start_time_unix_nano", 7, _FIXED64, ""),
        ("end_time_unix_nano", 8, _FIXED64, ""),
    ],
    "ScopeSpans": [("spans", 2, "Span", "*")],
    "ResourceSpans": [("scope_spans", 2, "ScopeSpans", "*")],
    "Request": [("resource_spans", 1, "ResourceSpans", "*")],
}
_VALUE: dict[str, list[_Field]] = {
    "AnyValue": _ANY_FLAT,
    "ArrayValue": [("values", 1, "AnyValue", "*")],
    "KeyValueList": [("values", 1, "KeyValue", "*")],
    "KeyValue": [("key", 1, _BYTES, ""), ("value", 2, "AnyValue", "")],
}


def _file(package: str, messages: dict[str, list[_Field]]) -> FileDescriptor:
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind, flag in fields:
            field = message.field.add(name=field_name, number=number)
            field.label = _T.LABEL_REPEATED if flag == "*" else _T.LABEL_OPTIONAL
            if isinstance(kind, str):
                field.type = _T.TYPE_MESSAGE
                field.type_name = f".{package}.{kind}"
            else:
                field.type = kind
            if flag == "|":
                if not message.oneof_decl:
                    message.oneof_decl.add(name="value")
                field.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool.FindFileByName(file.name)


_FULL_FILE = _file("litefuse.full", _FULL)
_SCAN_FILE = _file("litefuse.scan", _SCAN)
_VALUE_FILE = _file("litefuse.value", _VALUE)


def _decoder(file: FileDescriptor) -> Any:
    return ptars.HandlerPool([file]).get_for_message(file.message_types_by_name["Request"])


def _message(file: FileDescriptor, name: str) -> type[Message]:
    return message_factory.GetMessageClass(file.message_types_by_name[name])


#: A ptars handler: `.list_to_record_batch(list[bytes])` gives one row a request, nested as in the schema.
FULL: Any = _decoder(_FULL_FILE)
#: upb classes of the same schemas.
FULL_REQUEST: Any = _message(_FULL_FILE, "Request")
SCAN_REQUEST: Any = _message(_SCAN_FILE, "Request")
ARRAY_VALUE: Any = _message(_VALUE_FILE, "ArrayValue")
KVLIST_VALUE: Any = _message(_VALUE_FILE, "KeyValueList")
