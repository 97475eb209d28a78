"""Spans as clients, gateways and search write them: type, name, model, usage, both sides and what a list shows of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.worker.map.rows import ANSWER, ASKED, counts, previews, row
from tests.worker.map.support import START_NS


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
