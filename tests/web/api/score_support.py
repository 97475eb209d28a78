"""Scores for tests: as they are sent, and what is stored of them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from tests.web.api.support import Client, Reply

_numbers = itertools.count()


def fresh(what: str = "score") -> str:
    """An id that no other test has."""
    return f"{what}-{next(_numbers)}"


def body(**said: Any) -> dict[str, Any]:
    """A numeric score of a trace, unless something else is said; None leaves a key out."""
    whole = {"id": fresh(), "name": "quality", "value": 0.5, "traceId": fresh("trace"), **said}
    return {key: value for key, value in whole.items() if value is not None}


async def post(client: Client, **said: Any) -> str:
    """The id of a score that has to be taken."""
    reply = await client.call("POST", "/scores", body=body(**said))
    assert reply.status == 200, reply.body
    id_: str = reply.json["id"]
    return id_


async def get(client: Client, id_: str, **how: Any) -> dict[str, Any] | None:
    """As v2 has it; None for none."""
    reply: Reply = await client.get(f"/v2/scores/{id_}", **how)
    if reply.status == 404:
        assert reply.json == {"message": "Score not found", "error": "LangfuseNotFoundError"}
        return None
    assert reply.status == 200, reply.body
    found: dict[str, Any] = reply.json
    return found


async def stored(client: Client, id_: str, project: str = "p") -> list[Mapping[str, Any]]:
    """All rows of an id, replaced ones and those that hide it too, the newest first."""
    names = ("deleted", "value", "name", "trace_id", "comment", "metadata", "string_value", "version", "retention_days")
    rows = await client.store.rows(
        f"SELECT {', '.join(names)} FROM scores WHERE project_id = {{p:String}} AND id = {{i:String}} "
        "ORDER BY version DESC",
        {"p": project, "i": id_},
        settings={"final": "0"},
    )
    return [dict(zip(names, row, strict=True)) for row in rows]
