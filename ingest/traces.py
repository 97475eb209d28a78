"""The way of a request (architecture sections 1, 4 and 5):

    authenticate → read, bounded → inflate → check ids and times of every span → cut out what cannot be kept
    → split what the log does not take in one piece → publish → answer, when it is durable

No span becomes an object. The steps that cost CPU run here for small bodies, and in a thread for others, so that the
event loop stays free for the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from aiohttp import web

from ingest.answer import success
from ingest.batch import SMALL_BYTES, Batch, Batcher
from ingest.body import read_body
from ingest.inflight import Budget, Lease
from ingest.plan import Plan, one_trace, plan, plan_quickly
from ingest.publish import Clock, Publisher, refused_by_log
from litefuse.errors import LogError, LogUnavailable, RecordTooLarge, RequestError
from litefuse.http.auth import Keys
from litefuse.http.status import JSON, PROTOBUF, encoding_of, media_type, refusal
from litefuse.keys import Scope
from litefuse.log.base import Headers, Log
from litefuse.log.sender import Sender
from litefuse.otlp import BodyError
from litefuse.settings import Settings
from litefuse.telemetry import metrics as m

#: Kept free in a record for its key.
_KEY_BYTES = 32
_ENCODINGS = frozenset(("", "identity", "gzip", "deflate", "zstd"))


class Traces:
    """Handler of `POST …/v1/traces`."""

    def __init__(self, settings: Settings, log: Log, keys: Keys, budget: Budget) -> None:
        self._settings = settings
        self._keys = keys
        self._budget = budget
        self._clock = Clock()
        self.publisher = Publisher(log, settings.publish_timeout_s)
        self._batcher = Batcher(self._send_batch, self._clock)
        # JSON takes many times its size in memory while it is converted: one at a time.
        self._threads = {PROTOBUF: ThreadPoolExecutor(2, "ingest"), JSON: ThreadPoolExecutor(1, "ingest-json")}

    async def post(self, request: web.Request) -> web.StreamResponse:
        content_type = request.headers.get("Content-Type")
        try:
            return await self._take(request, encoding_of(content_type))
        except RequestError as refused:
            if "Expect" in request.headers:
                refused.close = True  # its body may or may not follow
            return refusal(refused, content_type)
        except BodyError as bad:
            return refusal(RequestError(bad.status, str(bad), close=bad.status == 413), content_type)
        except LogError as failed:
            return refusal(refused_by_log(failed), content_type)

    async def _take(self, request: web.Request, answer: str) -> web.Response:
        headers = request.headers
        key = await self._keys.authenticate(headers.get("Authorization"))
        if not key.scope.allows(Scope.INGEST):
            raise RequestError(
                403, f"the key {key.public_key} is for reading only: send with one of scope ingest or all"
            )
        media = _media(headers.get("Content-Type"))
        encoding = _encoding(headers.getall("Content-Encoding", ()))
        sender = Sender.of(key, self._settings.retention_days, headers)
        with self._budget.lease() as lease:
            body = await read_body(request, self._settings.max_body_bytes, lease)
            m.REQUEST_BYTES.inc(len(body))
            if media == PROTOBUF and not encoding and len(body) <= SMALL_BYTES:
                batch = self._batcher.batch(sender)
                done = _plan_small(body, batch)
                if done is not None and await self._publish_small(batch, body, done):
                    return _answer(done, answer)
            received_at = self._clock.now()
            done = await self._keep(_Request(body, media, encoding, received_at, sender), lease)
            return _answer(done, answer)

    async def _keep(self, request: _Request, lease: Lease) -> Plan:
        """Plan and publish. Anew, when the log turns out to take less in one record than it was known to."""
        limit = self._value_limit(request)
        while True:
            done = await self._plan(request, limit)
            if done.values and done.values[0] is not request.body:
                lease.grow(sum(map(len, done.values)))
            try:
                await self._publish(done, request)
            except RecordTooLarge as error:
                if error.limit >= limit:
                    raise LogUnavailable("the log refuses a record within its own limit") from error
                limit = min(error.limit, limit) - _KEY_BYTES
            else:
                return done

    # -- planning ------------------------------------------------------------------------------------------------------

    def _value_limit(self, request: _Request) -> int:
        # Of the header sets it may be published with, the longest.
        return self.publisher.max_value_bytes(request.headers(PROTOBUF, request.encoding)) - _KEY_BYTES

    async def _plan(self, request: _Request, limit: int) -> Plan:
        arguments = (request.body, request.media, request.encoding, request.received_at, request.sender.retention_days)
        done = plan_quickly(*arguments, limit)
        if done is not None:
            return done
        most = self._settings.max_body_bytes
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads[request.media], plan, *arguments, most, limit)

    # -- publishing ----------------------------------------------------------------------------------------------------

    async def _publish(self, done: Plan, request: _Request) -> None:
        if done.values:
            key = one_trace(done.values[0], done.count) if done.media == PROTOBUF and not done.encoding else None
            await self.publisher.publish_all(done.values, request.headers(done.media, done.encoding), key)

    async def _publish_small(self, batch: Batch, body: bytes, done: Plan) -> bool:
        """False when the log does not even take that much in one record."""
        if not done.count:
            return True
        try:
            await self._batcher.add(batch, body, done.count)
        except RecordTooLarge:
            return False
        return True

    async def _send_batch(self, batch: Batch) -> None:
        headers = batch.sender.headers(PROTOBUF, "", batch.received_at)
        if len(batch.bodies) == 1:
            await self.publisher.publish(batch.bodies[0], headers, one_trace(batch.bodies[0], batch.spans))
        else:
            await self.publisher.publish(b"".join(batch.bodies), headers)

    async def close(self) -> None:
        await self._batcher.close()
        for pool in self._threads.values():
            pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class _Request:
    """A request that goes into records of its own."""

    body: bytes
    media: str
    encoding: str
    received_at: int
    sender: Sender

    def headers(self, media: str, encoding: str) -> Headers:
        return self.sender.headers(media, encoding, self.received_at)


def _plan_small(body: bytes, batch: Batch) -> Plan | None:
    """The plan for a body that may share a record with others; None when it has to go alone: something in it is refused,
    or depends on which spans are in the record."""
    done = plan_quickly(body, PROTOBUF, "", batch.received_at, batch.sender.retention_days, SMALL_BYTES)
    return None if done is None or done.rejected or done.timeless else done


# -- what headers say, and what is answered; pure ------------------------------------------------------------------------


def _media(content_type: str | None) -> str:
    media = media_type(content_type)
    if media not in (PROTOBUF, JSON):
        raise RequestError(415, f"Content-Type is neither {PROTOBUF} nor {JSON}")
    return media


def _encoding(values: Sequence[str]) -> str:
    encoding = ",".join(values).strip().lower()
    if encoding not in _ENCODINGS:
        raise RequestError(415, "Content-Encoding is none of gzip, deflate, zstd, identity")
    return "" if encoding == "identity" else encoding


def _answer(done: Plan, answer: str) -> web.Response:
    """Counts what was accepted, and says what was not."""
    m.REQUEST_INFLATED_BYTES.inc(done.inflated)
    for reason, number in done.rejected.items():
        m.SPANS_REJECTED.labels(reason=reason.value).inc(number)
    if done.count and not done.values:
        raise RequestError(400, done.text)
    m.REQUEST_SPANS.inc(done.count)
    return success(answer, sum(done.rejected.values()), done.text)
