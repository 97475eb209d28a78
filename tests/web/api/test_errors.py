"""What an error of ClickHouse is to a client, and that errors have one shape."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from litefuse.errors import StoreError, StoreMisconfigured, StoreTooBig, StoreUnavailable
from litefuse.settings import Settings
from tests.web.api.support import Client
from web.api.errors import forbidden, invalid, issue, not_found, of_store, refused
from web.api.serve import problem
from web.api.values import dumps
from web.queries.bounded import Bounded

#: Code of ClickHouse → status, word, Retry-After.
CODES: dict[int, tuple[int, str, int | None]] = {
    159: (422, "Request timed out", None),  # TIMEOUT_EXCEEDED
    160: (422, "Request timed out", None),  # TOO_SLOW
    158: (422, "PayloadTooLargeError", None),  # TOO_MANY_ROWS
    241: (422, "PayloadTooLargeError", None),  # MEMORY_LIMIT_EXCEEDED
    307: (422, "PayloadTooLargeError", None),  # TOO_MANY_BYTES
    396: (422, "PayloadTooLargeError", None),  # TOO_MANY_ROWS_OR_BYTES
    202: (429, "TooManyRequestsError", 1),  # TOO_MANY_SIMULTANEOUS_QUERIES
    0: (503, "ServiceUnavailableError", 1),  # no answer
    210: (503, "ServiceUnavailableError", 1),  # NETWORK_ERROR
    999: (503, "ServiceUnavailableError", 1),  # KEEPER_EXCEPTION
}


@pytest.mark.parametrize("code", CODES)
def test_codes_of_clickhouse(code: int) -> None:
    told = of_store(StoreUnavailable("text of ClickHouse", code))
    assert (told.status, told.error, told.retry_after) == CODES[code]
    assert "text of ClickHouse" not in str(told)


def test_a_block_that_is_too_big_and_a_store_that_is_set_up_wrongly() -> None:
    assert of_store(StoreTooBig("x", 241)).status == 422
    wrong = of_store(StoreMisconfigured("no such table", 60))
    assert (wrong.status, wrong.retry_after) == (503, 5)


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (invalid("no column x"), 400, {"message": "no column x", "error": "InvalidRequestError"}),
        (
            refused([issue("too_big", ["limit"], "101 is more than 100")]),
            400,
            {
                "message": "Invalid request data",
                "error": [{"code": "too_big", "path": ["limit"], "message": "101 is more than 100"}],
            },
        ),
        (not_found("Trace x not found"), 404, {"message": "Trace x not found", "error": "LangfuseNotFoundError"}),
        (
            forbidden(),
            403,
            {
                "message": "Access denied - insufficient permissions for this endpoint",
                "error": "ForbiddenError",
            },
        ),
        (invalid("\ud800"), 400, {"message": "\ufffd", "error": "InvalidRequestError"}),
    ],
)
def test_one_shape(error: object, status: int, body: object) -> None:
    from web.api.errors import ApiError

    assert isinstance(error, ApiError)
    answer = problem(error)
    assert (answer.status, answer.content_type) == (status, "application/json")
    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body) == body == json.loads(dumps(body))


def test_who_has_to_wait_is_told_how_long() -> None:
    busy: StoreError = StoreUnavailable("busy", 202)
    assert problem(of_store(busy)).headers["Retry-After"] == "1"
    assert "Retry-After" not in problem(of_store(StoreUnavailable("slow", 159))).headers


async def test_too_many_at_once_is_429_soon(client: Client) -> None:
    """Requests that waited until their own time was over were told to ask for less, or nothing at all within 5 s."""
    slow = "SELECT count() FROM numbers_mt(1000000000000) WHERE sipHash64(number) = 1"
    bounded = [Bounded(client.store, Settings(api_timeout_s=8.0)) for _ in range(8)]
    busy = [asyncio.create_task(one.rows(slow)) for one in bounded]
    began = time.monotonic()
    reply = await client.get("/traces")
    assert (reply.status, reply.json["error"]) == (429, "TooManyRequestsError")
    assert reply.headers["Retry-After"] == "1"
    assert time.monotonic() - began < 5
    for task in busy:
        task.cancel()
    await asyncio.gather(*busy, return_exceptions=True)
    assert (await client.get("/traces")).status == 200
