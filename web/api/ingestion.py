"""POST /ingestion: events of SDKs from before OpenTelemetry (public-api.md section 8)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from litefuse.keys import Scope
from litefuse.log.sender import Sender
from litefuse.otlp.check import Window
from litefuse.telemetry import metrics as m
from web.api import score_writer
from web.api.errors import issue, refused
from web.api.ingestion_events import Event, Refused, Rules, ScoreEvent, read
from web.api.ingestion_writer import Sent, numbered
from web.api.parameters import NoQuery
from web.api.route import Answer, Call, Route

#: 4.5 MB. SDKs send 2.5 MB at most.
MAX_BODY_BYTES = 4_718_592
#: Events of larger requests are read in a thread.
_SMALL_EVENTS = 50


class IngestionEvent(TypedDict):
    """`timestamp` is ISO 8601; `body` depends on the type."""

    id: Annotated[str, Field(min_length=1, max_length=800)]
    type: str
    timestamp: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    body: dict[str, Any]


class Batch(TypedDict):
    batch: list[IngestionEvent]
    metadata: NotRequired[Any]


class Success(TypedDict):
    """`id` is that of the event."""

    id: str
    status: int


class Failure(TypedDict):
    """`id` is that of the event."""

    id: str
    status: int
    message: NotRequired[str]
    error: NotRequired[Any]


class Ingested(TypedDict):
    successes: list[Success]
    errors: list[Failure]


async def ingest(call: Call, _: NoQuery) -> Answer:
    """207 with what became of each event, once all that were accepted are stored."""
    sent = await call.json(MAX_BODY_BYTES)
    batch = sent.get("batch") if isinstance(sent, Mapping) else None
    if not isinstance(batch, list):
        raise refused([issue("invalid_type", ["batch"], "batch is not a list of events")])
    writer = call.services.ingestion_writer
    sender = Sender.of(call.key, call.services.settings.retention_days, call.request.headers)
    now = writer.now(len(batch))
    rules = Rules(call.project_id, sender.retention_days, Window.of(now, sender.retention_days), call.bearer)
    if len(batch) > _SMALL_EVENTS:
        found = await asyncio.to_thread(_read, batch, rules)
    else:
        found = _read(batch, rules)
    await score_writer.write(call.services, [one.score for one in found if isinstance(one, ScoreEvent)])
    events = [one for one in found if isinstance(one, Event)]
    await writer.write(Sent(sender, numbered(events, now)), _size(call))
    m.INGESTION_EVENTS.labels(result="stored").inc(len(events))
    m.INGESTION_EVENTS.labels(result="refused").inc(sum(isinstance(one, Refused) for one in found))
    return Answer(_answer(found), 207)


def _read(batch: Sequence[Any], rules: Rules) -> list[Event | ScoreEvent | Refused]:
    found = (read(sent, rules) for sent in batch)
    return [one for one in found if one is not None]


def _answer(found: Sequence[Event | ScoreEvent | Refused]) -> dict[str, Any]:
    return {
        "successes": [{"id": one.id, "status": 201} for one in found if not isinstance(one, Refused)],
        "errors": [one.entry for one in found if isinstance(one, Refused)],
    }


def _size(call: Call) -> int:
    """Bytes that the events take: all that there may be, when the request does not tell."""
    told = None if "Content-Encoding" in call.request.headers else call.request.content_length
    return told or MAX_BODY_BYTES


ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/ingestion",
        ingest,
        "Traces, observations and scores as events, in a batch",
        "Ingestion",
        answer=Ingested,
        body=Batch,
        need=Scope.INGEST,
        bearer=True,
        status=207,
        errors=(413,),
    ),
)
