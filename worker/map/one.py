"""One span → its LLM values: the fields in order. Pure, and never raises (otel-mapping.md)."""

from __future__ import annotations

import logging
from typing import Protocol

from litefuse.ingested import SCOPE
from litefuse.prices import Priced
from litefuse.telemetry import metrics as m
from worker.map.conventions import ingestion
from worker.map.cost import stated_cost
from worker.map.experiment import experiment
from worker.map.first_token import completion_start
from worker.map.io import input_output, stored
from worker.map.kind import observation_type
from worker.map.mapped import Mapped
from worker.map.metadata import flatten, user_metadata
from worker.map.parameters import model_parameters
from worker.map.preview import previews
from worker.map.prompt import prompt_link
from worker.map.scalars import (
    app_version,
    environment,
    level,
    model,
    observation_name,
    provider,
    release,
)
from worker.map.span import Span
from worker.map.tools import join_definitions, read, tool_calls
from worker.map.trace import contribution
from worker.map.usage import token_sums, usage

logger = logging.getLogger("litefuse.worker")


class Prices(Protocol):
    """What is used of litefuse.prices.Book."""

    def cost(self, project_id: str, provider: str, model: str, usage: dict[str, int], at_ns: int) -> Priced | None: ...


def map_span(span: Span, project_id: str, prices: Prices) -> Mapped:
    """The LLM values of a span. What cannot be mapped leaves the fields that come after it as they are by default, and
    `mapping_error` says why; the span's own columns are kept whatever happens here."""
    mapped = Mapped(observation_name=span.name, level_message=span.status_message, is_root=span.is_root)
    try:
        _fill(mapped, span, project_id, prices)
    except Exception as error:  # whatever of ours it provokes: the span is kept, and its row says so
        logger.debug("a span could not be mapped", exc_info=error)
        mapped.mapping_error = f"{type(error).__name__} in the mapping of this span"
        m.MAPPING_ERRORS.inc()
    if span.scope_name == SCOPE:
        ingestion.adjust(span, mapped)
    return mapped


def _fill(mapped: Mapped, span: Span, project_id: str, prices: Prices) -> None:
    mapped.type = kind = observation_type(span)
    mapped.observation_name = observation_name(span)
    mapped.level, mapped.level_message = level(span)
    mapped.environment = environment(span)
    mapped.app_version, mapped.app_version_is_own = app_version(span)
    mapped.release, mapped.release_is_own = release(span)
    mapped.model, mapped.provider = model(span), provider(span)
    mapped.model_parameters = model_parameters(span, kind)
    mapped.completion_start_ns = completion_start(span)
    mapped.prompt_name, mapped.prompt_version = prompt_link(span, kind)
    mapped.experiment = experiment(span)
    _numbers(mapped, span, project_id, prices)
    _texts(mapped, span)


def _numbers(mapped: Mapped, span: Span, project_id: str, prices: Prices) -> None:
    """Usage and cost. What the span states of its cost wins over any price (section 12)."""
    mapped.usage = usage(span, mapped.type)
    if mapped.usage:
        mapped.tokens = token_sums(mapped.usage)
    stated = stated_cost(span)
    if stated is not None:
        mapped.cost, mapped.cost_source = stated, "stated"
    elif mapped.model and mapped.usage:
        priced = prices.cost(project_id, mapped.provider, mapped.model, mapped.usage, span.start_ns)
        if priced is not None:
            mapped.cost, mapped.cost_source, mapped.price = priced.cost, priced.source, priced.price


def _texts(mapped: Mapped, span: Span) -> None:
    """Input, output, tools, metadata, and what of them is the trace's."""
    raw_input, raw_output = input_output(span)
    own_input, mapped.output = stored(raw_input), stored(raw_output)
    metadata = user_metadata(span)
    mapped.input, mapped.tool_definitions = join_definitions(span, metadata, own_input, raw_input)
    mapped.metadata = flatten(metadata)
    mapped.tool_calls = tool_calls(span, mapped.output if raw_output is None else raw_output)
    mapped.input_preview, mapped.output_preview = previews(
        own_input, mapped.output, mapped, read(span, own_input, raw_input), read(span, mapped.output, raw_output)
    )
    contribution(span, mapped, (own_input, mapped.output))
