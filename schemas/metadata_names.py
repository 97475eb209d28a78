"""Names of metadata, what metadata leaves out, and experiments (otel-mapping.md sections 8.6, 14.1, 15 and 17)."""

from __future__ import annotations

# --- Metadata (section 15) ---

#: JSON objects that are metadata of the observation; the first that is filled.
METADATA_OBJECTS = ("langfuse.observation.metadata", "langfuse.metadata")
#: What follows is a name in it.
METADATA_PREFIXES = ("langfuse.observation.metadata.", "langfuse.metadata.", "ai.telemetry.metadata.")
#: JSON objects that are metadata of the trace, and prefixes of names in it (section 16.2).
TRACE_METADATA_OBJECTS = ("langfuse.trace.metadata", "langfuse.metadata")
TRACE_METADATA_PREFIXES = ("langfuse.trace.metadata.", "langfuse.metadata.", "ai.telemetry.metadata.")
#: Prefixes on the resource.
RESOURCE_METADATA_PREFIXES = ("langfuse.trace.metadata.", "langfuse.metadata.")
#: Are fields of their own.
NOT_METADATA = frozenset(f"ai.telemetry.metadata.{name}" for name in ("userId", "sessionId", "tags", "langfusePrompt"))
#: OpenLLMetry's metadata, of the lowest rank (WB-38), but for the fields of their own.
ASSOCIATION = "traceloop.association.properties."
NOT_ASSOCIATION = frozenset((f"{ASSOCIATION}user_id", f"{ASSOCIATION}session_id"))
#: OpenInference's metadata, of the lowest rank too.
OPENINFERENCE_METADATA = "metadata"
#: Built-in parts of metadata; a name of the user's that is one of these goes behind `user.` (WB-27).
BUILT_IN = frozenset(("attributes", "resourceAttributes", "scope"))
#: Tags that MLflow notes on a root are metadata of the trace (section 19); but this one of them is its tags.
MLFLOW_TRACE_TAG = "mlflow.traceTag."
MLFLOW_TAGS = f"{MLFLOW_TRACE_TAG}tags"

#: Attributes that are not shown under `metadata.attributes`: they are shown as input, output, tools or metadata (section 8.6).
REMOVED = frozenset(
    (
        "langfuse.trace.input",
        "langfuse.trace.output",
        "langfuse.observation.input",
        "langfuse.observation.output",
        "ai.prompt.messages",
        "ai.prompt",
        "ai.toolCall.args",
        "ai.toolCall.result",
        "ai.response.text",
        "ai.result.text",
        "ai.response.object",
        "ai.result.object",
        "ai.response.toolCalls",
        "ai.result.toolCalls",
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.system_instructions",
        "gen_ai.tool.call.arguments",
        "gen_ai.tool.call.result",
        "gcp.vertex.agent.llm_request",
        "gcp.vertex.agent.llm_response",
        "gcp.vertex.agent.tool_call_args",
        "gcp.vertex.agent.tool_response",
        "prompt",
        "all_messages_events",
        "events",
        "final_result",
        "pydantic_ai.all_messages",
        "input",
        "output",
        "tool_arguments",
        "tool_response",
        "lk.input_text",
        "lk.user_transcript",
        "lk.chat_ctx",
        "lk.user_input",
        "lk.function_tool.output",
        "lk.response.text",
        "lk.pii.input_text",
        "lk.pii.user_transcript",
        "lk.pii.chat_ctx",
        "lk.pii.user_input",
        "lk.pii.function_tool.output",
        "lk.pii.response.text",
        "mlflow.spanInputs",
        "mlflow.spanOutputs",
        "traceloop.entity.input",
        "traceloop.entity.output",
        "input.value",
        "output.value",
        "genkit:input",
        "genkit:output",
        "flue.turn.input",
        "flue.tool.arguments",
        "flue.task.prompt",
        "flue.workflow.payload",
        "flue.turn.output",
        "flue.tool.result",
        "flue.task.result",
        "flue.operation.result",
        "flue.workflow.result",
    )
)
#: Neither are these, nor what follows them after a `.`; `gen_ai.prompt_tokens` is none of them (WB-16) and stays.
REMOVED_TREES = (
    "langfuse.trace.metadata",
    "langfuse.observation.metadata",
    "ai.telemetry.metadata",
    "gen_ai.prompt",
    "gen_ai.completion",
    "llm.input_messages",
    "llm.output_messages",
)

#: Tools that a model was offered: shown with the input they were joined to, when they were (section 14.1).
TOOL_LISTS = ("ai.prompt.tools", "gen_ai.tool.definitions", "mlflow.chat.tools", "lk.function_tools")
TOOL_NUMBERED = ("llm.tools.", ".tool.json_schema")
#: An object in which only this name is such a list.
TOOL_OBJECT = ("model_request_parameters", "function_tools")

# --- Experiments (section 17) ---

#: Our name → attribute; all to text.
EXPERIMENT: dict[str, str] = {
    "id": "langfuse.experiment.id",
    "name": "langfuse.experiment.name",
    "description": "langfuse.experiment.description",
    "dataset_id": "langfuse.experiment.dataset.id",
    "item_id": "langfuse.experiment.item.id",
    "item_root_span_id": "langfuse.experiment.item.root_observation_id",
    "item_expected_output": "langfuse.experiment.item.expected_output",
}
EXPERIMENT_ITEM_VERSION = "langfuse.experiment.item.version"
#: Our prefix → attribute that is a JSON object, and the prefix (with a `.`) of single names, which go before it.
EXPERIMENT_METADATA: dict[str, str] = {
    "metadata": "langfuse.experiment.metadata",
    "item_metadata": "langfuse.experiment.item.metadata",
}
