"""What an operator sees of POST /ingestion."""

from __future__ import annotations

from litefuse.telemetry import metrics as m
from tests.web.api.support import Client

TIME = "2026-06-01T00:00:00Z"


def counted(result: str) -> float:
    return m.REGISTRY.get_sample_value("litefuse_ingestion_events_total", {"result": result}) or 0.0


async def test_events_are_counted_by_what_became_of_them(client: Client) -> None:
    stored, refused = counted("stored"), counted("refused")
    batch = [
        {"id": "e1", "type": "trace-create", "timestamp": TIME, "body": {"id": "counted"}},
        {"id": "e2", "type": "span-create", "timestamp": TIME, "body": {"id": "s", "traceId": "counted"}},
        {"id": "e3", "type": "nothing-like-it", "timestamp": TIME, "body": {}},
    ]
    reply = await client.call("POST", "/ingestion", body={"batch": batch})
    assert (reply.status, len(reply.json["errors"])) == (207, 1)
    assert (counted("stored") - stored, counted("refused") - refused) == (2, 1)
