"""Any attribute may have any type, be empty, huge, deep or lie about itself: nothing raises, nothing is lost, and no
result depends on the order of attributes or on a repeat."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

import pyarrow as pa
import pytest

from litefuse.observation import mlflow_decoded, observation_metadata
from schemas.metadata_names import (
    ASSOCIATION,
    METADATA_PREFIXES,
    NOT_ASSOCIATION,
    NOT_METADATA,
    OPENINFERENCE_METADATA,
    REMOVED,
    REMOVED_TREES,
    TOOL_LISTS,
    TOOL_NUMBERED,
    TRACE_METADATA_PREFIXES,
)
from tests.worker.map.any_values import START_NS, Maker, known_names
from tests.worker.map.support import NoPrices, decoded, key_values, record, resource_spans
from tests.worker.map.support import span as otlp_span
from worker.map import map_spans
from worker.map.columns import COLUMNS
from worker.map.mapped import Mapped, ToolCall
from worker.map.one import map_span
from worker.map.span import Span
from worker.map.usage import Tokens

NAMES = known_names()
SEEDS = 1_500
#: Where two of these say the same name, the later attribute wins (section 15): their order is theirs.
ORDERED = (*METADATA_PREFIXES, *TRACE_METADATA_PREFIXES, ASSOCIATION)


def spans(begin: int = 0, end: int = SEEDS) -> Iterator[tuple[int, Span]]:
    for seed in range(begin, end):
        yield seed, Maker(seed, NAMES).span()


def as_mapped(span: Span) -> Mapped:
    return map_span(span, "p", NoPrices())


def test_known_names_are_those_of_the_tables() -> None:
    assert {"gen_ai.usage.cost", "langfuse.user.id", "genkit:input", "lk.chat_ctx", "mlflow.spanInputs"} <= set(NAMES)


def test_nothing_raises_whatever_the_attributes_hold() -> None:
    for seed, span in spans():
        assert as_mapped(span).mapping_error == "", seed


@pytest.mark.parametrize("name", NAMES)
def test_each_known_name_alone_may_have_any_value(name: str) -> None:
    for seed in range(12):
        maker = Maker(seed, NAMES)
        span = replace(maker.span(), attributes={name: maker.value()})
        assert as_mapped(span).mapping_error == "", seed


def test_every_field_is_of_its_type_and_fits_its_column() -> None:
    for seed, span in spans():
        found = as_mapped(span)
        for field in fields(Mapped):
            value = getattr(found, field.name)
            if isinstance(value, dict):
                whole = field.name in ("usage", "cost")
                assert all(type(k) is str and type(v) is (int if whole else str) for k, v in value.items()), (
                    seed,
                    field,
                )
                assert not whole or all(0 <= v < 1 << 63 for v in value.values()), (seed, field)
            elif isinstance(value, list):
                assert all(type(v) in (str, ToolCall) for v in value), (seed, field)
            elif isinstance(value, Tokens):
                assert all(type(v) is int and 0 <= v < 1 << 64 for v in value), (seed, field)
            else:
                assert isinstance(value, str | int | None), (seed, field)
            _written(value)


def test_the_order_of_attributes_changes_nothing() -> None:
    for seed, span in spans():
        found, other = as_mapped(span), as_mapped(_reordered(span, seed))
        # An object made of attributes has its names in their order, and the preview may be its beginning.
        if other.input != found.input:
            other.input_preview = found.input_preview
        if other.output != found.output:
            other.output_preview = found.output_preview
        assert _comparable(other) == _comparable(found), seed


def test_mapping_twice_gives_the_same_and_changes_no_value() -> None:
    for seed, span in spans(end=SEEDS // 3):
        before = repr((span.attributes, span.resource, span.events, span.scope_attributes))
        assert repr(as_mapped(span)) == repr(as_mapped(span)), seed
        assert repr((span.attributes, span.resource, span.events, span.scope_attributes)) == before, seed


def test_nothing_is_lost_between_the_request_and_its_metadata() -> None:
    """Through the worker's own decode and map stages: each attribute is shown, or is one of section 8.6 and of WB-38,
    which are shown as input, output or user metadata; resource and scope are shown whole."""
    for begin in range(0, 300, 100):
        made = list(spans(begin, begin + 100))
        batch = map_spans(decoded(record(*(_sent(place, span) for place, (_, span) in enumerate(made)))), NoPrices())
        assert batch is not None
        for column, of in COLUMNS.items():
            assert batch.schema.field(column).type == of.type
        rows = {row["span_id"]: row for row in batch.to_pylist()}
        for place, (seed, span) in enumerate(made):
            _nothing_lost(rows[f"{place + 1:016x}"], span, seed)


def test_what_is_taken_out_as_metadata_is_shown_as_metadata() -> None:
    """A name of the user's is there, by itself or by the names within it; joined tools are shown in the input."""
    for seed, span in spans():
        found = as_mapped(span)
        for key in span.attributes:
            own, of_trace = _name(key, (*METADATA_PREFIXES, ASSOCIATION)), _name(key, ("langfuse.trace.metadata.",))
            if key in NOT_METADATA or key in NOT_ASSOCIATION or key == ASSOCIATION:
                continue
            if own is not None and not (own == "tools" and found.tool_definitions):
                assert _has(found.metadata, own), (seed, key)
            if of_trace is not None:
                assert _has(found.trace_metadata, of_trace), (seed, key)


def _name(key: str, prefixes: tuple[str, ...]) -> str | None:
    return next((key[len(prefix) :] for prefix in prefixes if key.startswith(prefix)), None)


def _has(flat: Mapping[str, str], name: str) -> bool:
    """Also behind `user.`, where names of built-in parts go (WB-27)."""
    return any(key == own or key.startswith(f"{own}.") for key in flat for own in (name, f"user.{name}"))


def _nothing_lost(row: dict[str, Any], span: Span, seed: int) -> None:
    assert row["mapping_error"] == "", seed
    shown = observation_metadata(row)
    resource, scope = _finite(span.resource), _finite(span.scope_attributes)
    assert set(shown["resourceAttributes"]) == set(resource), seed
    assert shown["resourceAttributes"] == resource, seed
    assert shown["scope"]["attributes"] == scope, seed
    if span.scope_name.startswith("langfuse-sdk"):
        assert "attributes" not in shown
        return
    sent = mlflow_decoded(span.attributes, span.scope_name, span.resource)
    missing = {key for key in sent if not _elsewhere(key, sent[key])} - set(shown["attributes"])
    if dict(row["tool_definitions"]):  # tools that are shown with the input (section 14.1)
        missing = {key for key in missing if key not in TOOL_LISTS and not key.startswith(TOOL_NUMBERED[0])}
    assert not missing, (seed, missing)
    for key, text in shown["attributes"].items():
        value = _finite(sent)[key]
        assert (text if isinstance(value, str) else json.loads(text)) == value, (seed, key)


def _elsewhere(key: str, value: Any) -> bool:
    """Whether section 8.6 or WB-38 takes the key out of the attributes."""
    if key in REMOVED or any(key == tree or key.startswith(f"{tree}.") for tree in REMOVED_TREES):
        return True
    if key == OPENINFERENCE_METADATA:
        return bool(value != "")
    return key.startswith(ASSOCIATION) and key not in NOT_ASSOCIATION and key != ASSOCIATION


def _finite(value: Any) -> Any:
    """NaN and infinities by name, which JSON has not."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"inf": "Infinity", "-inf": "-Infinity"}.get(str(value), "NaN")
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    return [_finite(entry) for entry in value] if isinstance(value, list) else value


def _sent(place: int, span: Span) -> Any:
    """The span as its SDK would send it, in a resource and scope of its own."""
    made = otlp_span(place, span.attributes, name=span.name)
    made.start_time_unix_nano, made.end_time_unix_nano = START_NS, span.end_ns
    for event in span.events:
        made.events.add(name=event.name, attributes=key_values(event.attributes), time_unix_nano=START_NS)
    group = resource_spans([made], span.resource, span.scope_name)
    group.scope_spans[0].scope.version = span.scope_version
    group.scope_spans[0].scope.attributes.extend(key_values(span.scope_attributes))
    return group


def _reordered(span: Span, seed: int) -> Span:
    """Attributes shuffled, but for the relative order of those where the later wins."""
    pairs = list(span.attributes.items())
    random.Random(seed).shuffle(pairs)
    ordered = iter([pair for pair in span.attributes.items() if pair[0].startswith(ORDERED)])
    return replace(span, attributes=dict(next(ordered) if pair[0].startswith(ORDERED) else pair for pair in pairs))


def _comparable(found: Mapped) -> dict[str, Any]:
    """The fields, with JSON texts parsed: the order of names in an object is no difference."""
    return {field.name: _parsed(getattr(found, field.name)) for field in fields(Mapped)}


def _parsed(value: Any) -> Any:
    if isinstance(value, str):
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            return value
        return found if isinstance(found, dict | list) else value
    if isinstance(value, dict):
        return {key: _parsed(entry) for key, entry in value.items()}
    return [_parsed(entry) for entry in value] if isinstance(value, list) else value


def _written(value: Any) -> None:
    """Text is UTF-8 without NUL, and goes into an Arrow column."""
    if isinstance(value, ToolCall):
        _written([value.id, value.name, value.arguments, value.type])
    elif isinstance(value, str):
        assert "\0" not in value
        pa.array([value], pa.utf8())
    elif isinstance(value, dict | list):
        for part in [*value, *value.values()] if isinstance(value, dict) else value:
            _written(part)
