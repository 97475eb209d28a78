"""What a span says of its trace (otel-mapping.md sections 16.1 and 16.2). The spans of a trace are put together when it is
read, in whatever order they came (schemas/migrations/0003)."""

from __future__ import annotations

from schemas.conventions import CONVERSATION, FIELDS
from schemas.metadata_names import MLFLOW_TAGS, MLFLOW_TRACE_TAG, TRACE_METADATA_OBJECTS, TRACE_METADATA_PREFIXES
from worker.map.deep import json_text
from worker.map.mapped import Mapped
from worker.map.metadata import Metadata, add_attributes, add_resource, flatten, json_string, quotes_values
from worker.map.span import Span
from worker.map.values import Value, as_text, filled, first, first_text, parsed, without_nul

_USER, _SESSION, _TAGS = FIELDS["user_id"], FIELDS["session_id"], FIELDS["tags"]
_NAME, _INPUT, _OUTPUT = FIELDS["trace_name"], FIELDS["trace_input"], FIELDS["trace_output"]
_PUBLIC = FIELDS["trace_public"]
#: Values under these are JSON when the SDK makes JSON of all metadata (WB-37).
_METADATA = ("langfuse.observation.metadata.", "langfuse.trace.metadata.")
_OF_SDKS = frozenset(("langfuse", "ai"))


def contribution(span: Span, mapped: Mapped, trace_io: tuple[str, str]) -> None:
    """Fills what the span says of its trace into `mapped`; a span that says nothing and is no root leaves all empty.

    `trace_io` is the span's own input and output before tools were joined. The trace's are stored only where they differ
    from the observation's: those of a root are the trace's too (section 16.2). `mapped.metadata` is filled already.
    """
    mapped.is_root = span.is_root
    mapped.user_id = _id(span, _USER)[0]
    mapped.session_id, source = _id(span, _SESSION)
    mapped.session_is_conversation = source == CONVERSATION
    mapped.tags = _tags(span)
    if "langfuse" in span.families:
        mapped.is_app_root = span.attributes.get("langfuse.internal.is_app_root") in (True, "true")
        mapped.trace_name = first_text(span.attributes, _NAME)
        mapped.trace_public = _public(span)
        mapped.trace_input, mapped.trace_output = _said(span, _INPUT), _said(span, _OUTPUT)
    _metadata(span, mapped)
    if mapped.is_root:
        mapped.trace_input = _other(mapped.trace_input or trace_io[0], mapped.input)
        mapped.trace_output = _other(mapped.trace_output or trace_io[1], mapped.output)


def _other(of_trace: str, own: str) -> str:
    return "" if of_trace == own else of_trace


def _said(span: Span, names: tuple[str, ...]) -> str:
    value = first(span.attributes, names)
    if value is None or isinstance(value, str):
        return value or ""
    return json_text(value)


def _id(span: Span, names: tuple[str, ...]) -> tuple[str, str]:
    """The id and the attribute it is from; empty for none. One from a value that is JSON is decoded all the way."""
    for name in names:
        value = span.attributes.get(name)
        if value is None or value == "":
            continue
        if name.startswith(_METADATA):
            value = _decoded(span, value)
        if filled(value):
            return as_text(value), name
    return "", ""


def _decoded(span: Span, value: Value) -> Value:
    """A value of metadata without the quotes that the SDK put around it (WB-37)."""
    if quotes_values(span):
        while (inner := json_string(value)) is not None:
            value = without_nul(inner)
    return value


def _tags(span: Span) -> list[str]:
    """The tags of the first source that has any, each once, in the order sent."""
    attributes = span.attributes
    for name in _TAGS:
        value = attributes.get(name)
        if filled(value):
            tags = _split(_decoded(span, value) if name.startswith(_METADATA) else value)
            if tags:
                return tags
    if span.is_root and MLFLOW_TAGS in attributes:
        return _split(attributes[MLFLOW_TAGS])
    return []


def _split(value: Value) -> list[str]:
    """Tags as a list, as JSON of one, between commas, or one (WB-30); none in an object."""
    if isinstance(value, str):
        listed = parsed(value) if value.startswith("[") else None
        value = listed if isinstance(listed, list) else _between_commas(value)
    elif isinstance(value, dict):
        return []
    elif not isinstance(value, list):
        value = [value]
    tags = [without_nul(as_text(tag)) for tag in value if tag is not None]
    return list(dict.fromkeys([tag for tag in tags if tag and not tag.isspace()]))


def _between_commas(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")] if "," in text else [text]


def _public(span: Span) -> bool | None:
    """None when the span does not say it."""
    value = first(span.attributes, _PUBLIC)
    return None if value is None else value is True or value == "true"


def _metadata(span: Span, mapped: Mapped) -> None:
    """Metadata of the trace: MLflow's tags on a root, what the resource gives to every span that says something of its
    trace, the metadata of the observation when it is a root, and what is said of the trace."""
    said: Metadata = {}
    if not span.families.isdisjoint(_OF_SDKS):
        add_attributes(said, span, TRACE_METADATA_OBJECTS, TRACE_METADATA_PREFIXES)
    if mapped.is_root:
        found = _mlflow_tags(span) if "mlflow" in span.families else {}
        found.update(mapped.metadata)
        found.update(flatten(said))
        mapped.trace_metadata = found
    elif said or _says_something(mapped):
        of_resource: Metadata = {}
        add_resource(of_resource, span.resource)
        mapped.trace_metadata = flatten(of_resource) | flatten(said)


def _says_something(mapped: Mapped) -> bool:
    """Whether a span that is no root sets a field of the trace: then it is one that contributes (section 16.1, WB-28)."""
    return bool(
        mapped.user_id
        or mapped.session_id
        or mapped.tags
        or mapped.trace_name
        or mapped.trace_input
        or mapped.trace_output
        or mapped.release_is_own
        or mapped.app_version_is_own
        or mapped.trace_public is not None
    )


def _mlflow_tags(span: Span) -> dict[str, str]:
    """`mlflow.traceTag.<name>`, which MLflow writes as they are (section 19); `tags` is the tags."""
    found = span.under(MLFLOW_TRACE_TAG)
    found.pop("tags", None)
    return flatten(found)
