"""Tools a model was offered, joined to its input (otel-mapping.md section 14.1)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from worker.map.io import input_output, stored
from worker.map.span import Span
from worker.map.tools import join_definitions


def tool(name: str, **more: Any) -> dict[str, Any]:
    """A definition in OpenAI's form."""
    return {"type": "function", "function": {"name": name, "description": f"{name} it", "parameters": {}} | more}


F, G = tool("f"), tool("g")
DEFINED = {name: f'{{"description":"{name} it","parameters":{{}}}}' for name in "fgh"}


def join(
    attributes: dict[str, Any] | None = None,
    text: str = "",
    metadata: dict[str, Any] | None = None,
    scope: str = "",
    value: Any = None,
) -> tuple[Any, dict[str, str]]:
    """The input after joining, parsed where it is JSON, and the column of definitions."""
    span = Span(attributes=attributes or {}, scope_name=scope)
    found, definitions = join_definitions(span, {} if metadata is None else metadata, text, value)
    try:
        return json.loads(found), definitions
    except ValueError:
        return found, definitions


ROWS: list[tuple[str, dict[str, Any]]] = [
    ("2 ai.prompt.tools", {"ai.prompt.tools": [json.dumps(F)]}),
    ("2 ai.prompt.tools", {"ai.prompt.tools": [F]}),
    ("3 gen_ai.tool.definitions", {"gen_ai.tool.definitions": json.dumps([F])}),
    ("3 gen_ai.tool.definitions", {"gen_ai.tool.definitions": [F]}),
    ("4 Pydantic AI", {"model_request_parameters": json.dumps({"function_tools": [F], "output_mode": "text"})}),
    ("4 Pydantic AI", {"model_request_parameters": {"function_tools": [F]}}),
    ("5 OpenInference", {"llm.tools.0.tool.json_schema": json.dumps(F)}),
    ("6 WB-25 MLflow", {"mlflow.chat.tools": json.dumps([F])}),
    ("6 WB-25 LiveKit", {"lk.function_tools": [json.dumps(F)]}),
]


@pytest.mark.parametrize(("row", "attributes"), [row for row in ROWS if "WB-25" in row[0]])
def test_wb_25_tools_of_mlflow_and_livekit_are_joined(row: str, attributes: dict[str, Any]) -> None:
    assert join(attributes, "Hello") == ({"prompt": "Hello", "tools": [F]}, {"f": DEFINED["f"]}), row


def test_wb_25_definitions_of_genkit_are_kept_and_its_input_stays() -> None:
    request = {"messages": [{"role": "user"}], "tools": [{"name": "f", "description": "f it", "inputSchema": {}}]}
    text = '[{"role": "user"}]'
    assert join({"genkit:input": json.dumps(request)}, text, scope="genkit-tracer") == (
        json.loads(text),
        {"f": DEFINED["f"]},
    )
    # The span that wraps the calls has names of tools only.
    assert join({"genkit:input": '{"tools": ["/tool/f"]}'}, text, scope="genkit-tracer") == (json.loads(text), {})


@pytest.mark.parametrize(("row", "attributes"), ROWS)
def test_section_14_1_each_source_is_joined_to_the_input(row: str, attributes: dict[str, Any]) -> None:
    assert join(attributes, '[{"role": "user"}]') == (
        {"messages": [{"role": "user"}], "tools": [F]},
        {"f": DEFINED["f"]},
    ), row


@pytest.mark.parametrize(("row", "attributes"), ROWS)
def test_section_14_1_attributes_do_not_count_for_langfuse_sdks(row: str, attributes: dict[str, Any]) -> None:
    assert join(attributes, "[]", scope="langfuse-sdk") == ([], {}), row
    metadata = {"tools": [G]}
    assert join(attributes, "[]", metadata, scope="langfuse-sdk-js")[0] == {"messages": [], "tools": [G]}, row


def test_section_14_1_row_1_user_metadata_is_joined_and_taken_out() -> None:
    metadata = {"tools": [F], "other": 1}
    assert join({}, "hi", metadata) == ({"prompt": "hi", "tools": [F]}, {"f": DEFINED["f"]})
    assert metadata == {"other": 1}


@pytest.mark.parametrize("tools", [[F, {"type": "function"}], [], "text", json.dumps([F]), {"f": F}, [F, None], [5], 7])
def test_section_14_1_metadata_that_is_no_tool_list_stays(tools: Any) -> None:
    metadata = {"tools": tools}
    assert join({}, "hi", metadata) == ("hi", {})
    assert metadata == {"tools": tools}


@pytest.mark.parametrize("bad", [[F, {"type": "function"}], [F, "x"], [], "[", "{}", 5, {"a": 1}, [None], [[F]], None])
@pytest.mark.parametrize(
    "key", ["ai.prompt.tools", "gen_ai.tool.definitions", "mlflow.chat.tools", "lk.function_tools"]
)
def test_section_14_1_a_list_with_an_entry_that_is_no_tool_changes_nothing(key: str, bad: Any) -> None:
    assert join({key: bad}, '{"a": 1}') == ({"a": 1}, {})
    assert join({"model_request_parameters": {"function_tools": bad}}, "hi") == ("hi", {})


def test_section_14_1_livekit_sends_names_only_which_are_no_definitions() -> None:
    assert join({"lk.function_tools": ["f", "g"]}, "hi") == ("hi", {})


def test_section_14_1_a_tool_of_a_vercel_provider_goes_by_its_type() -> None:
    search = {"type": "provider-defined", "id": "openai.web_search", "args": {}}
    assert join({"ai.prompt.tools": [json.dumps(search), F]}, "[]") == (
        {"messages": [], "tools": [search, F]},
        {"f": DEFINED["f"]},
    )
    assert join({"gen_ai.tool.definitions": [search, F]}, "[]") == ([], {}), "of no other list"


def test_section_14_1_openinference_tools_by_number() -> None:
    attributes = {f"llm.tools.{n}.tool.json_schema": json.dumps(tool(f"t{n}")) for n in (10, 2, 0, 1)}
    found, definitions = join(attributes, "[]")
    assert [entry["function"]["name"] for entry in found["tools"]] == ["t0", "t1", "t2", "t10"]
    assert list(definitions) == ["t0", "t1", "t2", "t10"]
    assert join(attributes | {"llm.tools.3.tool.json_schema": "{"}, "[]") == ([], {})


def test_section_14_1_sources_are_joined_in_order_one_tool_a_name() -> None:
    attributes = {
        "mlflow.chat.tools": [tool("g", description="late"), tool("h")],
        "gen_ai.tool.definitions": [tool("f", description="late"), G],
    }
    found, definitions = join(attributes, "[]", {"tools": [F]})
    assert found["tools"] == [F, G, tool("h")]
    assert definitions == DEFINED


# The input so far


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[{"role": "user"}]', {"messages": [{"role": "user"}], "tools": [F]}),
        ('{"model": "m"}', {"model": "m", "tools": [F]}),
        ('{"model": "m", "tools": null}', {"model": "m", "tools": [F]}),
        ('{"tools": []}', {"tools": [F]}),
        (json.dumps({"tools": [G, G]}), {"tools": [G, G, F]}),
        (json.dumps({"tools": [tool("f", description="mine"), G]}), {"tools": [tool("f", description="mine"), G]}),
        ("Hello", {"prompt": "Hello", "tools": [F]}),
        ("[not JSON", {"prompt": "[not JSON", "tools": [F]}),
        ('"a JSON string"', {"prompt": "a JSON string", "tools": [F]}),
        ("", {"tools": [F]}),
    ],
)
def test_section_14_1_new_input(text: str, expected: Any) -> None:
    assert join({"gen_ai.tool.definitions": [F]}, text)[0] == expected


@pytest.mark.parametrize(
    "text", ["5", "-1.5", "true", "false", '{"tools": "text"}', '{"tools": [5]}', '{"tools": [{"type": "x"}]}']
)
def test_section_14_1_an_input_that_takes_no_tools_stays_and_so_does_the_metadata(text: str) -> None:
    metadata = {"tools": [F]}
    found, _ = join_definitions(Span(), metadata, text)
    assert (found, metadata) == (text, {"tools": [F]})


def test_section_14_1_an_input_that_has_all_tools_stays_as_it_was_sent() -> None:
    text = '{ "tools" : [ {"name" : "f", "input_schema" : {}} ] }'
    attributes = {"input.value": text, "llm.tools.0.tool.json_schema": '{"name": "f"}'}
    span = Span(attributes=attributes)
    given = stored(input_output(span)[0])
    assert join_definitions(span, {}, given) == (text, {"f": '{"parameters":{}}'})


def test_an_input_that_was_built_is_not_parsed_again() -> None:
    assert join({"gen_ai.tool.definitions": [F]}, "text of it", value=[{"role": "user"}])[0] == {
        "messages": [{"role": "user"}],
        "tools": [F],
    }


def test_joining_changes_neither_the_attributes_nor_what_is_parsed_of_them() -> None:
    attributes = {"gen_ai.tool.definitions": json.dumps([G]), "input.value": json.dumps({"tools": [F]})}
    span = Span(attributes=attributes)
    first = join_definitions(span, {}, attributes["input.value"])
    assert join_definitions(span, {}, attributes["input.value"]) == first
    assert span.json("input.value") == {"tools": [F]}


# The column


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"name": "f", "description": "d", "parameters": {"a": 1}}, '{"description":"d","parameters":{"a":1}}'),
        ({"name": "f", "parameters_json_schema": {"a": 1}}, '{"parameters":{"a":1}}'),
        ({"name": "f", "inputSchema": {"a": 1}}, '{"parameters":{"a":1}}'),
        ({"name": "f", "parameters": {"a": 1}, "inputSchema": {"b": 1}}, '{"parameters":{"a":1}}'),
        ({"function": {"name": "f", "parameters": "{}"}, "description": "outer"}, '{"parameters":"{}"}'),
        ({"name": "f"}, "{}"),
        ('{"name": "f", "description": "in text"}', '{"description":"in text"}'),
    ],
)
def test_section_14_1_definitions_of_the_input(entry: Any, expected: str) -> None:
    assert join({}, json.dumps({"tools": [entry]}))[1] == {"f": expected}


def test_section_14_1_definitions_of_messages() -> None:
    messages = [
        {"role": "system", "tools": [F]},
        {"role": "tool", "content": G},
        {"role": "tool", "content": "result"},
        {"role": "user", "content": tool("h")},
    ]
    expected = {name: DEFINED[name] for name in "fg"}
    assert join({}, json.dumps({"messages": messages})) == ({"messages": messages}, expected)
    assert join({}, json.dumps(messages, separators=(",", ":"))) == (messages, expected)


def test_text_without_definitions_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("parsed")

    monkeypatch.setattr("worker.map.tools.read", never)
    for text in ("plain", '{"messages": []}', "tools " * 1000, '[{"role": "tool", "content": "18"}]'):
        assert join_definitions(Span(), {}, text) == (text, {})


# Bad input

HOSTILE: list[Any] = [
    None, "", "x", "[", "{", "[" * 2000, '{"tools":' + "[" * 500 + "]" * 500 + "}", 0, 2**70, 1.5, True, [], {}, [[]],
    [None], [{"name": ["f"]}], [{"name": {}}], [{"function": []}], [{"function": {"name": 5}}], {"tools": 5},
    {"messages": 5}, {"messages": [5, {"tools": 5}, {"role": [], "content": []}]}, {"tools": [{"name": ""}]},
    [{"name": "f", "parameters": float("nan")}], '{"tools":[{"name":"f","tools":[]}]}', {"function_tools": {"a": 1}},
]  # fmt: skip
KEYS = [
    "ai.prompt.tools", "gen_ai.tool.definitions", "model_request_parameters", "llm.tools.0.tool.json_schema",
    "llm.tools.99999999999999999999.tool.json_schema", "llm.tools..tool.json_schema", "llm.tools.².tool.json_schema",
    "llm.tools.tool.json_schema", "mlflow.chat.tools", "lk.function_tools", "llm.tools." + "9" * 5000 + ".tool.json_schema",
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_any_value_in_any_attribute_is_survived(key: str) -> None:
    for value in HOSTILE:
        for given in HOSTILE:
            text, definitions = join_definitions(Span(attributes={key: value}), {"tools": given}, stored(given), given)
            assert isinstance(text, str)
            assert all(isinstance(part, str) for pair in definitions.items() for part in pair)


def test_functions_listed_beside_the_input_are_definitions_and_the_input_stays() -> None:
    attributes = {
        "llm.request.functions.0.name": "get_weather",
        "llm.request.functions.0.description": "Weather in a city",
        "llm.request.functions.0.parameters": '{"type": "object"}',
        "llm.request.functions.1.name": "now",
        "llm.request.functions.2": "no tool",
    }
    text, found = join_definitions(Span(attributes=attributes), {}, "[]")
    assert text == "[]"
    assert {name: json.loads(definition) for name, definition in found.items()} == {
        "get_weather": {"description": "Weather in a city", "parameters": {"type": "object"}},
        "now": {},
    }
