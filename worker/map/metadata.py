"""What the user noted on an observation or its trace (otel-mapping.md section 15)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import orjson

from schemas.conventions import RESOURCE_FIELDS
from schemas.metadata_names import (
    ASSOCIATION,
    BUILT_IN,
    METADATA_OBJECTS,
    METADATA_PREFIXES,
    NOT_ASSOCIATION,
    NOT_METADATA,
    OPENINFERENCE_METADATA,
    RESOURCE_METADATA_PREFIXES,
)
from worker.map.deep import json_text
from worker.map.span import Span
from worker.map.values import Attributes, Value, filled, first, parsed, without_nul

Metadata = dict[str, Value]

_RESOURCE_OBJECTS = RESOURCE_FIELDS["trace_metadata"]
#: Families of attributes (`Span.families`) that hold metadata.
_OF_SDKS = frozenset(("langfuse", "ai"))
#: Levels of nesting that become dotted names; deeper ones stay JSON, so that names do not grow with the square of it.
_LEVELS = 32
_JSON_BEGINS = frozenset('{["-0123456789tfn \n\r\t')


def user_metadata(span: Span) -> Metadata:
    """Metadata of the observation by name, nested as sent; later sources replace earlier ones name by name."""
    found: Metadata = {}
    families = span.families
    if "traceloop" in families:
        _add(found, _associations(span.attributes))
    if "metadata" in families:
        _add_object(found, span, (OPENINFERENCE_METADATA,))
    if span.resource:
        add_resource(found, span.resource)
    if not families.isdisjoint(_OF_SDKS):
        add_attributes(found, span, METADATA_OBJECTS, METADATA_PREFIXES)
    return found


def add_attributes(found: Metadata, span: Span, objects: tuple[str, ...], prefixes: tuple[str, ...]) -> None:
    """The first of the `objects` that is filled, then what follows a prefix, in the order of the attributes. Such names
    stay flat, their values are as sent, but for those of Langfuse's SDK (`unquoted`)."""
    _add_object(found, span, objects)
    quoted = quotes_values(span)
    for key in span.sdk_keys:
        if key.startswith(prefixes) and key not in NOT_METADATA:
            value = span.attributes[key]
            size = next(len(prefix) for prefix in prefixes if key.startswith(prefix))
            _put(found, key[size:], unquoted(value) if quoted else value)


def add_resource(found: Metadata, resource: Attributes) -> None:
    """The metadata that a resource gives to all its spans."""
    value = first(resource, _RESOURCE_OBJECTS)
    if value is not None:
        _add_parsed(found, value, parsed(value))
    for key, value in resource.items():
        if key.startswith(RESOURCE_METADATA_PREFIXES):
            size = next(len(prefix) for prefix in RESOURCE_METADATA_PREFIXES if key.startswith(prefix))
            _put(found, key[size:], value)


def flatten(metadata: Metadata) -> dict[str, str]:
    """As stored: nested objects become dotted names, everything else text, lists and empty objects as JSON. Of two names
    that become one the later counts."""
    found: dict[str, str] = {}
    for name, value in metadata.items():
        if isinstance(value, str):
            found[without_nul(name)] = without_nul(value)
        else:
            for path, leaf in _leaves(name, value, _LEVELS):
                found[without_nul(path)] = without_nul(leaf if isinstance(leaf, str) else json_text(leaf))
    return found


def quotes_values(span: Span) -> bool:
    """Whether the span is of Langfuse's Python SDK 5 or later, which makes JSON of every value of metadata (WB-37)."""
    if span.scope_name != "langfuse-sdk":
        return False
    major = span.scope_version.partition(".")[0]
    return major.isascii() and major.isdigit() and (len(major.lstrip("0")) > 1 or major.lstrip("0") >= "5")


def unquoted(value: Value) -> Value:
    """The string behind JSON text of one; but text that would itself be JSON keeps its quotes, so that it stays text when
    the API decodes it. Any other value as it is."""
    inner = json_string(value)
    return value if inner is None or _is_json(inner) else inner


def json_string(value: Value) -> str | None:
    """The string that a JSON text stands for; None for all else."""
    if not isinstance(value, str) or value[:1] != '"':
        return None
    found = parsed(value)
    return found if isinstance(found, str) else None


def _is_json(text: str) -> bool:
    if text[:1] not in _JSON_BEGINS:
        return False
    try:
        orjson.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _associations(attributes: Attributes) -> Metadata:
    """OpenLLMetry's association properties, but for user and session (WB-38)."""
    size = len(ASSOCIATION)
    return {
        key[size:]: value
        for key, value in attributes.items()
        if key.startswith(ASSOCIATION) and key not in NOT_ASSOCIATION and len(key) > size
    }


def _add_object(found: Metadata, span: Span, names: Iterable[str]) -> None:
    """The names of the first object that is filled."""
    for name in names:
        value = span.attributes.get(name)
        if filled(value):
            _add_parsed(found, value, span.json(name))
            return


def _add_parsed(found: Metadata, sent: Value, value: Value) -> None:
    """The names of an object; what is none is kept as text (WB-27)."""
    if isinstance(value, dict):
        _add(found, value)
    else:
        _put(found, "metadata", sent if isinstance(sent, str) else json_text(sent))


def _add(found: Metadata, metadata: Metadata) -> None:
    for name, value in metadata.items():
        _put(found, name, value)


def _put(found: Metadata, name: str, value: Value) -> None:
    """As the last name, because of two that become one when they are stored the later counts. Names of built-in parts go
    behind `user.` (WB-27)."""
    if name in BUILT_IN:
        name = f"user.{name}"
    found.pop(name, None)
    found[name] = value


def _leaves(path: str, value: Value, levels: int) -> Iterator[tuple[str, Value]]:
    if isinstance(value, dict) and value and levels:
        for name, inner in value.items():
            yield from _leaves(f"{path}.{name}", inner, levels - 1)
    else:
        yield path, value
