"""Senders for fault tests: OTLP requests at a bounded rate, never one twice, and a record of what was acknowledged.

Every span carries (run, seq). An acknowledged sequence is a promise: it has to be in ClickHouse exactly once. A sequence that
was refused, or never answered, may be there once or not at all; it is never sent again, so twice is a fault too.
"""

from __future__ import annotations

import asyncio
import gzip
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp
import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

#: Answers to a good request that a sender may get. Anything else is a fault of ingest.
ALLOWED = (200, 429, 503)
_WEEK_NS = 7 * 86_400 * 10**9
_PROTOBUF = "application/x-protobuf"
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Body:
    headers: dict[str, str]
    data: bytes
    sequences: range


def protobuf(run: str, sequences: range, weeks: int, r: random.Random, now_ns: int) -> bytes:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "faults"
    spans = resource.scope_spans.add().spans
    trace_id = r.randbytes(16)
    for seq in sequences:
        start = now_ns - r.randrange(max(1, weeks * _WEEK_NS))
        span = spans.add(trace_id=trace_id, span_id=(seq + 1).to_bytes(8, "big"), name=f"span {seq % 10}")
        span.start_time_unix_nano = start
        span.end_time_unix_nano = start + r.randrange(10**9)
        span.attributes.add(key="run").value.string_value = run
        span.attributes.add(key="seq").value.int_value = seq
        span.attributes.add(key="text").value.string_value = "x" * r.choice((10, 200, 2000))
    data: bytes = request.SerializeToString()
    return data


def as_json(data: bytes) -> bytes:
    """The same request as OTLP/JSON."""
    request = ExportTraceServiceRequest.FromString(data)
    spans = [
        {
            "traceId": span.trace_id.hex(),
            "spanId": span.span_id.hex(),
            "name": span.name,
            "startTimeUnixNano": str(span.start_time_unix_nano),
            "endTimeUnixNano": str(span.end_time_unix_nano),
            "attributes": [
                {
                    "key": a.key,
                    "value": {"intValue": str(a.value.int_value)}
                    if a.value.HasField("int_value")
                    else {"stringValue": a.value.string_value},
                }
                for a in span.attributes
            ],
        }
        for span in request.resource_spans[0].scope_spans[0].spans
    ]
    return orjson.dumps({"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": spans}]}]})


def body(run: str, sequences: range, weeks: int, r: random.Random, now_ns: int) -> Body:
    """One request: protobuf or JSON, some of it compressed."""
    data = protobuf(run, sequences, weeks, r, now_ns)
    headers = {"Content-Type": _PROTOBUF}
    if r.random() < 0.25:
        data, headers["Content-Type"] = as_json(data), _JSON
    if r.random() < 0.3:
        data, headers["Content-Encoding"] = gzip.compress(data, 1), "gzip"
    return Body(headers, data, sequences)


def rejected(content_type: str, answer: bytes) -> int:
    """How many spans an acknowledgement says were not kept."""
    if content_type == _JSON:
        partial = orjson.loads(answer).get("partialSuccess") or {}
        return int(partial.get("rejectedSpans") or 0)
    return int(ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans)


@dataclass
class Senders:
    """`start` sends from a thread until `stop`; the counters may be read meanwhile. `rate` is in requests a second, over
    all connections; `weeks` is how far back spans start, so in how many table partitions a block lies (plus one)."""

    urls: Sequence[str]
    public_key: str
    secret_key: str
    run: str
    rate: float = 60.0
    connections: int = 8
    weeks: int = 2
    seed: int = 1
    timeout: float = 30.0
    acknowledged: set[int] = field(default_factory=set)
    sent: int = 0
    in_flight: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    """What must not happen: an answer that blames a good request, a rejected span, a 503 without Retry-After."""
    slowest: float = 0.0
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _next_at: float = 0.0

    def __enter__(self) -> Senders:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Senders:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._send_all()), name="senders", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Send no more, and wait for the answers to what is on the way. Idempotent."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(self.timeout + 30)
            assert not self._thread.is_alive(), "senders do not end"
            self._thread = None

    async def _send_all(self) -> None:
        self._next_at = time.monotonic()
        timeout = aiohttp.ClientTimeout(total=self.timeout)
        connector = aiohttp.TCPConnector(limit=self.connections * 2)
        login = {"Authorization": aiohttp.encode_basic_auth(self.public_key, self.secret_key)}
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector, headers=login) as session,
            asyncio.TaskGroup() as tasks,
        ):
            for number in range(self.connections):
                tasks.create_task(self._send(session, random.Random(f"{self.seed}/{number}")))

    async def _send(self, session: aiohttp.ClientSession, r: random.Random) -> None:
        while not self._stopping.is_set():
            wait = self._next_at - time.monotonic()
            self._next_at = max(self._next_at, time.monotonic() - 1.0) + 1.0 / self.rate
            await asyncio.sleep(max(wait, 0.0))
            sequences = range(self.sent, self.sent + r.randint(1, 20))
            self.sent = sequences.stop
            await self._post(session, r.choice(self.urls), body(self.run, sequences, self.weeks, r, time.time_ns()))

    async def _post(self, session: aiohttp.ClientSession, url: str, body: Body) -> None:
        self.in_flight += 1
        started = time.monotonic()
        try:
            async with session.post(f"{url}/v1/traces", data=body.data, headers=body.headers) as response:
                self._judge(response, await response.read(), body)
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            self.answers[type(error).__name__] += 1
            await asyncio.sleep(0.05)  # nobody there: do not turn the rate into a storm of refused connections
        finally:
            self.in_flight -= 1
            self.slowest = max(self.slowest, time.monotonic() - started)

    def _judge(self, response: aiohttp.ClientResponse, answer: bytes, body: Body) -> None:
        self.answers[str(response.status)] += 1
        if response.status == 200:
            count = rejected(body.headers["Content-Type"], answer)
            if count:
                self.faults.append(f"{count} of {body.sequences} rejected: {answer!r}")
            else:
                self.acknowledged.update(body.sequences)
        elif response.status not in ALLOWED:
            self.faults.append(f"{response.status} for {body.sequences}: {answer[:300]!r}")
        elif "Retry-After" not in response.headers:
            self.faults.append(f"{response.status} without Retry-After")

    def summary(self) -> str:
        return f"{self.sent} spans sent, {len(self.acknowledged)} acknowledged, answers {dict(self.answers)}"
