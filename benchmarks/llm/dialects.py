"""How each convention writes a step as attributes of a span, as its SDK was seen to do it on the wire (tests/corpus).

A dialect is a function: attributes of a step, given its trace. Steps of no LLM are written the same in all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from benchmarks.llm.people import Asker
from benchmarks.llm.step import Message, Step, Trace, Usage

Attributes = dict[str, str | int | float | bool | list[str]]
Write = Callable[[Step, Trace, bool], Attributes]


@dataclass(frozen=True, slots=True)
class Dialect:
    """`scope`: name and version. `write` gets the step, its trace, and whether the step is the first of its trace to be
    written in this dialect: it says who asked."""

    scope: tuple[str, str]
    write: Write


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _chat(messages: tuple[Message, ...]) -> str:
    return f"[{','.join([m.chat() for m in messages])}]"


def _parts(messages: tuple[Message, ...]) -> str:
    return f"[{','.join([m.parts() for m in messages])}]"


# -- OpenTelemetry GenAI -------------------------------------------------------------------------------------------------

_OPERATIONS = {"chat": "chat", "embedding": "embeddings", "tool": "execute_tool", "agent": "invoke_agent"}


def genai(step: Step, trace: Trace, first: bool) -> Attributes:
    """`gen_ai.*` of 2025: messages as JSON of parts."""
    found: Attributes = {}
    if operation := _OPERATIONS.get(step.kind):
        found["gen_ai.operation.name"] = operation
    if first:
        found |= _plain_asker(trace.asker)
    if step.kind == "agent":
        found["gen_ai.agent.name"] = step.name
    elif step.call is not None:
        found |= {"gen_ai.tool.name": step.call.name, "gen_ai.tool.call.id": step.call.id}
        found |= {"gen_ai.tool.call.arguments": step.input, "gen_ai.tool.call.result": step.output}
    elif step.kind in ("chain", "retrieval"):
        found |= {"input.value": step.input, "output.value": step.output or _json(step.documents)}
    _genai_model(step, found)
    if step.messages:
        found["gen_ai.input.messages"] = _parts(step.messages)
        if step.tools:
            found["gen_ai.tool.definitions"] = step.tools
    if step.answer is not None:
        found["gen_ai.output.messages"] = _parts((step.answer,))
    if step.first_token:
        found["gen_ai.response.time_to_first_chunk"] = (step.first_token - step.start) / 1e9
    return found


def _genai_model(step: Step, found: Attributes) -> None:
    """What GenAI and OpenLLMetry say alike: model, parameters, counts."""
    if step.model is None:
        return
    found["gen_ai.provider.name"] = step.model.provider
    found["gen_ai.request.model"] = step.model.asked
    if step.kind == "chat":
        found |= {"gen_ai.request.temperature": step.temperature, "gen_ai.request.max_tokens": 4096}
    if step.usage is None:
        return
    found["gen_ai.response.model"] = step.model.name
    found["gen_ai.usage.input_tokens"] = step.usage.input
    if step.kind == "chat":
        found["gen_ai.usage.output_tokens"] = step.usage.output
        found["gen_ai.usage.cache_read.input_tokens"] = step.usage.cached
        found["gen_ai.response.finish_reasons"] = ["tool_calls" if step.answer and step.answer.calls else "stop"]
        if step.usage.reasoning:
            found["gen_ai.usage.reasoning.output_tokens"] = step.usage.reasoning


def _plain_asker(asker: Asker) -> Attributes:
    """Users, sessions, tags and metadata with the keys that OpenTelemetry and OpenInference have."""
    found: Attributes = {"metadata": _json(asker.metadata)}
    if asker.user:
        found["user.id"] = asker.user
    if asker.session:
        found["session.id"] = asker.session
    if asker.tags:
        found["tag.tags"] = list(asker.tags)
    return found


# -- OpenInference -------------------------------------------------------------------------------------------------------

_KINDS = {
    "chat": "LLM",
    "embedding": "EMBEDDING",
    "tool": "TOOL",
    "agent": "AGENT",
    "retrieval": "RETRIEVER",
    "chain": "CHAIN",
}


def openinference(step: Step, trace: Trace, first: bool) -> Attributes:
    """`openinference.*`, `llm.*`: messages twice, as one JSON and an attribute each; who asked on every span."""
    found: Attributes = {"openinference.span.kind": _KINDS[step.kind], **_plain_asker(trace.asker)}
    if step.call is not None:
        found |= {"tool.name": step.call.name, "input.value": step.input, "output.value": step.output}
        found["input.mime_type"] = "application/json"
    elif step.kind == "retrieval":
        found["input.value"] = step.input
        for i, document in enumerate(step.documents):
            found[f"retrieval.documents.{i}.document.content"] = document
            found[f"retrieval.documents.{i}.document.score"] = round(0.9 - i * 0.07, 3)
    elif step.kind == "embedding" and step.model:
        found |= {"embedding.model_name": step.model.name, "embedding.embeddings.0.embedding.text": step.input}
        found["input.value"] = step.input
    elif step.kind != "chat":
        found |= {"input.value": step.input, "output.value": step.output}
    if step.kind == "chat" and step.model:
        _openinference_call(step, found)
    if step.usage:
        found["llm.token_count.prompt"] = step.usage.input
        found["llm.token_count.total"] = step.usage.input + step.usage.output
    return found


def _openinference_call(step: Step, found: Attributes) -> None:
    assert step.model is not None
    found |= {"llm.system": step.model.provider, "llm.model_name": step.model.name if step.usage else step.model.asked}
    found["llm.invocation_parameters"] = _json({"model": step.model.asked, "temperature": step.temperature})
    tools = f', "tools": {step.tools}' if step.tools else ""
    found["input.value"] = f'{{"model": "{step.model.asked}", "messages": {_chat(step.messages)}{tools}}}'
    found["input.mime_type"] = "application/json"
    _openinference_messages("llm.input_messages", step.messages, found)
    if step.answer is not None:
        found["output.value"] = f'{{"choices": [{{"index": 0, "message": {step.answer.chat()}}}]}}'
        _openinference_messages("llm.output_messages", (step.answer,), found)
    if step.usage:
        found["llm.token_count.completion"] = step.usage.output
        found["llm.token_count.prompt_details.cache_read"] = step.usage.cached
        found["llm.token_count.completion_details.reasoning"] = step.usage.reasoning


def _openinference_messages(prefix: str, messages: tuple[Message, ...], found: Attributes) -> None:
    for i, message in enumerate(messages):
        found[f"{prefix}.{i}.message.role"] = message.role
        if message.content:
            found[f"{prefix}.{i}.message.content"] = message.content
        for j, call in enumerate(message.calls):
            at = f"{prefix}.{i}.message.tool_calls.{j}.tool_call"
            found |= {f"{at}.id": call.id, f"{at}.function.name": call.name, f"{at}.function.arguments": call.arguments}


# -- Langfuse ------------------------------------------------------------------------------------------------------------

_TYPES = {
    "chat": "generation",
    "embedding": "embedding",
    "tool": "tool",
    "agent": "agent",
    "retrieval": "retriever",
    "chain": "chain",
}


def langfuse(step: Step, trace: Trace, first: bool) -> Attributes:
    """`langfuse.*` of the SDK's version 3; what the trace says is on its first span."""
    found: Attributes = {"langfuse.observation.type": _TYPES[step.kind], "langfuse.version": trace.version}
    asker = trace.asker
    if asker.environment:
        found["langfuse.environment"] = asker.environment
    if first:
        found |= {f"langfuse.trace.metadata.{key}": value for key, value in asker.metadata.items()}
        found |= {"langfuse.trace.name": trace.name}
        found |= {"user.id": asker.user} if asker.user else {}
        found |= {"session.id": asker.session} if asker.session else {}
        found |= {"langfuse.trace.tags": list(asker.tags)} if asker.tags else {}
    if step.messages:
        given = _chat(step.messages)
        found["langfuse.observation.input"] = f'{{"messages": {given}, "tools": {step.tools}}}' if step.tools else given
    elif step.input:
        found["langfuse.observation.input"] = step.input
    if step.answer is not None:
        found["langfuse.observation.output"] = step.answer.chat() if step.answer.calls else step.answer.content
    elif step.output or step.documents:
        found["langfuse.observation.output"] = step.output or _json(step.documents)
    if step.error:
        found |= {"langfuse.observation.level": "ERROR", "langfuse.observation.status_message": step.error[1]}
    _langfuse_call(step, found)
    return found


def _langfuse_call(step: Step, found: Attributes) -> None:
    if step.model is None:
        return
    found["langfuse.observation.model.name"] = step.model.name if step.usage else step.model.asked
    if step.kind == "chat":
        found["langfuse.observation.model.parameters"] = _json({"temperature": step.temperature, "max_tokens": 4096})
    if step.prompt:
        found["langfuse.observation.prompt.name"], found["langfuse.observation.prompt.version"] = step.prompt
    if step.first_token:
        at = datetime.fromtimestamp(step.first_token / 1e9, UTC)
        found["langfuse.observation.completion_start_time"] = f'"{at.isoformat().replace("+00:00", "Z")}"'
    if step.usage:
        found["langfuse.observation.usage_details"] = _json(_net(step.usage))
        if step.usage.output % 5 == 0 and step.model.price[0]:  # some state what it cost
            found["langfuse.observation.cost_details"] = _json(_cost(step))


def _net(usage: Usage) -> dict[str, int]:
    counts = {
        "input": usage.input - usage.cached,
        "output": usage.output - usage.reasoning,
        "input_cached_tokens": usage.cached,
        "output_reasoning_tokens": usage.reasoning,
    }
    return {key: count for key, count in counts.items() if count} | {"total": usage.input + usage.output}


def _cost(step: Step) -> dict[str, float]:
    assert step.model is not None
    assert step.usage is not None
    given, made = step.usage.input * step.model.price[0] / 1e6, step.usage.output * step.model.price[1] / 1e6
    return {"input": given, "output": made, "total": given + made}


# -- MLflow --------------------------------------------------------------------------------------------------------------

_SPAN_TYPES = {
    "chat": "CHAT_MODEL",
    "embedding": "EMBEDDING",
    "tool": "TOOL",
    "agent": "AGENT",
    "retrieval": "RETRIEVER",
    "chain": "CHAIN",
}


def mlflow(step: Step, trace: Trace, first: bool) -> Attributes:
    """`mlflow.*`, each the JSON text of a value; who asked with `langfuse.*`, as the recipe in the README does."""
    found: Attributes = {
        "mlflow.traceRequestId": f'"tr-{trace.asker.session or trace.service}"',
        "mlflow.spanType": f'"{_SPAN_TYPES[step.kind]}"',
        "mlflow.spanLogLevel": "20",
    }
    asker = trace.asker
    if first:
        found |= {"langfuse.user.id": asker.user} if asker.user else {}
        found |= {"langfuse.session.id": asker.session} if asker.session else {}
        found |= {"langfuse.tags": list(asker.tags)} if asker.tags else {}
        found["langfuse.trace.metadata"] = _json(asker.metadata)
    if step.messages and step.model:
        tools = f', "tools": {step.tools}' if step.tools else ""
        found["mlflow.spanInputs"] = (
            f'{{"model": "{step.model.asked}", "messages": {_chat(step.messages)}, '
            f'"temperature": {step.temperature}, "max_tokens": 4096{tools}}}'
        )
        if step.tools:
            found["mlflow.chat.tools"] = step.tools
        found["mlflow.message.format"] = '"openai"'
    else:
        found["mlflow.spanInputs"] = step.input if step.call else _json({"input": step.input})
    if step.answer is not None:
        found["mlflow.spanOutputs"] = f'{{"choices": [{{"index": 0, "message": {step.answer.chat()}}}]}}'
    elif step.output or step.documents:
        found["mlflow.spanOutputs"] = _json(step.output or step.documents)
    if step.model:
        found["mlflow.llm.model"] = f'"{step.model.name}"'
        found["mlflow.llm.provider"] = f'"{step.model.provider}"'
    if step.usage:
        found["mlflow.chat.tokenUsage"] = _json(
            {
                "input_tokens": step.usage.input,
                "output_tokens": step.usage.output,
                "total_tokens": step.usage.input + step.usage.output,
                "cache_read_input_tokens": step.usage.cached,
            }
        )
    return found


# -- OpenLLMetry ---------------------------------------------------------------------------------------------------------

_ENTITIES = {"agent": "agent", "tool": "tool", "chain": "workflow", "retrieval": "task"}


def openllmetry(step: Step, trace: Trace, first: bool) -> Attributes:
    """`traceloop.*`, and earlier releases' messages an attribute each."""
    asker = trace.asker
    found: Attributes = {"traceloop.workflow.name": trace.name}
    prefix = "traceloop.association.properties."
    found |= {f"{prefix}user_id": asker.user} if asker.user else {}
    found |= {f"{prefix}session_id": asker.session} if asker.session else {}
    found |= {f"{prefix}{key}": value for key, value in asker.metadata.items()}
    if kind := _ENTITIES.get(step.kind):
        found |= {"traceloop.span.kind": kind, "traceloop.entity.name": step.name}
        found["traceloop.entity.input"] = step.input
        found["traceloop.entity.output"] = step.output or _json(step.documents)
    elif step.model:
        found |= {"llm.request.type": step.kind, "gen_ai.system": step.model.provider}
    _genai_model(step, found)
    for side, messages in (("prompt", step.messages), ("completion", (step.answer,) if step.answer else ())):
        for i, message in enumerate(messages):
            found[f"gen_ai.{side}.{i}.role"] = message.role
            found[f"gen_ai.{side}.{i}.content"] = message.content
            for j, call in enumerate(message.calls):
                at = f"gen_ai.{side}.{i}.tool_calls.{j}"
                found |= {f"{at}.id": call.id, f"{at}.name": call.name, f"{at}.arguments": call.arguments}
    if step.kind == "embedding":
        found["gen_ai.prompt.0.content"] = step.input
    return found


# -- no LLM --------------------------------------------------------------------------------------------------------------

_HOSTS = {"openai": "api.openai.com", "anthropic": "api.anthropic.com"}


def plain(step: Step, trace: Trace, first: bool) -> Attributes:
    """Servers, HTTP clients and databases, by OpenTelemetry's own conventions."""
    if step.kind == "server":
        route = step.name.partition(" ")[2]
        return {
            "http.request.method": "POST",
            "http.route": route,
            "url.path": route,
            "url.scheme": "https",
            "http.response.status_code": 200,
            "server.address": "app.example.com",
            "server.port": 443,
            "client.address": f"10.1.{step.start % 200}.{step.start // 1000 % 200}",
            "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
            "network.protocol.version": "1.1",
        }
    if step.kind == "client":
        host = _HOSTS["openai"] if step.name == "POST" else "search.example.com"
        return {
            "http.request.method": step.name,
            "url.full": f"https://{host}/v1/chat/completions" if step.name == "POST" else f"https://{host}/?q=1",
            "server.address": host,
            "server.port": 443,
            "http.response.status_code": 200,
            "network.protocol.version": "1.1",
        }
    verb, _, table = step.name.partition(" ")
    return {
        "db.system.name": step.output,
        "db.namespace": "app",
        "db.operation.name": verb,
        "db.collection.name": table,
        "db.query.text": f"{verb} * FROM {table} WHERE id = $1 ORDER BY created_at DESC LIMIT 20",
        "server.address": "db.example.com",
        "server.port": 5432,
    }


DIALECTS: Mapping[str, Dialect] = {
    "genai": Dialect(("opentelemetry.instrumentation.openai_v2", "2.3b0"), genai),
    "openinference": Dialect(("openinference.instrumentation.openai", "0.1.66"), openinference),
    "langfuse": Dialect(("langfuse-sdk", "3.15.0"), langfuse),
    "mlflow": Dialect(("mlflow.tracing.provider", ""), mlflow),
    "openllmetry": Dialect(("opentelemetry.instrumentation.openai.v1", "0.47.3"), openllmetry),
}
#: Scopes of the steps that are no LLM's.
PLAIN: Mapping[str, tuple[str, str]] = {
    "server": ("opentelemetry.instrumentation.fastapi", "0.58b0"),
    "client": ("opentelemetry.instrumentation.httpx", "0.58b0"),
    "database": ("opentelemetry.instrumentation.asyncpg", "0.58b0"),
}
