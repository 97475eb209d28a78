"""What an agent gets wrong in the arguments of a tool: it is told so, in a sentence, before anything is looked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.agents import agent, refusal
from web.api.observation import LEVELS, TYPES

TYPES_SAID = (
    "type: should be 'SPAN', 'GENERATION', 'EVENT', 'AGENT', 'TOOL', 'CHAIN', 'RETRIEVER', 'EVALUATOR', 'EMBEDDING' or "
    "'GUARDRAIL', not 'GENERATON'"
)


async def test_enumerations_are_in_the_schema(tmp_path: Path) -> None:
    async with agent(tmp_path) as client:
        tools = {tool.name: tool.input_schema["properties"] for tool in (await client.list_tools()).tools}
    found = tools["list_observations"]
    assert found["type"]["anyOf"][0] == {"enum": list(TYPES), "type": "string"}
    assert found["level"]["anyOf"][0] == {"enum": list(LEVELS), "type": "string"}
    places = tools["search"]["places"]["anyOf"][0]
    assert places == {"type": "array", "items": {"enum": ["name", "input", "output", "metadata"], "type": "string"}}


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        (
            "list_traces",
            {"foo": 1},
            "no argument 'foo'; there are limit, name, user_id, session_id, environment, tags, ",
        ),
        ("list_traces", {"user": "ann"}, "no argument 'user'; did you mean user_id? There are limit, name, user_id, "),
        (
            "get_trace",
            {"traceId": "x"},
            "trace_id: is missing; no argument 'traceId'; did you mean trace_id? There are ",
        ),
        (
            "query_sql",
            {"query": "SELECT 1", "limits": 1},
            "no argument 'limits'; did you mean limit? There are query, limit",
        ),
        ("describe_tables", {"tables": "spans"}, "no argument 'tables'; did you mean table? There are table"),
        ("list_observations", {"type": "GENERATON"}, TYPES_SAID),
        (
            "list_observations",
            {"level": "loud"},
            "level: should be 'DEBUG', 'DEFAULT', 'WARNING' or 'ERROR', not 'LOUD'",
        ),
        (
            "search",
            {"text": "x", "places": ["id"]},
            "places.0: should be 'name', 'input', 'output' or 'metadata', not 'id'",
        ),
        ("list_traces", {"limit": 0}, "limit: should be greater than or equal to 1"),
        ("list_traces", {"limit": "many"}, "limit: should be a valid integer, unable to parse string as an integer"),
        ("list_traces", {"tags": "one"}, "tags: should be a valid list"),
        ("list_traces", {"tags": "[one"}, "tags: should be a valid list"),
        ("search", {"text": ""}, "text: string should have at least 1 character"),
        ("search", {"text": "x", "key": "k"}, "`key` is one of metadata: put metadata into `places`"),
        ("list_observations", {"since": "yesterday"}, "since: "),
        ("search", {"text": "x", "until": "tomorrow"}, "until: "),
    ],
)
async def test_what_is_wrong_is_said(tool: str, arguments: dict[str, Any], said: str, tmp_path: Path) -> None:
    async with agent(tmp_path) as client:
        text = await refusal(client, tool, **arguments)
    assert text.startswith(f"Error executing tool {tool}: {said}")
    assert "pydantic" not in text
    assert "\n" not in text


@pytest.mark.parametrize("type_", ["generation", "Generation", "GENERATION"])
async def test_enumerations_are_understood_in_any_case(type_: str, tmp_path: Path) -> None:
    """Nothing runs: arguments that can be are refused for that alone."""
    async with agent(tmp_path) as client:
        for arguments in ({"type": type_}, {"level": "error"}, {"type": None, "level": "Warning"}):
            assert "Litefuse does not run" in await refusal(client, "list_observations", **arguments)
        assert "Litefuse does not run" in await refusal(client, "search", text="x", places=["Name", "OUTPUT"])
