"""Spans as frameworks of agents and instrumentations of clients write them: type, name, model, usage, both sides."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.worker.map.rows import ANSWER, ASKED, counts, previews, row
from tests.worker.map.support import START_NS, mapped, resource_spans, span


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
