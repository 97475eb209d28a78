"""Who is let in, and the one shape of errors, whatever the route."""

from __future__ import annotations

import pytest

from tests.web.api.support import Client


@pytest.mark.parametrize(("method", "path"), [("GET", "/nothing/here"), ("GET", "/prompts"), ("POST", "/media")])
async def test_unknown_routes_are_404_in_json(client: Client, method: str, path: str) -> None:
    reply = await client.call(method, path)
    assert reply.status == 404
    assert reply.headers["Content-Type"].startswith("application/json")
    assert reply.json["error"] == "LangfuseNotFoundError"
    assert isinstance(reply.json["message"], str)
