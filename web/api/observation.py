"""An observation as v1 has it: every key is there, null when nothing is known (public-api.md section 4.1)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, get_args

from pydantic import BeforeValidator
from typing_extensions import TypedDict

from web.api import observation_parts as parts
from web.api.observation_parts import Row, ToolCall
from web.api.values import decoded, number, or_none, time_or_none, time_text

#: What an observation can be, and how much of a problem.
Type = Literal[
    "SPAN", "GENERATION", "EVENT", "AGENT", "TOOL", "CHAIN", "RETRIEVER", "EVALUATOR", "EMBEDDING", "GUARDRAIL"
]
Level = Literal["DEBUG", "DEFAULT", "WARNING", "ERROR"]
TYPES: tuple[str, ...] = get_args(Type)
LEVELS: tuple[str, ...] = get_args(Level)


def upper(value: object) -> object:
    """For a validator: text in any case."""
    return value.upper() if isinstance(value, str) else value


#: The same, given in any case.
AnyType = Annotated[Type, BeforeValidator(upper)]
AnyLevel = Annotated[Level, BeforeValidator(upper)]


class Usage(TypedDict):
    """Deprecated copy of usageDetails and costDetails."""

    unit: str
    input: int
    output: int
    total: int
    inputCost: NotRequired[float]
    outputCost: NotRequired[float]
    totalCost: NotRequired[float]


class ObservationV1(TypedDict):
    """Times are ISO 8601 in UTC; latency and timeToFirstToken seconds; costs USD, prices USD for one unit."""

    id: str
    traceId: str | None
    projectId: str
    type: str
    name: str | None
    startTime: str
    endTime: str | None
    completionStartTime: str | None
    createdAt: str
    updatedAt: str
    parentObservationId: str | None
    environment: str
    level: str
    statusMessage: str | None
    version: str | None
    input: Any
    output: Any
    metadata: dict[str, Any]
    model: str | None
    modelId: str | None
    modelParameters: dict[str, Any] | None
    promptId: str | None
    promptName: str | None
    promptVersion: int | None
    usage: Usage
    usageDetails: dict[str, int]
    costDetails: dict[str, float]
    usagePricingTierId: str | None
    usagePricingTierName: str | None
    unit: str
    promptTokens: int
    completionTokens: int
    totalTokens: int
    inputPrice: float | None
    outputPrice: float | None
    totalPrice: float | None
    calculatedInputCost: float | None
    calculatedOutputCost: float | None
    calculatedTotalCost: float
    latency: float | None
    timeToFirstToken: float | None
    toolCalls: list[ToolCall]
    toolDefinitions: dict[str, Any]


def observation_v1(row: Row, project_id: str) -> ObservationV1:
    """`row` has the columns SMALL and LARGE of web/queries/observations.py."""
    prices = parts.prices(row)
    received = time_text(row["received_ns"])
    return {
        "id": row["id"],
        "traceId": or_none(row["trace_id"]),
        "projectId": project_id,
        "type": row["type"],
        "name": or_none(row["observation_name"]),
        "startTime": time_text(row["start_ns"]),
        "endTime": time_or_none(parts.end_ns(row)),
        "completionStartTime": time_or_none(row["completion_start_ns"]),
        "createdAt": received,
        "updatedAt": received,
        "parentObservationId": or_none(row["parent_id"]),
        "environment": row["environment"] or "default",
        "level": row["level"],
        "statusMessage": or_none(row["level_message"]),
        "version": or_none(row["app_version"]),
        "input": decoded(row["input"]),
        "output": decoded(row["output"]),
        "metadata": parts.whole_metadata(row),
        "model": or_none(row["model"]),
        "modelId": None,
        "modelParameters": parts.model_parameters(row),
        "promptId": None,
        "promptName": or_none(row["prompt_name"]),
        "promptVersion": row["prompt_version"],
        "usage": _usage(row),
        "usageDetails": parts.usage_details(row),
        "costDetails": parts.cost_details(row),
        "usagePricingTierId": None,
        "usagePricingTierName": or_none(row["price"]),
        "unit": "TOKENS",
        "promptTokens": row["input_tokens"],
        "completionTokens": row["output_tokens"],
        "totalTokens": row["total_tokens"],
        "inputPrice": number(prices.input),
        "outputPrice": number(prices.output),
        "totalPrice": number(prices.total),
        "calculatedInputCost": number(row["input_cost"]),
        "calculatedOutputCost": number(row["output_cost"]),
        "calculatedTotalCost": number(row["total_cost"]) or 0.0,
        "latency": parts.latency(row),
        "timeToFirstToken": parts.time_to_first_token(row),
        "toolCalls": parts.tool_calls(row),
        "toolDefinitions": parts.tool_definitions(row),
    }


def _usage(row: Row) -> Usage:
    found: Usage = {
        "unit": "TOKENS",
        "input": row["input_tokens"],
        "output": row["output_tokens"],
        "total": row["total_tokens"],
    }
    if row["input_cost"] is not None:
        found["inputCost"] = float(row["input_cost"])
    if row["output_cost"] is not None:
        found["outputCost"] = float(row["output_cost"])
    if row["total_cost"] is not None:
        found["totalCost"] = float(row["total_cost"])
    return found
