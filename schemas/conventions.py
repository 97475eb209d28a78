"""Attribute names by field, in order of precedence: the first that is filled counts (otel-mapping.md sections 3 to 8 and
15 to 17). And words of conventions by what they mean.

To read one more attribute, add it at the end of its row; nothing else has to change. Names of counts, costs, parameters
and prompts are in usage_names.py, those of metadata and experiments in metadata_names.py.
"""

from __future__ import annotations

#: Field → attributes of the span, in order of precedence.
FIELDS: dict[str, tuple[str, ...]] = {
    "level": ("langfuse.observation.level",),
    "level_message": ("langfuse.observation.status_message",),
    "app_version": ("langfuse.version",),
    "release": ("langfuse.release",),
    # Asked key by key, first of the span, then of its resource.
    "environment": ("langfuse.environment", "deployment.environment.name", "deployment.environment"),
    "model": (
        "langfuse.observation.model.name",
        "gen_ai.response.model",
        "ai.model.id",
        "gen_ai.request.model",
        "llm.response.model",
        "llm.model_name",
        "model",
    ),
    # After Genkit's name of a model (WB-11).
    "model_late": (
        "llm.response.model_name",
        "llm.request.model_name",
        "embedding.model_name",
        "reranker.model_name",
        "mlflow.llm.model",
    ),
    "provider": (
        "gen_ai.provider.name",
        "gen_ai.system",
        "llm.provider",
        "llm.system",
        "ai.model.provider",
        "mlflow.llm.provider",
    ),
    # Retrievals and memories of the semantic conventions; workflows and tools of OpenLIT's.
    "genai_input_late": (
        "gen_ai.retrieval.query.text",
        "gen_ai.memory.query.text",
        "gen_ai.retrieval.query",
        "gen_ai.workflow.input",
        "gen_ai.tool.input",
        "gen_ai.framework.pipeline.input_data",
        "gen_ai.execution.input",
    ),
    "genai_output_late": (
        "gen_ai.retrieval.documents",
        "gen_ai.memory.records",
        "gen_ai.workflow.output",
        "gen_ai.tool.output",
        "gen_ai.tool.result",
        "gen_ai.framework.pipeline.output_data",
        "gen_ai.execution.output",
    ),
    "haystack_input": (
        "haystack.component.input",
        "haystack.agent.step.tool.input",
        "haystack.agent.input",
        "haystack.pipeline.input_data",
    ),
    "haystack_output": (
        "haystack.component.output",
        "haystack.agent.step.tool.output",
        "haystack.agent.output",
        "haystack.pipeline.output_data",
    ),
    "trace_name": ("langfuse.trace.name",),
    "trace_input": ("langfuse.trace.input",),
    "trace_output": ("langfuse.trace.output",),
    "trace_public": ("langfuse.trace.public", "langfuse.public"),
    "user_id": (
        "langfuse.user.id",
        "user.id",
        "langfuse.observation.metadata.langfuse_user_id",
        "langfuse.trace.metadata.langfuse_user_id",
        "ai.telemetry.metadata.userId",
        "ai.settings.context.userId",
        "traceloop.association.properties.user_id",
        "langsmith.metadata.user_id",
    ),
    "session_id": (
        "langfuse.session.id",
        "session.id",
        "gen_ai.conversation.id",
        "langfuse.observation.metadata.langfuse_session_id",
        "langfuse.trace.metadata.langfuse_session_id",
        "ai.telemetry.metadata.sessionId",
        "ai.settings.context.sessionId",
        "traceloop.association.properties.session_id",
        # LangSmith's own `langsmith.trace.session_id` is a project.
        "langsmith.metadata.session_id",
        "langsmith.metadata.thread_id",
        "langsmith.metadata.conversation_id",
    ),
    "tags": (
        "langfuse.trace.tags",
        "langfuse.tags",
        "langfuse.observation.metadata.langfuse_tags",
        "langfuse.trace.metadata.langfuse_tags",
        "ai.telemetry.metadata.tags",
        "tag.tags",
        "ai.settings.context.tags",
        "langsmith.span.tags",
    ),
}

#: Field → attributes of the resource, when the span has none of its own.
RESOURCE_FIELDS: dict[str, tuple[str, ...]] = {
    "app_version": ("service.version",),
    "release": ("langfuse.release",),
    "trace_metadata": ("langfuse.trace.metadata", "langfuse.metadata"),
}

#: A session of this source gives way to one of any other source on another span of the trace (WB-31).
CONVERSATION = "gen_ai.conversation.id"

# --- Level (sections 3 and 7) ---

#: What SDKs call a level → ours.
LEVELS: dict[str, str] = {
    "debug": "DEBUG",
    "trace": "DEBUG",
    "verbose": "DEBUG",
    "default": "DEFAULT",
    "info": "DEFAULT",
    "log": "DEFAULT",
    "notice": "DEFAULT",
    "ok": "DEFAULT",
    "success": "DEFAULT",
    "warning": "WARNING",
    "warn": "WARNING",
    "error": "ERROR",
    "fatal": "ERROR",
    "critical": "ERROR",
}

#: `mlflow.spanLogLevel` → ours.
MLFLOW_LEVELS: dict[int, str] = {10: "DEBUG", 20: "DEFAULT", 30: "WARNING", 40: "ERROR", 50: "ERROR"}

#: Names of LiveKit's spans that are of interest to its makers only.
LIVEKIT_DEBUG = frozenset(
    (
        "user_speaking",
        "eou_detection",
        "llm_request_run",
        "tts_node",
        "tts_request",
        "tts_request_run",
        "tts_stream_adapter",
        "agent_speaking",
        "drain_agent_activity",
        "start_agent_activity",
        "on_enter",
        "on_exit",
        "llm_fallback_adapter",
        "tts_fallback_adapter",
    )
)

# --- Observation type (section 5) ---

#: `langfuse.observation.type`, upper-cased.
TYPES = frozenset(
    ("SPAN", "EVENT", "GENERATION", "AGENT", "TOOL", "CHAIN", "RETRIEVER", "EVALUATOR", "GUARDRAIL", "EMBEDDING")
)

#: After `langfuse.observation.`: what only a generation of the old Python SDK has, which called all of them spans.
OLD_SDK_GENERATION = tuple(
    f"langfuse.observation.{name}"
    for name in (
        "model.name",
        "model.parameters",
        "usage_details",
        "cost_details",
        "completion_start_time",
        "prompt.name",
        "prompt.version",
    )
)

#: `openinference.span.kind`, upper-cased.
OPENINFERENCE_TYPES: dict[str, str] = {
    "CHAIN": "CHAIN",
    "RETRIEVER": "RETRIEVER",
    "EMBEDDING": "EMBEDDING",
    "AGENT": "AGENT",
    "TOOL": "TOOL",
    "GUARDRAIL": "GUARDRAIL",
    "EVALUATOR": "EVALUATOR",
    "LLM": "GENERATION",
    "RERANKER": "RETRIEVER",
    "PROMPT": "CHAIN",
    "DECISION": "EVALUATOR",
}

#: `mlflow.spanType`, upper-cased.
MLFLOW_TYPES: dict[str, str] = {
    "LLM": "GENERATION",
    "CHAT_MODEL": "GENERATION",
    "AGENT": "AGENT",
    "TOOL": "TOOL",
    "RETRIEVER": "RETRIEVER",
    "EMBEDDING": "EMBEDDING",
    "GUARDRAIL": "GUARDRAIL",
    "EVALUATOR": "EVALUATOR",
    "CHAIN": "CHAIN",
    "RERANKER": "RETRIEVER",
    "PARSER": "CHAIN",
    "WORKFLOW": "CHAIN",
    "TASK": "CHAIN",
    "MEMORY": "CHAIN",
}
#: Of these the inputs are those of a request to a model, its name among them (section 19).
MLFLOW_MODEL_CALLS = frozenset(("LLM", "CHAT_MODEL", "EMBEDDING"))

#: `gen_ai.operation.name`, upper-cased; MLflow's types are sent in it too.
OPERATION_TYPES: dict[str, str] = MLFLOW_TYPES | {
    "CHAT": "GENERATION",
    "COMPLETION": "GENERATION",
    "TEXT_COMPLETION": "GENERATION",
    "GENERATE_CONTENT": "GENERATION",
    "GENERATE": "GENERATION",
    "EMBEDDINGS": "EMBEDDING",
    "INVOKE_AGENT": "AGENT",
    "CREATE_AGENT": "AGENT",
    "EXECUTE_TOOL": "TOOL",
    "RETRIEVAL": "RETRIEVER",
    "SEARCH_MEMORY": "RETRIEVER",
    "RERANK": "RETRIEVER",
    "INVOKE_WORKFLOW": "CHAIN",
    "PLAN": "CHAIN",
    "AGENT_STEP": "AGENT",
}
#: Operations whose spans repeat the totals of their children: no model, no usage, no cost (section 6).
REPEATING_OPERATIONS = frozenset(("INVOKE_AGENT", "AGENT_STEP"))

#: `genkit:metadata:subtype`.
GENKIT_TYPES: dict[str, str] = {
    "model": "GENERATION",
    "background-model": "GENERATION",
    "embedder": "EMBEDDING",
    "tool": "TOOL",
    "tool.v2": "TOOL",
    "retriever": "RETRIEVER",
    "evaluator": "EVALUATOR",
}

#: Beginnings of `operation.name`, or `ai.operationId`, of the calls of the Vercel AI SDK.
VERCEL_CALLS: dict[str, str] = {
    "ai.generateText.doGenerate": "GENERATION",
    "ai.streamText.doStream": "GENERATION",
    "ai.generateObject.doGenerate": "GENERATION",
    "ai.streamObject.doStream": "GENERATION",
    "ai.embed.doEmbed": "EMBEDDING",
    "ai.embedMany.doEmbed": "EMBEDDING",
}
#: Newer calls, which name no model always.
VERCEL_OTHERS: dict[str, str] = {"ai.rerank.doRerank": "RETRIEVER"}
VERCEL_TOOL = "ai.toolCall"
#: One of these makes such a call one of a model.
VERCEL_MODEL = ("langfuse.observation.model.name", "ai.model.id", "gen_ai.request.model", "gen_ai.response.model")

GENAI_TOOL = ("gen_ai.tool.name", "gen_ai.tool.call.id")
FLUE_TOOL = ("flue.tool.name", "flue.tool.call_id")
FLUE_AGENT = ("flue.task.id", "flue.task.agent")

#: Name of a span of LiveKit's.
LIVEKIT_TYPES: dict[str, str] = {"agent_turn": "AGENT", "start_agent_activity": "AGENT", "function_tool": "TOOL"}

#: `traceloop.span.kind`, lower-cased.
TRACELOOP_TYPES: dict[str, str] = {"workflow": "CHAIN", "task": "CHAIN", "agent": "AGENT", "tool": "TOOL"}
#: `lmnr.span.type`, upper-cased.
LAMINAR_TYPES: dict[str, str] = {"LLM": "GENERATION", "TOOL": "TOOL", "EVALUATOR": "EVALUATOR"}
#: `llm.request.type`, lower-cased.
REQUEST_TYPES: dict[str, str] = {
    "chat": "GENERATION",
    "completion": "GENERATION",
    "embedding": "EMBEDDING",
    "rerank": "RETRIEVER",
}

#: What Haystack calls a span, and the end of the name of a component's class; the first that fits.
HAYSTACK_SPANS: dict[str, str] = {
    "haystack.agent.run": "AGENT",
    "haystack.agent.step.tool": "TOOL",
    "haystack.tool.run": "TOOL",
    "haystack.pipeline.run": "CHAIN",
}
HAYSTACK_COMPONENTS: tuple[tuple[str, str], ...] = (
    ("Generator", "GENERATION"),
    ("Embedder", "EMBEDDING"),
    ("Retriever", "RETRIEVER"),
    ("Ranker", "RETRIEVER"),
    ("WebSearch", "RETRIEVER"),
    ("ToolInvoker", "TOOL"),
    ("Evaluator", "EVALUATOR"),
    ("Agent", "AGENT"),
)

#: A span that names a model, and says nothing else of itself, is a generation.
MODEL_PRESENT = (
    "langfuse.observation.model.name",
    "gen_ai.request.model",
    "gen_ai.response.model",
    "llm.model_name",
    "model",
    "mlflow.llm.model",
)
