"""Events of POST /ingestion into the table `ingestion_events`, what they say together into the log (public-api.md section 8).

    store the events → read all events of their objects → put them together → publish → answer

A request is answered when its events are stored and the log has the rows. When one of the two fails all of it is sent again,
which changes nothing: events have ids, and rows say how much is known in them (`ingestion_rows.version`), so that of two
processes that work on one object at once the one that has read both events wins, whoever is last.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import ValidationError

from litefuse.clickhouse.asking import Inserting
from litefuse.errors import LogUnavailable, StoreError
from litefuse.http.status import PROTOBUF
from litefuse.log.base import TRACES, Headers, Log
from litefuse.log.sender import Sender
from litefuse.otlp.check import Window
from litefuse.telemetry import logs
from web.api.group import Group, later
from web.api.ingestion_events import OBSERVATION, TRACE, Event, parsed
from web.api.ingestion_rows import rows, trace_of, version
from web.api.ingestion_spans import Record, records
from web.api.values import dumps, loads
from web.queries import ingestion as queries
from web.queries.ingestion import NewEvent, Stored

logger = logging.getLogger("litefuse.web")

#: What may wait, and what is worked on at once, bytes of events.
_WAITING_BYTES = 64 << 20
_TOGETHER_BYTES = 8 << 20
#: Seconds that the log has.
_PUBLISH_S = 8.0
#: Bytes kept free in a record for its key.
_KEY_BYTES = 32

#: Kind of an object, and its id.
Object = tuple[str, str]
Known = dict[Object, dict[str, Event]]


@dataclass(frozen=True, slots=True)
class Sent:
    """The valid events of a request."""

    sender: Sender
    events: Sequence[Event]


class IngestionWriter:
    """Belongs to one event loop."""

    def __init__(self, store: Inserting, log: Log) -> None:
        self._store = store
        self._log = log
        self._group: Group[Sent] = Group("ingestion", self._work, _WAITING_BYTES, _TOGETHER_BYTES)
        self._last = 0

    def now(self, events: int) -> int:
        """Unix ns, before which no event has come, and so many more for those of a request."""
        found = max(time.time_ns(), self._last + 1)
        self._last = found + events
        return found

    async def write(self, sent: Sent, size: int) -> None:
        """Returns when the events are stored and the log has what they say. Raises LogError, and ApiError 503."""
        if not sent.events:
            return
        try:
            await self._group.add(sent, size)
        except StoreError as error:
            logs.event(logger, logging.WARNING, "events are not stored", error=str(error), events=len(sent.events))
            # Whatever it is, SDKs have to repeat it: of 422, which a read gets that takes too long, they would not.
            raise later() from None

    async def close(self) -> None:
        """Works on what waits, for a bounded time. Idempotent."""
        await self._group.close()

    # -- one group of requests -----------------------------------------------------------------------------------------

    async def _work(self, together: Sequence[Sent]) -> None:
        projects: dict[str, list[Sent]] = {}
        for sent in together:
            projects.setdefault(sent.sender.project_id, []).append(sent)
        new: list[NewEvent] = []
        for project_id, of_project in projects.items():
            traces = await self._traces(project_id, of_project)
            new += await asyncio.to_thread(_rows, of_project, traces)
        await queries.insert(self._store, new)
        for project_id, of_project in projects.items():
            await self._publish(project_id, of_project)

    async def _traces(self, project_id: str, together: Sequence[Sent]) -> Mapping[Object, str]:
        """The trace of each object: most events say it, of others it may have been said before."""
        known = by_object(event for sent in together for event in sent.events)
        silent = [object_ for object_, events in known.items() if any(not e.trace_id for e in events.values())]
        if silent:
            stored = await self._stored(project_id, silent)
            known |= {object_: {**stored.get(object_, ({}, {}))[0], **known[object_]} for object_ in silent}
        return {object_: trace_of(events.values()) for object_, events in known.items()}

    async def _publish(self, project_id: str, together: Sequence[Sent]) -> None:
        known = by_object(event for sent in together for event in sent.events)
        stored = await self._stored(project_id, list(known))
        # What was sent just now is known also when another replica of ClickHouse was read, which has it not yet.
        merged = {object_: {**stored.get(object_, ({}, {}))[0], **events} for object_, events in known.items()}
        senders: dict[Sender, dict[Object, None]] = {}
        for sent in together:
            senders.setdefault(sent.sender, {}).update(dict.fromkeys(e.object for e in sent.events))
        for sender, objects in senders.items():
            found = await asyncio.to_thread(self._planned, sender, [merged[object_] for object_ in objects])
            await self._send(sender, found)
        for object_, (events, traces) in stored.items():
            await self._move(together[-1].sender, object_, merged[object_], events, traces)

    async def _stored(
        self, project_id: str, objects: Sequence[Object]
    ) -> dict[Object, tuple[dict[str, Event], dict[str, str]]]:
        """What is stored of these objects: events by id, and the trace that each of their rows names."""
        found: dict[Object, tuple[dict[str, Event], dict[str, str]]] = {}
        for kind in (TRACE, OBSERVATION):
            ids = [id_ for of_kind, id_ in objects if of_kind == kind]
            read = await queries.of_objects(self._store, project_id, kind, ids)
            for row, event in zip(read, await asyncio.to_thread(_events, read), strict=True):
                if event is not None:
                    events, traces = found.setdefault(event.object, ({}, {}))
                    events[event.id], traces[event.id] = event, row.trace_id
        return found

    def _planned(self, sender: Sender, objects: Iterable[Mapping[str, Event]]) -> tuple[list[Record], int]:
        """Records of all objects, and when they were received."""
        now = time.time_ns()
        oldest = Window.of(now, sender.retention_days).oldest
        found = []
        for events in objects:
            order = version(list(events.values()))
            # Of what has expired meanwhile nothing is kept.
            found += [(row, order) for row in rows(events.values()) if row.start_ns >= oldest]
        most = self._log.max_value_bytes(_headers(sender, now)) - _KEY_BYTES
        return list(records(found, most)), now

    async def _send(self, sender: Sender, planned: tuple[list[Record], int]) -> None:
        """Raises LogError."""
        found, now = planned
        headers = _headers(sender, now)
        try:
            async with asyncio.timeout(_PUBLISH_S):
                # When some fail, others may be there: all is sent again, and the copies collapse.
                results = await asyncio.gather(
                    *(self._log.publish(TRACES, record.value, headers, record.key) for record in found),
                    return_exceptions=True,
                )
        except TimeoutError as error:
            raise LogUnavailable("the log did not confirm in time") from error
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _move(
        self,
        sender: Sender,
        object_: Object,
        merged: Mapping[str, Event],
        stored: Mapping[str, Event],
        traces: Mapping[str, str],
    ) -> None:
        """Rows of an object that name no trace, or another than it turned out to have: a deletion of the trace has to find
        them."""
        trace = trace_of(merged.values())
        wrong = [event for id_, event in stored.items() if traces[id_] != trace]
        if trace and wrong:
            await queries.insert(self._store, [_row(sender, event, {object_: trace}) for event in wrong])
            await queries.forget(self._store, sender.project_id, *object_, trace)


def _headers(sender: Sender, received_at: int) -> Headers:
    return sender.headers(PROTOBUF, "", received_at)


def by_object(events: Iterable[Event]) -> Known:
    """Events by their ids, the last of each, by object."""
    found: Known = {}
    for event in events:
        found.setdefault(event.object, {})[event.id] = event
    return found


def numbered(events: Iterable[Event], received_ns: int) -> list[Event]:
    """The events of a request in their order, each received a nanosecond after the one before."""
    return [replace(event, received_ns=received_ns + place) for place, event in enumerate(events)]


def _rows(together: Iterable[Sent], traces: Mapping[Object, str]) -> list[NewEvent]:
    return [_row(sent.sender, event, traces) for sent in together for event in sent.events]


def _row(sender: Sender, event: Event, traces: Mapping[Object, str]) -> NewEvent:
    return NewEvent(
        sender.project_id,
        *event.object,
        event.id,
        traces[event.object],
        event.type,
        event.at_ns,
        dumps(event.sent).decode("utf-8"),
        event.received_ns,
        sender.retention_days,
    )


def _events(stored: Iterable[Stored]) -> list[Event | None]:
    found: list[Event | None] = []
    for row in stored:
        try:
            found.append(parsed(row.event_id, row.type, row.at_ns, loads(row.body.encode()), row.received_ns))
        except (ValidationError, ValueError):  # written by a version that takes more
            found.append(None)
    return found
