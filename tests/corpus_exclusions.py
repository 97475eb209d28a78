"""Fields of the corpus' `expected.json` that the library did not send, and so nobody can show: client, place, field → why.

A place is the number of the trace in the file, and after a dot that of the model call. A test fails for an entry whose field
is right after all. The client `langfuse_v2` sent no spans at all, and scores do not come as spans.
"""

from __future__ import annotations

_ONE_KEY = "an input of one key is sent as its value alone, without the key"
_NO_ROOT_IO = "neither the run's input nor its output is on the root, as the file's notes say"
_NO_CACHED = "its counts are of prompt and completion only"

UNSENT: dict[tuple[str, str, str], str] = {
    ("litellm_otel", "4", "error"): "the exception's message and code have the API's words, not its status",
    ("mlflow_app", "3.0", "reasoning_tokens"): "MLflow's token usage has no count of reasoning tokens",
    ("openai_agents_oi", "0", "input"): _NO_ROOT_IO,
    ("openai_agents_oi", "0", "output"): _NO_ROOT_IO,
    ("openinference_langchain", "0", "input"): _ONE_KEY,
    ("openinference_langchain", "1", "input"): _ONE_KEY,
    (
        "openinference_langchain",
        "1.0",
        "stream",
    ): "the parameters say stream: false, and no event says of a first token",
    ("smolagents_oi", "0.0", "cached_input_tokens"): _NO_CACHED,
    ("smolagents_oi", "0.1", "cached_input_tokens"): _NO_CACHED,
}
