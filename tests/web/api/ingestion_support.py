"""Batches for POST /ingestion, and what becomes of them: rows that are kept, and spans in the log."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from litefuse.ingested import SCOPE, VERSION
from litefuse.log.base import TRACES
from litefuse.otlp.schema import FULL_REQUEST
from tests.embedded.server import Server
from tests.web.api.support import Client, Reply


def iso(days: float = 0) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


def event(type_: str, body: Any, **more: Any) -> dict[str, Any]:
    return {"id": str(uuid.uuid4()), "type": type_, "timestamp": iso(), "body": body, **more}


async def send(client: Client, *events: Any, **more: Any) -> Reply:
    return await client.call("POST", "/ingestion", body={"batch": list(events), "metadata": {"sdk": 1}}, **more)


async def accepted(client: Client, *events: dict[str, Any], **more: Any) -> None:
    reply = await send(client, *events, **more)
    assert (reply.status, reply.json) == (
        207,
        {"successes": [{"id": e["id"], "status": 201} for e in events], "errors": []},
    )


async def spans(client: Client) -> list[dict[str, Any]]:
    """What the log has: attributes and times of each span."""
    found = []
    async for record in client.log.read(TRACES):
        for resource in FULL_REQUEST.FromString(record.value).resource_spans:
            for scope in resource.scope_spans:
                assert scope.scope.name.decode() == SCOPE
                for span in scope.spans:
                    texts = {a.key.decode(): a.value.string_value.decode() for a in span.attributes}
                    version = next(a.value.int_value for a in span.attributes if a.key.decode() == VERSION)
                    assert record.header("project_id") == "p"
                    found.append(
                        {
                            **texts,
                            "ids": (span.trace_id, span.span_id, span.parent_span_id),
                            "name": span.name.decode(),
                            "start": span.start_time_unix_nano,
                            VERSION: version,
                        }
                    )
    return found


def kept(server: Server, object_id: str) -> list[dict[str, Any]]:
    answer = server.ask(
        f"SELECT * FROM ingestion_events FINAL WHERE object_id = '{object_id}' ORDER BY received_at FORMAT JSONEachRow",
        database="litefuse",
    )
    assert answer.status == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]
