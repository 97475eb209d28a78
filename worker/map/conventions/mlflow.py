"""MLflow: `mlflow.*`, each the JSON text of what was set through MLflow's API (otel-mapping.md section 19, WB-32)."""

from __future__ import annotations

from schemas.usage_names import MLFLOW_PARAMETERS
from worker.map.counts import counted, net, with_total
from worker.map.span import Span
from worker.map.values import Value, filled, json_list, json_object


def usage(span: Span, kind: str) -> dict[str, int]:
    """`mlflow.chat.tokenUsage`, whose input contains what was cached; only of model calls, because spans of agents may
    repeat the totals of their calls (WB-20)."""
    if kind not in ("GENERATION", "EMBEDDING"):
        return {}
    sent = json_object(span.attributes.get("mlflow.chat.tokenUsage"))
    if not sent:
        return {}
    gross_input, gross_output = counted(sent.get("input_tokens")), counted(sent.get("output_tokens"))
    cached, creation = counted(sent.get("cache_read_input_tokens")), counted(sent.get("cache_creation_input_tokens"))
    one_hour = counted(sent.get("cache_creation_input_tokens_above_1hr"))
    found = {
        # The one hour's are among those of `creation`, and count once; without a `creation` they stand for it.
        "input": None if gross_input is None else net(gross_input, cached, max(creation or 0, one_hour or 0)),
        "output": gross_output,
        "total": counted(sent.get("total_tokens")),
        "input_cached_tokens": cached,
        "input_cache_creation": None if creation is None else net(creation, one_hour),
        "input_cache_creation_1h": one_hour,
    }
    return with_total({key: tokens for key, tokens in found.items() if tokens is not None}, gross_input, gross_output)


def costs(span: Span) -> dict[str, Value]:
    """`mlflow.llm.cost` by our names, unchecked."""
    sent = json_object(span.attributes.get("mlflow.llm.cost")) or {}
    return {part: sent.get(f"{part}_cost") for part in ("input", "output", "total")}


def model_parameters(span: Span, kind: str) -> dict[str, Value]:
    """Known parameters at the top of the inputs of a model call."""
    if kind != "GENERATION" and not filled(span.attributes.get("mlflow.message.format")):
        return {}
    inputs = span.json("mlflow.spanInputs")
    if not isinstance(inputs, dict):
        return {}
    return {name: inputs[name] for name in MLFLOW_PARAMETERS if filled(inputs.get(name))}


def linked_prompt(span: Span) -> dict[str, Value]:
    """The last of `mlflow.linkedPrompts` that has a name: `{name, version}`; empty for none."""
    for entry in reversed(json_list(span.attributes.get("mlflow.linkedPrompts")) or []):
        if isinstance(entry, dict) and filled(entry.get("name")):
            return entry
    return {}


def input_output(span: Span) -> tuple[Value, Value]:
    """Inputs and outputs of the function traced (section 8.1 step 12). Older releases give messages instead."""
    inputs = span.attributes.get("mlflow.spanInputs")
    if not filled(inputs):
        inputs = span.attributes.get("mlflow.chat.messages")
    return inputs, span.attributes.get("mlflow.spanOutputs")
