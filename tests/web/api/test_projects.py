"""GET /projects, and what health and ready say (public-api.md section 2)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from litefuse.keys import KeyStore
from tests.embedded.server import Server
from tests.web.api.support import INGEST, PROJECTS, READ, Client, api
from tests.web.queries.support import MONDAY, Span, insert


@pytest.mark.parametrize("keys", [*PROJECTS.values(), READ, INGEST])
async def test_the_project_of_the_key(client: Client, keys: tuple[str, str]) -> None:
    """Also of a key for ingest alone: SDKs ask for it whatever they do next."""
    id_ = "other" if keys == PROJECTS["other"] else "p"
    reply = await client.get("/projects", keys=keys)
    assert reply.json == {
        "data": [{"id": id_, "name": id_, "organization": {"id": "litefuse", "name": "litefuse"}, "metadata": {}}]
    }


async def test_name_and_retention(server: Server, tmp_path: Path) -> None:
    async with api(server, tmp_path, retention_days=30) as client:
        made = KeyStore(client.store)
        kept = await made.create("Shop, Üml & Co", project_id="shop", retention_days=7)
        keys = (kept.pair.public_key, kept.pair.secret_key.reveal())
        [project] = (await client.get("/projects", keys=keys)).data
        assert (project["id"], project["name"], project["retentionDays"]) == ("shop", "Shop, Üml & Co", 7)
        [project] = (await client.get("/projects")).data
        assert project["retentionDays"] == 30


@pytest.mark.parametrize(("method", "path"), [("POST", "/projects"), ("PUT", "/projects/p"), ("DELETE", "/projects/p")])
async def test_projects_are_not_changed_with_a_key(client: Client, method: str, path: str) -> None:
    reply = await client.call(method, path, body={"name": "x"})
    assert (reply.status, set(reply.json)) == (403, {"message", "error"})
    assert (await client.call(method, path, keys=None)).status == 401


async def test_without_a_valid_key(client: Client) -> None:
    assert (await client.get("/projects", keys=None)).json["message"] == "No authorization header"
    assert (await client.get("/projects", keys=("pk-lf-p", "wrong"))).status == 401
    assert (await client.get("/projects", keys="pk-lf-p")).status == 403


# -- health --------------------------------------------------------------------------------------------------------------


async def status(client: Client, path: str, query: dict[str, Any]) -> int:
    reply = await client.get(path, query, keys=None)
    assert set(reply.json) >= {"status", "version"}
    assert (reply.json["status"] == "OK") == (reply.status == 200)
    return reply.status


async def becomes(wanted: int, client: Client, path: str, query: dict[str, Any]) -> None:
    async with asyncio.timeout(20):
        while await status(client, path, query) != wanted:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("query", [{}, {"failIfDatabaseUnavailable": "true"}, {"failIfNoRecentEvents": "false"}])
async def test_health(client: Client, query: dict[str, Any]) -> None:
    await becomes(200, client, "/health", query)
    await becomes(200, client, "/ready", query)


async def test_health_without_a_database(server: Server, tmp_path: Path) -> None:
    async with api(server, tmp_path) as client:
        query = {"failIfDatabaseUnavailable": "true"}
        await becomes(200, client, "/health", query)
        await client.store.close()
        await becomes(503, client, "/health", query)
        await becomes(503, client, "/ready", {})
        assert await status(client, "/health", {}) == 200


async def test_health_fails_without_recent_events(server: Server, tmp_path: Path) -> None:
    query = {"failIfNoRecentEvents": "true"}
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
    async with api(server, tmp_path / "1") as client:
        answer = server.ask("SELECT count() FROM spans WHERE received_at > now() - 200", database="litefuse")
        assert answer.text.strip() == "0"
        reply = await client.get("/health", query, keys=None)
        assert reply.status == 503
        assert (reply.json["status"], reply.json["version"]) == ("no spans within 3 minutes", reply.json["version"])
    insert(server, [Span("c" * 32, "d" * 16, MONDAY)])  # received in the future
    async with api(server, tmp_path / "2") as client:
        assert (await client.get("/health", query, keys=None)).status == 200
