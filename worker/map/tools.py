"""Tools that a model was offered, joined to the input, and those that it called (otel-mapping.md section 14)."""

from __future__ import annotations

from typing import Any

from worker.map.calls import calls_in, tool_calls
from worker.map.conventions import genkit
from worker.map.deep import json_text
from worker.map.indexed import rebuild
from worker.map.span import Span
from worker.map.values import PARSED_BYTES, Value, json_list, parsed, without_nul

__all__ = ["calls_in", "join_definitions", "read", "tool_calls"]

Tool = dict[str, Any]
_FUNCTIONS = "llm.request.functions"
#: `Tool` → its parameters: spellings in order; the last is Anthropic's.
_PARAMETERS = ("parameters", "parameters_json_schema", "inputSchema", "input_schema")


def join_definitions(
    span: Span, metadata: dict[str, Value], text: str, value: Value = None
) -> tuple[str, dict[str, str]]:
    """The input with the tools of the metadata joined to it, and all tools of it: name → JSON of description and
    parameters (section 14.1).

    `text` is the input as stored, `value` the list or object it was made of, if it was. `metadata` is the user's; a list
    `tools` that was joined is taken out of it. Genkit's tools are not joined: its input is the messages (section 8.1 step
    2); without the definitions here they would be lost (as WB-25).
    """
    text, found = _join(span, metadata, text, value)
    if "genkit:input" in span.families:
        found = definitions({"tools": genkit.tools(span)}) | found
    if not found and _FUNCTIONS + ".0.name" in span.attributes:
        found = definitions({"tools": _functions(span)})
    return text, found


def _functions(span: Span) -> list[Value]:
    """LiteLLM's and OpenLLMetry's `llm.request.functions.N.{name,description,parameters}`: a second copy of what they were
    offered, beside the input, which is left as it is."""
    listed = rebuild(span.attributes, _FUNCTIONS)
    entries = listed if isinstance(listed, list) else []
    return [
        entry | {"parameters": parsed(entry.get("parameters"))} if isinstance(entry, dict) else entry
        for entry in entries
    ]


def _join(span: Span, metadata: dict[str, Value], text: str, value: Value) -> tuple[str, dict[str, str]]:
    tools, from_metadata = _offered(span, metadata)
    if not tools and not _may_define(text):
        return text, {}
    value = read(span, text, value)
    if tools:
        joined = _joined(value, text, tools)
        if joined is not None and from_metadata:
            del metadata["tools"]
        if joined:
            return json_text(joined), definitions(joined)
    return text, definitions(value)


def read(span: Span, text: str, value: Value = None) -> Value:
    """The value behind a stored text; None for text that is not JSON. Parsed once for all who ask, if an attribute is
    where it comes from."""
    if value is not None and not isinstance(value, str):
        return value
    if text[:1] not in _JSON_BEGINS:
        return None
    for key, sent in span.attributes.items():
        if sent is text:
            return span.json(key)
    return parsed(text)


#: What JSON begins with; empty text too, which says nothing.
_JSON_BEGINS = frozenset('[{"-0123456789tfn \n\r\t')


def _may_define(text: str) -> bool:
    """Whether text can be worth parsing for definitions: of tools, or LangGraph's within a message."""
    if text[:1] not in _OBJECT_BEGINS:
        return False
    return '"tools"' in text or ('"tool"' in text and ('"content": {' in text or '"content":{' in text))


_OBJECT_BEGINS = frozenset("[{ \n\r\t")


def _offered(span: Span, metadata: dict[str, Value]) -> tuple[list[Tool], bool]:
    """The tools that metadata and attributes define, and whether any is from the user's metadata. A list with an entry
    that is no tool is left where it is; of two tools of one name the first counts."""
    own = _named(metadata.get("tools"), as_sent=True)
    lists = [own] if own else []
    if not span.scope_name.startswith("langfuse-sdk"):
        lists += _from_attributes(span)
    if not lists:
        return [], False
    found: dict[str, Tool] = {}
    for entries in lists:
        for tool in entries:
            found.setdefault(_key(tool), tool)
    return list(found.values()), bool(own)


def _from_attributes(span: Span) -> list[list[Tool]]:
    attributes, families = span.attributes, span.families
    found: list[list[Tool]] = []
    if "ai" in families:
        found.append(_named(attributes.get("ai.prompt.tools"), as_sent=True, of_provider=True))
    if "gen_ai" in families and "gen_ai.tool.definitions" in attributes:
        found.append(_named(span.json("gen_ai.tool.definitions")))
    if "model_request_parameters" in families:
        request = span.json("model_request_parameters")
        found.append(_named(request.get("function_tools") if isinstance(request, dict) else None))
    if "llm" in families:
        found.append(_numbered(span))
    if "mlflow" in families:
        found.append(_named(span.json("mlflow.chat.tools")))
    if "lk" in families:
        found.append(_named(span.json("lk.function_tools")))
    return [entries for entries in found if entries]


def _numbered(span: Span) -> list[Tool]:
    """OpenInference's `llm.tools.N.tool.json_schema`, by N."""
    found = []
    for key in span.attributes:
        if key.startswith("llm.tools.") and key.endswith(".tool.json_schema"):
            number = key[10:-17]
            if number.isdigit() and number.isascii():
                found.append((len(number.lstrip("0")), number, key))
    found.sort()
    return _named([span.json(key) for _, _, key in found])


def _named(value: Value, as_sent: bool = False, of_provider: bool = False) -> list[Tool]:
    """The tools of a list, or of the JSON of one unless `as_sent`; none when an entry has no name. Entries may be JSON
    text. `of_provider`: a tool that a provider has may go by its type alone."""
    if as_sent and not isinstance(value, list):
        return []
    tools = []
    for entry in json_list(value) or []:
        tool = parsed(entry) if isinstance(entry, str) else entry
        if not isinstance(tool, dict) or not (_name(tool) or (of_provider and _provider_key(tool))):
            return []
        tools.append(tool)
    return tools


def _name(tool: Tool) -> str:
    """The name of a tool; empty for what is none."""
    function = tool.get("function")
    name = (function if isinstance(function, dict) else tool).get("name")
    return name if isinstance(name, str) else ""


def _provider_key(tool: Tool) -> str:
    kind = tool.get("type")
    if not isinstance(kind, str) or not kind or kind == "function":
        return ""
    return f"{kind} {tool.get('id') or ''}"


def _key(tool: Tool) -> str:
    return _name(tool) or " " + _provider_key(tool)


def _joined(value: Value, text: str, tools: list[Tool]) -> dict[str, Value] | None:
    """The input with these tools; empty when it has them all already, None when it is not to be changed."""
    if isinstance(value, list):
        return {"messages": value, "tools": tools}
    if isinstance(value, dict):
        present = value.get("tools")
        if present is None:
            return value | {"tools": tools}
        existing = _named(present, as_sent=True)
        if not existing and present != []:
            return None
        known = {_name(tool) for tool in existing}
        more = [tool for tool in tools if _key(tool) not in known]
        return value | {"tools": present + more} if more else {}
    if isinstance(value, (bool, int, float)) or (len(text) > PARSED_BYTES and text[:1] in _OBJECT_BEGINS):
        return None
    if not text or text == "null":
        return {"tools": tools}
    return {"prompt": value if isinstance(value, str) else text, "tools": tools}


def definitions(value: Value) -> dict[str, str]:
    """Tools of an input, name → JSON `{description, parameters}`: its `tools`, those of its messages, and LangGraph's
    messages of role `tool` that define one."""
    tools: list[Value] = []
    messages = value
    if isinstance(value, dict):
        tools += _list(value.get("tools"))
        messages = value.get("messages")
    for message in _list(messages):
        if isinstance(message, dict):
            tools += _list(message.get("tools"))
            content = message.get("content")
            if message.get("role") == "tool" and isinstance(content, dict) and content.get("type") == "function":
                tools.append(content)
    found: dict[str, str] = {}
    for entry in tools:
        tool = parsed(entry) if isinstance(entry, str) else entry
        if isinstance(tool, dict) and (name := _name(tool)) and name not in found:
            found[name] = _definition(tool)
    return {without_nul(name): definition for name, definition in found.items()}


def _definition(tool: Tool) -> str:
    function = tool.get("function")
    body = function if isinstance(function, dict) else tool
    parts = {"description": body.get("description")}
    parts["parameters"] = next((body[name] for name in _PARAMETERS if body.get(name) is not None), None)
    return json_text({name: part for name, part in parts.items() if part is not None})


def _list(value: Value) -> list[Value]:
    return value if isinstance(value, list) else []
