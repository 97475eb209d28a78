"""Spans as releases of other SDKs write them: type, name, model, usage, both sides and what a list shows of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.worker.map.support import START_NS, NoPrices, mapped, resource_spans, span

ASKED = [{"role": "user", "parts": [{"type": "text", "content": "Weather in Paris?"}]}]
CALL = {"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"city": "Paris"}}
ANSWER = [{"role": "assistant", "parts": [CALL], "finish_reason": "tool_call"}]


def row(attributes: dict[str, Any], scope: str = "", **fields: Any) -> dict[str, Any]:
    """The span's row, maps as dicts."""
    found = mapped(resource_spans([span(0, attributes, **fields)], scope=scope), prices=NoPrices())
    made: dict[str, Any] = found.to_pylist()[0]
    assert made["mapping_error"] == ""
    return {
        name: dict(value) if value and isinstance(value, list) and isinstance(value[0], tuple) else value
        for name, value in made.items()
    }


def previews(found: dict[str, Any]) -> tuple[str, str]:
    return found["input_preview"], found["output_preview"]


def counts(found: dict[str, Any]) -> tuple[int, int, int, int, int]:
    return tuple(found[f"{kind}_tokens"] for kind in ("input", "output", "total", "cached", "reasoning"))


@pytest.mark.parametrize(
    ("usage", "own"),
    [
        ({"gen_ai.usage.cache_read.input_tokens": 30, "gen_ai.usage.reasoning.output_tokens": 5}, {}),
        ({"gen_ai.usage.prompt_tokens_details.cached_tokens": 30}, {"reasoning": 0}),  # OpenLIT
        ({"gen_ai.usage.input_tokens.cached": 30, "gen_ai.usage.output_tokens.reasoning": 5}, {}),  # OpenRouter
        (  # LangSmith: parts in the text of a dict
            {
                "gen_ai.usage.input_token_details": "{'cache_read': 30, 'ephemeral_5m_input_tokens': 0}",
                "gen_ai.usage.output_token_details": "{'reasoning': 5}",
            },
            {},
        ),
        (
            {"gen_ai.usage.cache_read.input_tokens": 30, "gen_ai.usage.text.cache_read.input_tokens": 30},
            {"reasoning": 0},
        ),
    ],
)
def test_wb_21_parts_of_a_count_by_any_spelling_count_once(usage: dict[str, Any], own: dict[str, int]) -> None:
    found = row(
        {"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20, **usage}
    )
    assert counts(found) == (100, 20, 120, 30, own.get("reasoning", 5))
    assert found["usage"]["input"] == 70


def test_wb_21_livekit_counts_each_token_of_speech_once() -> None:
    """LiveKit's realtime models: text, speech and pictures in, and of each what was cached, in two spellings."""
    found = row(
        {
            "gen_ai.request.model": "gpt-realtime",
            "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.output_tokens": 200,
            "gen_ai.usage.cache_read.input_tokens": 700,
            "gen_ai.usage.input_cached_tokens": 700,
            "gen_ai.usage.text.input_tokens": 200,
            "gen_ai.usage.input_text_tokens": 200,
            "gen_ai.usage.text.output_tokens": 50,
            "gen_ai.usage.audio.input_tokens": 780,
            "gen_ai.usage.input_audio_tokens": 780,
            "gen_ai.usage.audio.output_tokens": 150,
            "gen_ai.usage.image.input_tokens": 20,
            "gen_ai.usage.text.cache_read.input_tokens": 100,
            "gen_ai.usage.audio.cache_read.input_tokens": 590,
            "gen_ai.usage.image.cache_read.input_tokens": 10,
        },
        "livekit-agents",
    )
    assert found["usage"] == {
        "input": 100,
        "input_cached_tokens": 100,
        "input_audio_tokens": 190,
        "input_image_tokens": 10,
        "input_cached_audio_tokens": 590,
        "input_cached_image_tokens": 10,
        "output": 50,
        "output_audio_tokens": 150,
        "total": 1200,
    }
    assert counts(found) == (1000, 200, 1200, 700, 0)


def test_wb_22_ai_sdk_6_counts_what_was_written_to_a_cache() -> None:
    attributes = {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.model.id": "m",
        "ai.usage.inputTokens": 100,
        "ai.usage.outputTokens": 20,
        "ai.usage.cachedInputTokens": 30,
        "ai.usage.inputTokenDetails.cacheReadTokens": 30,
        "ai.usage.inputTokenDetails.cacheWriteTokens": 10,
        "ai.usage.inputTokenDetails.noCacheTokens": 60,
        "ai.usage.totalTokens": 120,
    }
    found = row(attributes, "ai")
    assert found["usage"] == {
        "input": 60,
        "input_cached_tokens": 30,
        "input_cache_creation": 10,
        "output": 20,
        "total": 120,
    }
    # A provider that says the same in its metadata is not counted again.
    anthropic = {"anthropic": {"usage": {"cache_creation_input_tokens": 10, "cache_read_input_tokens": 30}}}
    again = row(attributes | {"ai.response.providerMetadata": json.dumps(anthropic)}, "ai")
    assert again["usage"] == found["usage"]
    bedrock = {"bedrock": {"usage": {"cacheReadInputTokens": 30, "cacheWriteInputTokens": 10}}}
    again = row(attributes | {"ai.response.providerMetadata": json.dumps(bedrock)}, "ai")
    assert again["usage"] == {
        "input": 70,
        "input_cache_read": 30,
        "input_cache_write": 10,
        "output": 20,
        "total": 120,
    }


def test_ai_sdk_7_waits_for_its_first_chunk() -> None:
    """Its spans follow the semantic conventions, in scope `gen_ai`."""
    found = row(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.input.messages": json.dumps(ASKED),
            "gen_ai.output.messages": json.dumps(ANSWER),
            "gen_ai.system_instructions": '[{"type":"text","content":"Be brief."}]',
            "gen_ai.tool.definitions": '[{"type":"function","name":"weather","inputSchema":{"type":"object"}}]',
            "gen_ai.client.operation.time_to_first_chunk": 0.25,
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.cache_creation.input_tokens": 10,
        },
        "gen_ai",
        name="chat gpt-4o",
    )
    assert (found["type"], found["observation_name"], found["model"]) == ("GENERATION", "chat gpt-4o", "gpt-4o")
    assert found["completion_start_time"].value == START_NS + 250_000_000
    assert found["usage"] == {"input": 90, "input_cache_creation": 10, "output": 20, "total": 120}
    assert previews(found) == ("Weather in Paris?", "weather(city=Paris)")
    assert found["tool_calls.name"] == ["weather"]
    assert list(found["tool_definitions"]) == ["weather"]


def test_ai_sdk_embeddings_show_the_text_and_reranking_its_documents() -> None:
    embedding = row(
        {"ai.operationId": "ai.embed.doEmbed", "ai.model.id": "e", "ai.values": ['"sunny day"'], "ai.usage.tokens": 7},
        "ai",
    )
    assert (embedding["type"], previews(embedding)) == ("EMBEDDING", ("sunny day", ""))
    assert embedding["usage"] == {"total": 7}
    ranking = row(
        {
            "ai.operationId": "ai.rerank.doRerank",
            "ai.model.id": "r",
            "ai.documents": ['"a"', '"b"'],
            "ai.ranking": '[{"index":1}]',
        },
        "ai",
    )
    assert (ranking["type"], ranking["input"], ranking["output"]) == (
        "RETRIEVER",
        '["\\"a\\"","\\"b\\""]',
        '[{"index":1}]',
    )


def test_openrouter_broadcast() -> None:
    """Parts of a count behind the count; costs among the counts."""
    found = row(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "deepseek/deepseek-v4",
            "gen_ai.response.model": "deepseek/deepseek-v4",
            "gen_ai.provider.name": "deepseek",
            "gen_ai.prompt": '{"messages":[{"role":"user","content":"Why?"}]}',
            "gen_ai.completion": '{"completion":"So.","reasoning":null}',
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.input_tokens.cached": 30,
            "gen_ai.usage.input_tokens.audio": 0,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.output_tokens.reasoning": 5,
            "gen_ai.usage.total_cost": 2,
            "gen_ai.usage.input_cost": 1.25,
            "gen_ai.usage.output_cost": 0.75,
        }
    )
    assert found["type"] == "GENERATION"
    assert counts(found) == (100, 20, 120, 30, 5)
    assert "total_cost" not in found["usage"]
    assert (found["cost_source"], float(found["total_cost"]), float(found["input_cost"])) == ("stated", 2.0, 1.25)
    assert previews(found) == ("Why?", "So.")


def test_claude_code() -> None:
    """Counts without a prefix, of which none contains another."""
    found = row(
        {
            "session.id": "s",
            "span.type": "llm_request",
            "model": "claude-opus-5",
            "gen_ai.system": "anthropic",
            "gen_ai.request.model": "claude-opus-5",
            "input_tokens": 2,
            "output_tokens": 1200,
            "cache_read_tokens": 84_562,
            "cache_creation_tokens": 7_096,
            "ttft_ms": 300,
            "new_context": "Fix the test",
            "response.model_output": "Done.",
        },
        "com.anthropic.claude_code.tracing",
        name="claude_code.llm_request",
    )
    assert (found["type"], found["model"], found["session_id"]) == ("GENERATION", "claude-opus-5", "s")
    assert found["usage"] == {
        "input": 2,
        "output": 1200,
        "input_cached_tokens": 84_562,
        "input_cache_creation": 7_096,
        "total": 92_860,
    }
    assert previews(found) == ("Fix the test", "Done.")
    assert found["completion_start_time"].value == START_NS + 300_000_000
    tool = row(
        {"span.type": "tool", "tool_name": "Bash", "gen_ai.tool.call.id": "t", "input_tokens": "x"},
        name="claude_code.tool",
    )
    assert (tool["type"], tool["usage"]) == ("TOOL", [])
    # Such names mean nothing elsewhere.
    assert row({"model": "m", "input_tokens": 2}, name="mine")["usage"] == []


def test_langsmith() -> None:
    chat = {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "HumanMessage"]}
    found = row(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.prompt": json.dumps({"messages": [[chat | {"kwargs": {"content": "Why?", "type": "human"}}]]}),
            "gen_ai.completion": json.dumps({"generations": [[{"text": "So.", "type": "ChatGeneration"}]]}),
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.total_tokens": 120,
            "gen_ai.usage.input_token_details": "{'audio': 0, 'cache_creation': 10, 'cache_read': 30}",
            "langsmith.span.kind": "llm",
            "langsmith.span.tags": "a, b",
            "langsmith.metadata.thread_id": "t",
            "langsmith.metadata.user_id": "u",
            "langsmith.trace.session_id": "a project",
        },
        name="ChatOpenAI",
    )
    assert (found["type"], found["observation_name"], found["model"]) == ("GENERATION", "ChatOpenAI", "gpt-4o")
    assert (found["tags"], found["session_id"], found["user_id"]) == (["a", "b"], "t", "u")
    assert found["usage"]["input"] == 60
    assert counts(found) == (100, 20, 120, 30, 0)
    assert previews(found) == ("Why?", "So.")
    assert row({"gen_ai.operation.name": "chain", "gen_ai.system": "langchain"})["type"] == "CHAIN"


@pytest.mark.parametrize(
    ("name", "attributes", "kind"),
    [
        ("haystack.pipeline.run", {"haystack.pipeline.input_data": "i", "haystack.pipeline.output_data": "o"}, "CHAIN"),
        (
            "haystack.component.run",
            {
                "haystack.component.type": "OpenAIChatGenerator",
                "haystack.component.input": "i",
                "haystack.component.output": "o",
            },
            "GENERATION",
        ),
        (
            "haystack.component.run",
            {
                "haystack.component.type": "InMemoryBM25Retriever",
                "haystack.component.input": "i",
                "haystack.component.output": "o",
            },
            "RETRIEVER",
        ),
        ("haystack.agent.run", {"haystack.agent.input": "i", "haystack.agent.output": "o"}, "AGENT"),
        (
            "haystack.agent.step.tool",
            {"haystack.agent.step.tool.input": "i", "haystack.agent.step.tool.output": "o"},
            "TOOL",
        ),
        (
            "haystack.component.run",
            {
                "haystack.component.type": "PromptBuilder",
                "haystack.component.input": "i",
                "haystack.component.output": "o",
            },
            "SPAN",
        ),
    ],
)
def test_haystack(name: str, attributes: dict[str, Any], kind: str) -> None:
    found = row(attributes, "haystack", name=name)
    assert (found["type"], found["input"], found["output"]) == (kind, "i", "o")


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        (
            {
                "gen_ai.operation.name": "retrieval",
                "gen_ai.retrieval.query.text": "i",
                "gen_ai.retrieval.documents": "o",
            },
            "RETRIEVER",
        ),
        (
            {"gen_ai.operation.name": "search_memory", "gen_ai.memory.query.text": "i", "gen_ai.memory.records": "o"},
            "RETRIEVER",
        ),
        (
            {"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.input": "i", "gen_ai.workflow.output": "o"},
            "CHAIN",
        ),
        ({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.input": "i", "gen_ai.tool.output": "o"}, "TOOL"),
    ],
)
def test_wb_14_searches_and_workflows_have_sides(attributes: dict[str, Any], kind: str) -> None:
    found = row(attributes)
    assert (found["type"], found["input"], found["output"]) == (kind, "i", "o")


def test_pydantic_ai_of_both_event_modes() -> None:
    """Version 1 has a list of events, later ones have messages; its counts come in two spellings."""
    usage = {
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 30,
        "gen_ai.usage.details.cache_read_tokens": 30,
        "gen_ai.usage.details.reasoning_tokens": 5,
    }
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
    events = [
        {"role": "system", "content": "Be brief.", "event.name": "gen_ai.system.message"},
        {"role": "user", "content": "Weather in Paris?", "event.name": "gen_ai.user.message"},
        {"index": 0, "message": {"role": "assistant", "tool_calls": [call]}, "event.name": "gen_ai.choice"},
    ]
    model = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", **usage}
    ones = (
        {"events": json.dumps(events)},
        {"gen_ai.input.messages": json.dumps(ASKED), "gen_ai.output.messages": json.dumps(ANSWER)},
    )
    for content in ones:
        found = row(model | content, "pydantic-ai", name="chat gpt-4o")
        assert found["type"] == "GENERATION"
        assert counts(found) == (100, 20, 120, 30, 5)
        assert previews(found) == ("Weather in Paris?", "weather(city=Paris)")
        assert found["tool_calls.id"] == ["c1"]
    run = row(
        {
            "gen_ai.operation.name": "invoke_agent",
            "model_name": "gpt-4o",
            "logfire.msg": "bot run",
            "pydantic_ai.all_messages": json.dumps(ASKED),
            "gen_ai.system_instructions": '[{"type": "text", "content": "Be brief."}]',
            "final_result": "It is sunny.",
            **usage,
        },
        "pydantic-ai",
        name="invoke_agent bot",
    )
    assert (run["type"], run["observation_name"], run["usage"]) == ("AGENT", "bot run", [])
    assert previews(run) == ("Weather in Paris?", "It is sunny.")


def test_wb_22_genkit_counts_a_call_once() -> None:
    """`generate` wraps the calls of a model and repeats the usage of the last of them."""
    output = json.dumps(
        {
            "message": {"role": "model", "content": [{"text": "It is sunny."}]},
            "usage": {"inputTokens": 100, "outputTokens": 20, "thoughtsTokens": 5, "totalTokens": 120},
        }
    )
    sent = json.dumps(
        {"messages": [{"role": "user", "content": [{"text": "Weather in Paris?"}]}], "config": {"temperature": 0.5}}
    )
    content = {"genkit:input": sent, "genkit:output": output}
    call = row(
        {"genkit:type": "action", "genkit:metadata:subtype": "model", "genkit:name": "gemini", **content},
        "genkit-tracer",
    )
    assert (call["type"], call["observation_name"], call["model"]) == ("GENERATION", "gemini", "gemini")
    assert counts(call) == (100, 20, 120, 0, 5)
    wrapper = row({"genkit:type": "util", "genkit:name": "generate", **content}, "genkit-tracer")
    assert (wrapper["type"], wrapper["usage"]) == ("SPAN", [])
    for found in (call, wrapper):
        assert previews(found) == ("Weather in Paris?", "It is sunny.")
        assert found["model_parameters"] == {"temperature": "0.5"}


def test_adk_with_the_messages_of_the_semantic_conventions() -> None:
    """Newer releases no longer write the request and the response as JSON of their own."""
    found = row(
        {
            "gen_ai.operation.name": "generate_content",
            "gen_ai.request.model": "gemini-2.5-flash",
            "gen_ai.conversation.id": "c",
            "gen_ai.input.messages": json.dumps(ASKED),
            "gen_ai.output.messages": json.dumps(ANSWER),
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 25,
            "gen_ai.usage.cache_read.input_tokens": 30,
            "gen_ai.usage.reasoning.output_tokens": 5,
            "gen_ai.usage.experimental.system_instruction_tokens": 12,
        },
        "gcp.vertex.agent",
    )
    assert found["type"] == "GENERATION"
    assert counts(found) == (100, 25, 125, 30, 5)
    assert set(found["usage"]) == {
        "input",
        "output",
        "total",
        "input_cached_tokens",
        "output_reasoning_tokens",
    }
    assert previews(found) == ("Weather in Paris?", "weather(city=Paris)")
    assert (found["session_id"], found["session_is_conversation"]) == ("c", True)


@pytest.mark.parametrize("name", ["gen_ai.content", "gen_ai"])
def test_semantic_kernel_and_openlit_events(name: str) -> None:
    """Early releases put the prompt and the answer into events, later ones a message into each."""
    events: dict[str, dict[str, Any]]
    if name == "gen_ai.content":
        events = {
            "gen_ai.content.prompt": {"gen_ai.prompt": '[{"role": "user", "content": "Why?"}]'},
            "gen_ai.content.completion": {"gen_ai.completion": '[{"role": "Assistant", "content": "So."}]'},
        }
    else:
        events = {
            "gen_ai.user.message": {"content": "Why?", "gen_ai.system": "openai"},
            "gen_ai.choice": {"index": 0, "message": '{"role": "assistant", "content": "So."}'},
        }
    found = row(
        {
            "gen_ai.operation.name": "chat.completions",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.prompt_tokens": 3,
        },
        "Microsoft.SemanticKernel.Diagnostics",
        events=events,
    )
    assert (found["type"], found["model"]) == ("GENERATION", "gpt-4o")
    assert previews(found) == ("Why?", "So.")


@pytest.mark.parametrize(
    "attributes",
    [
        {"openinference.span.kind": "AGENT", "input.value": '{"inputs": "Why?"}', "output.value": "So."},
        {
            "traceloop.span.kind": "agent",
            "traceloop.entity.name": "Researcher",
            "traceloop.entity.input": '{"inputs": "Why?"}',
            "traceloop.entity.output": "So.",
        },
    ],
)
def test_crewai_through_openinference_and_openllmetry(attributes: dict[str, Any]) -> None:
    found = row(attributes, name="Researcher.execute")
    assert (found["type"], found["observation_name"]) == ("AGENT", "Researcher.execute")
    assert previews(found) == ("Why?", "So.")


@pytest.mark.parametrize(
    ("attributes", "model"),
    [
        (
            {
                "gen_ai.prompt.0.role": "user",
                "gen_ai.prompt.0.content": "Weather in Paris?",
                "gen_ai.completion.0.role": "assistant",
                "gen_ai.completion.0.tool_calls.0.id": "c1",
                "gen_ai.completion.0.tool_calls.0.name": "weather",
                "gen_ai.completion.0.tool_calls.0.arguments": '{"city": "Paris"}',
                "gen_ai.usage.cache_read_input_tokens": 30,
                "gen_ai.usage.reasoning_tokens": 5,
                "llm.usage.total_tokens": 120,
                "llm.request.type": "chat",
            },
            "claude",
        ),
        (
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.input.messages": json.dumps(ASKED),
                "gen_ai.output.messages": json.dumps(ANSWER),
                "gen_ai.usage.cache_read.input_tokens": 30,
                "gen_ai.usage.reasoning_tokens": 5,
                "gen_ai.usage.total_tokens": 120,
            },
            "anthropic.claude",
        ),
    ],
)
def test_openllmetry_before_and_after_its_messages(attributes: dict[str, Any], model: str) -> None:
    """Of Anthropic and Bedrock."""
    usage = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20}
    found = row({"gen_ai.request.model": model, **usage, **attributes}, name="anthropic.chat")
    assert (found["type"], found["model"]) == ("GENERATION", model)
    assert counts(found) == (100, 20, 120, 30, 5)
    assert previews(found) == ("Weather in Paris?", "weather(city=Paris)")
    assert (found["tool_calls.id"], found["tool_calls.name"]) == (["c1"], ["weather"])


def test_logfire_around_openai() -> None:
    found = row(
        {
            "logfire.msg": "Chat Completion with 'gpt-4o'",
            "logfire.span_type": "span",
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.model": "gpt-4o-2024-08-06",
            "gen_ai.input.messages": json.dumps(ASKED),
            "gen_ai.output.messages": json.dumps(ANSWER),
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.cache_read.input_tokens": 30,
            "gen_ai.usage.raw": '{"prompt_tokens":100,"prompt_tokens_details":{"cached_tokens":30}}',
            "request_data": '{"model":"gpt-4o"}',
        },
        "logfire.openai",
        name="Chat Completion with {request_data[model]!r}",
    )
    assert (found["observation_name"], found["model"]) == ("Chat Completion with 'gpt-4o'", "gpt-4o-2024-08-06")
    assert counts(found) == (100, 20, 120, 30, 0)
    assert previews(found) == ("Weather in Paris?", "weather(city=Paris)")


def test_livekit_agents_since_their_content_is_marked() -> None:
    """The context of a chat is a list of items; an answer may be calls only."""
    items = [
        {"id": "1", "type": "message", "role": "system", "content": ["Be brief."]},
        {"id": "2", "type": "message", "role": "user", "content": ["Weather in Paris?"]},
        {"type": "function_call", "call_id": "c0", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c0", "output": "sunny", "is_error": False},
    ]
    call = {"id": "i", "type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Paris"}'}
    found = row(
        {
            "lk.pii.chat_ctx": json.dumps({"items": items}),
            "lk.pii.response.text": "",
            "lk.pii.response.function_calls": json.dumps([call]),
            "gen_ai.request.model": "gpt-4o",
            "lk.response.ttft": 0.3,
        },
        "livekit-agents",
        name="llm_node",
    )
    assert (found["type"], found["model"]) == ("GENERATION", "gpt-4o")
    assert previews(found) == ("Weather in Paris?", "weather(city=Paris)")
    assert found["tool_calls.id"] == ["c1"]
    tool = row(
        {
            "lk.function_tool.name": "weather",
            "lk.pii.function_tool.arguments": '{"city":"Paris"}',
            "lk.pii.function_tool.output": "no such city",
            "lk.function_tool.is_error": True,
        },
        "livekit-agents",
        name="function_tool",
    )
    assert (tool["type"], tool["level"]) == ("TOOL", "ERROR")
    assert previews(tool) == ("Paris", "no such city")


@pytest.mark.parametrize(("version", "quoted"), [("4.18.0", "hello"), ("5.0.4", '"hello"')])
def test_langfuse_sdk_4_and_5(version: str, quoted: str) -> None:
    group = resource_spans(
        [
            span(
                0,
                {
                    "langfuse.observation.type": "generation",
                    "langfuse.observation.model.name": "gpt-4o",
                    "langfuse.observation.input": '[{"role": "user", "content": "Why?"}]',
                    "langfuse.observation.output": "So.",
                    "langfuse.observation.metadata.n": 3,
                    "langfuse.observation.metadata.txt": quoted,
                    "langfuse.observation.usage_details": '{"input": 70, "output": 20, "input_cached_tokens": 30}',
                    "langfuse.observation.cost_details": '{"input": 0.1, "output": 0.2}',
                    "langfuse.trace.tags": ["t"],
                    "user.id": "u",
                    "session.id": "s",
                },
                name="gen",
            )
        ],
        scope="langfuse-sdk",
    )
    group.scope_spans[0].scope.version = version
    found = mapped(group).to_pylist()[0]
    assert (found["type"], found["observation_name"], found["model"]) == ("GENERATION", "gen", "gpt-4o")
    assert dict(found["metadata"]) == {"n": "3", "txt": "hello"}
    assert (found["user_id"], found["session_id"], found["tags"]) == ("u", "s", ["t"])
    assert counts(found) == (100, 20, 120, 30, 0)
    assert float(found["total_cost"]) == pytest.approx(0.3)
    assert previews(found) == ("Why?", "So.")


def test_openlit_notes_the_tool_an_answer_asks_for() -> None:
    """The span of the call has the name of the tool (section 4), and its arguments, which are no input."""
    found = row(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.tool.name": "weather",
            "gen_ai.tool.call.id": "c1",
            "gen_ai.tool.args": '{"city":"Paris"}',
            "gen_ai.output.messages": json.dumps(ANSWER),
            "gen_ai.server.time_to_first_token": 0.25,
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.cache_read.input_tokens": 30,
            "gen_ai.usage.cost": 0.0004,
            "gen_ai.client.token.usage": 120,
        },
        "openlit.instrumentation.openai",
        name="chat gpt-4o",
    )
    assert (found["type"], found["observation_name"]) == ("GENERATION", "weather")
    assert previews(found) == ("", "weather(city=Paris)")
    assert counts(found) == (100, 20, 120, 30, 0)
    assert (found["cost_source"], float(found["total_cost"])) == ("stated", 0.0004)
    assert found["completion_start_time"].value == START_NS + 250_000_000
