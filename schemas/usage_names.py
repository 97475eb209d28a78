"""Names of counts, costs, first-token times, model parameters and prompts, in order of precedence (otel-mapping.md
sections 9 to 13).

To accept one more spelling, add it at the end of its row; nothing else has to change.
"""

from __future__ import annotations

# --- Usage, whoever sends it (section 11.3) ---

#: What is cut off. Where two prefixes leave the same name, the earlier prefix wins.
USAGE_PREFIXES = ("gen_ai.usage.", "llm.token_count.")

#: Kind of usage → its spellings after the prefix.
USAGE_SPELLINGS: dict[str, tuple[str, ...]] = {
    "input": ("prompt_tokens", "input_tokens", "prompt"),
    "output": ("completion_tokens", "output_tokens", "completion"),
    "total": ("total_tokens", "total"),
    "input_cached_tokens": (
        "cache_read.input_tokens",
        "cache_read_input_tokens",
        "cache_read_tokens",
        "details.cache_read_tokens",
        "details.cache_read_input_tokens",
        "prompt_details.cache_read",
        "input_cached_tokens",
        "prompt_details.cache_input",  # OpenInference
        "prompt_tokens_details.cached_tokens",  # OpenLIT
        "input_tokens.cached",  # OpenRouter
    ),
    "input_cache_creation": (
        "cache_creation.input_tokens",
        "cache_creation_input_tokens",
        "cache_write_tokens",
        "details.cache_write_tokens",
        "details.cache_creation_input_tokens",
        "prompt_details.cache_write",
        "input_cache_creation",
        "cache_write.input_tokens",
        "cache_creation_tokens",
        "cache_write_input_tokens",  # Strands, beside cache_creation.input_tokens
        "prompt_tokens_details.cache_creation_tokens",
        "input_tokens.cache_write",
    ),
    "output_reasoning_tokens": (
        "reasoning.output_tokens",
        "completion_details.reasoning",
        "details.reasoning_tokens",
        "reasoning_tokens",
        "output_reasoning_tokens",
        "completion_tokens_details.reasoning_tokens",
        "output_tokens.reasoning",
    ),
    "output_audio_tokens": (
        "completion_details.audio",
        "output_audio_tokens",
        "audio.output_tokens",
        "completion_tokens_details.audio_tokens",
        "output_tokens.audio",
    ),
    "input_audio_tokens": (
        "prompt_details.audio",
        "input_audio_tokens",
        "audio.input_tokens",
        "prompt_tokens_details.audio_tokens",
        "input_tokens.audio",
    ),
    "input_image_tokens": ("image.input_tokens", "input_image_tokens", "input_tokens.image"),
    "output_image_tokens": ("output_tokens.image", "output_image_tokens"),
    "input_cached_audio_tokens": ("audio.cache_read.input_tokens",),
    "input_cached_image_tokens": ("image.cache_read.input_tokens",),
}

#: Whole names of attributes that hold such a count too, asked when no spelling above has it.
USAGE_ATTRIBUTES: dict[str, str] = {
    "llm.usage.total_tokens": "total",  # OpenLLMetry
    "ai.usage.outputTokenDetails.reasoningTokens": "output_reasoning_tokens",  # AI SDK 7 in scope gen_ai
}

#: Parts of a count, which are taken out of it so that each token is counted once; parts that have parts come first.
USAGE_INSIDE: dict[str, tuple[str, ...]] = {
    "input_cached_tokens": ("input_cached_audio_tokens", "input_cached_image_tokens"),
    "input_audio_tokens": ("input_cached_audio_tokens",),
    "input_image_tokens": ("input_cached_image_tokens",),
    "input": (
        "input_cached_tokens",
        "input_cache_creation",
        "input_audio_tokens",
        "input_image_tokens",
        "input_cached_audio_tokens",
        "input_cached_image_tokens",
    ),
    "output": ("output_reasoning_tokens", "output_audio_tokens", "output_image_tokens"),
}

#: After the prefix, of the texts in which LangSmith has the parts of a count: their side, and its name above.
USAGE_DETAILS = {"input_token_details": "prompt_details", "output_token_details": "completion_details"}

#: After the prefix: prices, repetitions of input, output and cached, and a limit.
NOT_USAGE = frozenset(
    (
        "cost",
        "total_cost",
        "input_cost",
        "output_cost",
        "input_text_tokens",
        "output_text_tokens",
        "text.input_tokens",
        "text.output_tokens",
        "text.cache_read.input_tokens",
        "experimental.system_instruction_tokens",
        "experimental.reasoning_tokens_limit",
    )
)

# --- `langfuse.observation.usage_details` (section 11.2) ---

#: Names of input, output, total, and of the details of the first two.
USAGE_SHAPES = (
    ("prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details"),
    ("input_tokens", "output_tokens", "total_tokens", "input_tokens_details", "output_tokens_details"),
)

# --- Vercel AI SDK (section 11.4) ---

VERCEL_INPUT = (
    "gen_ai.usage.prompt_tokens",
    "gen_ai.usage.input_tokens",
    "ai.usage.promptTokens",
    "ai.usage.inputTokens",
)
VERCEL_OUTPUT = (
    "gen_ai.usage.completion_tokens",
    "gen_ai.usage.output_tokens",
    "ai.usage.completionTokens",
    "ai.usage.outputTokens",
)
VERCEL_TOTAL = ("ai.usage.tokens", "ai.usage.totalTokens")

# --- Claude Code, whose input is without what was cached ---

CLAUDE_CODE_USAGE = {
    "input": "input_tokens",
    "output": "output_tokens",
    "input_cached_tokens": "cache_read_tokens",
    "input_cache_creation": "cache_creation_tokens",
}

# --- Kinds of usage that the columns cached_tokens and reasoning_tokens count ---

CACHED_KINDS = (
    "input_cached_tokens",
    "input_cache_read",
    "cache_read_input_tokens",
    "input_cached_audio_tokens",
    "input_cached_image_tokens",
)
REASONING_KINDS = ("output_reasoning_tokens", "output_reasoning")

# --- Costs (section 12): attributes of total, input, output ---

COSTS = (
    ("gen_ai.usage.cost", "", ""),
    ("llm.cost.total", "llm.cost.prompt", "llm.cost.completion"),
)
#: Asked last: LiteLLM's and OpenRouter's.
COSTS_LATE = (
    ("gen_ai.cost.total_cost", "gen_ai.cost.input_cost", "gen_ai.cost.output_cost"),
    ("gen_ai.usage.total_cost", "gen_ai.usage.input_cost", "gen_ai.usage.output_cost"),
)

# --- Time of the first token (section 10) ---

FIRST_TOKEN_MS = ("ai.response.msToFirstChunk", "ai.stream.msToFirstChunk", "ttft_ms")  # the last is Claude Code's
FIRST_TOKEN_EVENTS = frozenset(
    (
        "First Token Stream Event",  # OpenInference
        "mlflow.chunk.item.0",
        "gen_ai.content.completion.chunk",  # OpenLLMetry, now and before
        "llm.content.completion.chunk",
    )
)
FIRST_TOKEN_SECONDS = (
    "gen_ai.response.time_to_first_chunk",
    "gen_ai.client.operation.time_to_first_chunk",  # AI SDK 7
    "gen_ai.server.time_to_first_token",
    "lk.response.ttft",
    "lk.response.ttfb",
)

# --- Model parameters (section 9) ---

#: What follows such a prefix is the name of a parameter, except `model`.
PARAMETER_PREFIXES = ("gen_ai.request.", "llm.invocation_parameters.")
#: Attributes that are JSON objects of parameters.
PARAMETER_OBJECTS = ("llm.invocation_parameters", "model_config")
#: Parameter → attributes of the AI SDK that have it.
VERCEL_PARAMETERS: dict[str, tuple[str, ...]] = {
    "maxSteps": ("ai.settings.maxSteps",),
    "toolChoice": ("ai.prompt.toolChoice",),
    "maxTokens": ("gen_ai.request.max_tokens",),
    "finishReason": ("gen_ai.response.finish_reasons", "gen_ai.finishReason"),
    "system": ("gen_ai.system", "ai.model.provider"),
    "maxRetries": ("ai.settings.maxRetries",),
    "mode": ("ai.settings.mode",),
    "temperature": ("gen_ai.request.temperature",),
}
#: What is taken from the inputs of an MLflow span (section 19).
MLFLOW_PARAMETERS = (
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "seed",
    "n",
    "frequency_penalty",
    "presence_penalty",
    "response_format",
    "tool_choice",
    "stream",
)

# --- Prompt link (section 13) ---

PROMPT_NAME = ("langfuse.observation.prompt.name", "langfuse.prompt.name")
PROMPT_VERSION = ("langfuse.observation.prompt.version", "langfuse.prompt.version")
