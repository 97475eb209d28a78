"""A client of the Model Context Protocol, as an agent's program is one, with `litefuse mcp` at the other end of its pipes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent

from tests.processes import REPO


def command(data_dir: Path, *arguments: str) -> StdioServerParameters:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("LITEFUSE_")}
    return StdioServerParameters(
        command=sys.executable,
        args=["-m", "litefuse", "mcp", "--data-dir", str(data_dir), *arguments],
        env=environment,
        cwd=REPO,
    )


@asynccontextmanager
async def agent(data_dir: Path, *arguments: str) -> AsyncIterator[Client]:
    async with Client(command(data_dir, *arguments), read_timeout_seconds=60) as client:
        yield client


def text(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


async def ask(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """What a call that has to succeed gives: the same as text and as a structure."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, text(result)
    assert isinstance(result.structured_content, dict)
    assert json.loads(text(result)) == result.structured_content
    return result.structured_content


async def refusal(client: Client, tool: str, **arguments: Any) -> str:
    """The sentence of a call that has to fail."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    return text(result)
