"""The log full, slow or down: 503 with Retry-After in time, and nothing acknowledged that is not durable (architecture
section 6, reliability rows 17 and 18)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from google.rpc import status_pb2

from litefuse.errors import LogError, LogFull, LogUnavailable
from tests.ingest.support import JSON, FaultyLog, Store, names, request, running
from tests.waiting import until

GOOD = request(count=1).SerializeToString()
LARGE = request(*[{"name": "x" * 1000}] * 100).SerializeToString()


@pytest.mark.parametrize("body", [GOOD, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    ("error", "after", "text"),
    [
        (LogFull("134217728 bytes wait for Kafka"), "1", "the log's buffer is full; try again"),
        (LogUnavailable("no broker at 10.0.0.1"), "2", "the log cannot be written now; try again"),
        (LogError("something else"), "2", "the log cannot be written now; try again"),
    ],
)
async def test_a_log_that_fails_is_503(body: bytes, error: LogError, after: str, text: str) -> None:
    log = FaultyLog(error=error)
    async with running(log) as to:
        answer = await to.post(body)
        assert (answer.status, answer.headers["Retry-After"]) == (503, after)
        assert status_pb2.Status.FromString(answer.body) == status_pb2.Status(code=14, message=text)
        answer = await to.post(b'{"resourceSpans": []}', {"Content-Type": JSON})
        assert answer.status == 200  # nothing to write
        log.error = None
        assert (await to.post(body)).status == 200
        assert len(log.records) == 1


@pytest.mark.parametrize("body", [GOOD, LARGE], ids=["small", "large"])
async def test_a_log_that_does_not_confirm_is_503_within_the_deadline(body: bytes) -> None:
    log = FaultyLog(hold=asyncio.Event())
    async with running(log, publish_timeout_s=0.3) as to:
        answers = await asyncio.gather(*(to.post(body) for _ in range(20)))
        assert {answer.status for answer in answers} == {503}
        assert to.ingest._budget.used == 0
        assert log.waiting == 0
        assert log.hold is not None
        log.hold.set()
        assert (await to.post(body)).status == 200


async def test_the_deadline_lies_below_the_exporters() -> None:
    """Ten seconds are the default of OpenTelemetry's exporters, whatever is set here."""
    async with running(FaultyLog(), publish_timeout_s=60) as to:
        assert to.ingest._traces.publisher._timeout_s < 9


async def test_requests_that_share_a_record_share_its_failure() -> None:
    log = FaultyLog(hold=asyncio.Event())
    async with running(log) as to:
        assert log.hold is not None
        first = asyncio.create_task(to.post(GOOD))
        await until(lambda: log.waiting)
        rest = [asyncio.create_task(to.post(GOOD)) for _ in range(30)]
        await until(lambda: log.waiting > 1)
        log.error = LogUnavailable("gone")
        log.hold.set()
        answers = [await first, *await asyncio.gather(*rest)]
        acknowledged = sum(answer.status == 200 for answer in answers)
        assert {answer.status for answer in answers} <= {200, 503}
        assert acknowledged == len(names([record.value for record in log.records]))


async def test_readiness_follows_the_log() -> None:
    log = FaultyLog(error=LogUnavailable("no broker"))
    async with running(log) as to:

        async def ready() -> tuple[int, list[str]]:
            answer = await to.post(b"", path="/api/public/ready", method="GET")
            return answer.status, json.loads(answer.body)["reasons"]

        async with asyncio.timeout(20):
            while await ready() != (503, ["the log cannot be written: no broker"]):
                await asyncio.sleep(0.01)
            log.error = None
            while await ready() != (200, []):
                await asyncio.sleep(0.01)
        assert (await to.post(b"", path="/api/public/health", method="GET")).status == 200


async def test_everything_down_at_start(tmp_path: Path) -> None:
    store = Store()
    store.down()
    log = FaultyLog(error=LogUnavailable("no broker"))
    async with running(log, store=store) as to:
        answer = await to.post(GOOD)
        assert answer.status == 503
        assert "Retry-After" in answer.headers
        store.error = log.error = None
        async with asyncio.timeout(20):
            while (await to.post(GOOD)).status != 200:
                await asyncio.sleep(0.02)


async def test_what_was_begun_is_answered_when_the_server_closes() -> None:
    log = FaultyLog(hold=asyncio.Event())
    async with running(log) as to:
        assert log.hold is not None
        sent = [asyncio.create_task(to.post(body)) for body in [GOOD] * 10 + [LARGE] * 10]
        await until(lambda: to.otlp._front.active == 20 and log.waiting > 10)
        closing = asyncio.create_task(to.otlp.close(20))
        await asyncio.sleep(0.05)
        assert not closing.done()
        log.hold.set()
        answers = await asyncio.gather(*sent)
        await closing
        assert {answer.status for answer in answers} == {200}
        assert len(names([record.value for record in log.records])) == 10 + 10 * 100


async def test_a_bug_is_500_in_the_requests_encoding_and_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    async with running(FaultyLog()) as to:
        monkeypatch.setattr("ingest.traces.plan_quickly", broken)
        answer = await to.post(GOOD)
        assert answer.status == 500
        assert status_pb2.Status.FromString(answer.body) == status_pb2.Status(code=13, message="internal error")
        answer = await to.post(b"{}", {"Content-Type": JSON})
        assert json.loads(answer.body) == {"code": 13, "message": "internal error"}
    failures = [record for record in caplog.records if record.exc_info]
    assert [record.exc_info and record.exc_info[0] for record in failures] == [ZeroDivisionError] * 2
    assert "sk-lf" not in caplog.text
