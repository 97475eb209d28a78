"""An observation as v2 has it: the keys of the groups asked for, null when nothing is known (public-api.md section 4.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NotRequired, cast

from typing_extensions import TypedDict

from web.api import observation_parts as parts
from web.api.observation_parts import Row, ToolCall
from web.api.values import number, or_none, time_or_none, time_text
from web.queries.contexts import Context


class ObservationV2(TypedDict):
    """Times are ISO 8601 in UTC; latency and timeToFirstToken seconds; costs USD; prices USD for one unit, as decimal text."""

    id: str
    traceId: str | None
    projectId: str
    type: str
    startTime: str
    endTime: str | None
    parentObservationId: str | None
    latency: float | None
    timeToFirstToken: float | None
    modelId: str | None
    inputPrice: str | None
    outputPrice: str | None
    totalPrice: str | None
    # basic
    name: NotRequired[str | None]
    level: NotRequired[str]
    statusMessage: NotRequired[str | None]
    version: NotRequired[str | None]
    environment: NotRequired[str]
    bookmarked: NotRequired[bool]
    public: NotRequired[bool]
    userId: NotRequired[str | None]
    sessionId: NotRequired[str | None]
    isRootObservation: NotRequired[bool]
    # time
    completionStartTime: NotRequired[str | None]
    createdAt: NotRequired[str]
    updatedAt: NotRequired[str]
    # io
    input: NotRequired[str | None]
    output: NotRequired[str | None]
    toolCalls: NotRequired[list[ToolCall]]
    toolDefinitions: NotRequired[dict[str, Any]]
    # metadata
    metadata: NotRequired[dict[str, Any]]
    # model
    model: NotRequired[str | None]
    providedModelName: NotRequired[str | None]
    internalModelId: NotRequired[str | None]
    modelParameters: NotRequired[dict[str, Any] | None]
    # usage
    usageDetails: NotRequired[dict[str, int]]
    costDetails: NotRequired[dict[str, float]]
    totalCost: NotRequired[float | None]
    usagePricingTierName: NotRequired[str | None]
    # prompt
    promptId: NotRequired[str | None]
    promptName: NotRequired[str | None]
    promptVersion: NotRequired[int | None]
    # trace_context
    traceName: NotRequired[str | None]
    tags: NotRequired[list[str]]
    release: NotRequired[str | None]


Part = dict[str, Any]


def _core(row: Row, project_id: str) -> Part:
    return {
        "id": row["id"],
        "traceId": or_none(row["trace_id"]),
        "projectId": project_id,
        "type": row["type"],
        "startTime": time_text(row["start_ns"]),
        "endTime": time_or_none(parts.end_ns(row)),
        "parentObservationId": or_none(row["parent_id"]),
        "latency": parts.latency(row),
        "timeToFirstToken": parts.time_to_first_token(row),
        "modelId": None,
        "inputPrice": None,
        "outputPrice": None,
        "totalPrice": None,
    }


def _basic(row: Row, of_trace: Context) -> Part:
    return {
        "name": or_none(row["observation_name"]),
        "level": row["level"],
        "statusMessage": or_none(row["level_message"]),
        "version": or_none(row["app_version"]),
        "environment": row["environment"] or "default",
        "bookmarked": False,
        "public": of_trace.public,
        "userId": or_none(of_trace.user_id),
        "sessionId": or_none(of_trace.session_id),
        "isRootObservation": row["is_root"] or row["is_app_root"],
    }


def _time(row: Row, of_trace: Context) -> Part:
    received = time_text(row["received_ns"])
    return {
        "completionStartTime": time_or_none(row["completion_start_ns"]),
        "createdAt": received,
        "updatedAt": received,
    }


def _io(row: Row, of_trace: Context) -> Part:
    return {
        "input": or_none(row["input"]),
        "output": or_none(row["output"]),
        "toolCalls": parts.tool_calls(row),
        "toolDefinitions": parts.tool_definitions(row),
    }


def _metadata(row: Row, of_trace: Context) -> Part:
    return {"metadata": parts.whole_metadata(row)}


def _model(row: Row, of_trace: Context) -> Part:
    model, prices = or_none(row["model"]), parts.prices(row)
    return {
        "model": model,
        "providedModelName": model,
        "internalModelId": None,
        "modelParameters": parts.model_parameters(row),
        "inputPrice": parts.as_text(prices.input),
        "outputPrice": parts.as_text(prices.output),
        "totalPrice": parts.as_text(prices.total),
    }


def _usage(row: Row, of_trace: Context) -> Part:
    return {
        "usageDetails": parts.usage_details(row),
        "costDetails": parts.cost_details(row),
        "totalCost": number(row["total_cost"]),
        "usagePricingTierName": or_none(row["price"]),
    }


def _prompt(row: Row, of_trace: Context) -> Part:
    return {
        "promptId": None,
        "promptName": or_none(row["prompt_name"]),
        "promptVersion": row["prompt_version"],
    }


def _trace_context(row: Row, of_trace: Context) -> Part:
    return {
        "traceName": or_none(of_trace.name),
        "tags": list(of_trace.tags),
        "release": or_none(row["release"] or of_trace.release),
    }


def _metrics(row: Row, of_trace: Context) -> Part:
    """What it asks for is always there."""
    return {}


_CORE = ("id", "trace_id", "parent_id", "type", *parts.DURATIONS)
#: Group besides core → columns that it needs, and what it adds.
_GROUPS: Mapping[str, tuple[tuple[str, ...], Callable[[Row, Context], Part]]] = {
    "basic": (
        ("observation_name", "level", "level_message", "app_version", "environment", "is_root", "is_app_root"),
        _basic,
    ),
    "time": (("received_ns",), _time),
    "io": (("input", "output", "tool_definitions", *parts.TOOLS), _io),
    "metadata": (parts.METADATA, _metadata),
    "model": (("model", "model_parameters", *parts.PRICES), _model),
    "usage": (("usage", "cost", "total_cost", "price"), _usage),
    "prompt": (("prompt_name", "prompt_version"), _prompt),
    "metrics": ((), _metrics),
    "trace_context": (("release",), _trace_context),
}
GROUPS: tuple[str, ...] = ("core", *_GROUPS)
#: Groups that show what the trace says.
OF_TRACE = frozenset(("basic", "trace_context"))


def columns(groups: frozenset[str]) -> tuple[str, ...]:
    """Names of the columns that these groups need, as web/queries/observations.py has them."""
    wanted = [name for group, (names, _) in _GROUPS.items() if group in groups for name in names]
    return tuple(dict.fromkeys((*_CORE, *wanted)))


def observation_v2(row: Row, project_id: str, of_trace: Context, groups: frozenset[str]) -> ObservationV2:
    """`row` has the columns that `columns` says."""
    found = _core(row, project_id)
    for group, (_, add) in _GROUPS.items():
        if group in groups:
            found |= add(row, of_trace)
    return cast(ObservationV2, found)
