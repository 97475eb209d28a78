"""Keys: who is let in, how soon a new key works and a revoked one does not, and what happens while the store is down
(architecture section 4, reliability rows 40 and 41)."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from litefuse.errors import RequestError, StoreMisconfigured
from litefuse.http.auth import Keys, basic
from litefuse.keys import Key, KeyStore
from tests.ingest.support import JSON, Store, request, running
from tests.ingest.support import basic as header
from tests.waiting import until

GOOD = request(count=1).SerializeToString()


@asynccontextmanager
async def keys(store: Store, refresh_s: float = 60.0, gap_s: float = 0.05) -> AsyncIterator[Keys]:
    made = Keys(KeyStore(store), refresh_s, gap_s)
    await made.start()
    try:
        yield made
    finally:
        await made.close()


async def status(made: Keys, public: str = "pk-lf-1", secret: str = "sk-lf-1") -> int:
    try:
        key = await made.authenticate(header(public, secret))
    except RequestError as error:
        return error.status
    assert key.public_key == public
    return 200


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("Basic cGs6c2s=", ("pk", "sk")),
        ("basic cGs6c2s=", ("pk", "sk")),
        ("BASIC  cGs6c2s= ", ("pk", "sk")),
        ("Basic cGs6c2s", ("pk", "sk")),  # without padding
        ("Basic cGs6czpr", ("pk", "s:k")),  # split at the first colon
        ("Basic Og==", ("", "")),
        (None, None),
        ("", None),
        ("Basic", None),
        ("Basic ", None),
        ("Basic cGs=", None),
        ("Basic cGs6c2s= x", None),
        ("Basic c\u00e4=", None),
        ("Bearer cGs6c2s=", None),
        ("cGs6c2s=", None),
    ],
)
def test_basic(text: str | None, pair: tuple[str, str] | None) -> None:
    if pair is not None:
        assert basic(text) == pair
        return
    with pytest.raises(RequestError) as caught:
        basic(text)
    assert caught.value.status == 401


async def test_a_key_that_was_just_made_works_at_once() -> None:
    store = Store()
    async with keys(store) as made:
        assert await status(made, "pk-lf-2", "sk-lf-2") == 401
        store.keys["pk-lf-2"] = ("project-2", 0, "sk-lf-2")
        assert await status(made, "pk-lf-2", "sk-lf-2") == 200


async def test_a_key_made_while_a_reading_is_on_its_way_works_too() -> None:
    store = Store()
    async with keys(store) as made:
        store.held = asyncio.Event()
        first = asyncio.create_task(status(made, "pk-lf-9", "x"))
        reads = store.reads
        await until(lambda: store.reads > reads)
        store.keys["pk-lf-2"] = ("project-2", 0, "sk-lf-2")  # the reading that is held has not seen it
        second = asyncio.create_task(status(made, "pk-lf-2", "sk-lf-2"))
        await asyncio.sleep(0.01)
        store.held.set()
        assert (await first, await second) == (401, 200)


async def test_a_revoked_key_is_refused_after_two_readings_at_most() -> None:
    store = Store()
    async with keys(store, refresh_s=0.1) as made:
        assert await status(made) == 200
        del store.keys["pk-lf-1"]
        reads = store.reads
        await until(lambda: store.reads >= reads + 2)
        await asyncio.sleep(0)
        assert await status(made) == 401


async def test_guesses_share_readings() -> None:
    store = Store()
    async with keys(store, gap_s=0.2) as made:
        for _ in range(3):
            reads = store.reads
            guesses = [status(made, f"pk-lf-{i}", "x") for i in range(100)]
            guesses += [status(made, secret=f"sk-{i}") for i in range(100)]
            assert set(await asyncio.gather(*guesses)) == {401}
            assert store.reads - reads <= 2


async def test_while_the_store_is_down_known_keys_work_and_others_get_503() -> None:
    store = Store()
    async with keys(store, refresh_s=0.05) as made:
        store.down()
        reads = store.reads
        await until(lambda: store.reads >= reads + 3)
        assert await status(made) == 200
        assert await status(made, "pk-lf-2", "sk-lf-2") == 503
        assert await status(made, secret="wrong") == 503
        assert made.ready() == []
        store.keys["pk-lf-2"] = ("project-2", 0, "sk-lf-2")
        store.error = None
        assert await status(made, "pk-lf-2", "sk-lf-2") == 200
        assert await status(made, secret="wrong") == 401


async def test_without_any_copy_nobody_is_let_in_until_there_is_one() -> None:
    store = Store()
    store.down()
    async with keys(store) as made:
        assert made.ready() == ["API keys were never read: connection refused"]
        assert await status(made) == 503
        store.error = StoreMisconfigured("password is wrong", 516)
        assert await status(made) == 503
        store.error = None
        await until(lambda: not made.ready())  # though the next regular reading is a minute away
        assert await status(made) == 200


async def test_a_store_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("litefuse.http.auth._READ_S", 0.2)
    store = Store()
    async with keys(store) as made:
        store.held = asyncio.Event()
        assert await status(made, "pk-lf-2", "x") == 503
        assert await status(made) == 200


async def test_a_bug_in_reading_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(KeyStore):
        fail = False

        async def snapshot(self, timeout: float = 0) -> dict[str, Key]:
            if self.fail:
                raise ZeroDivisionError
            return await super().snapshot(timeout)

    store = Store()
    source = Broken(store)
    made = Keys(source, 0.02, 0.02)
    await made.start()
    try:
        source.fail = True
        await until(lambda: "API keys cannot be read" in caplog.text)
        await asyncio.sleep(0.1)
        assert caplog.text.count("API keys cannot be read") == 1
        assert "ZeroDivisionError" in caplog.text
        del store.keys["pk-lf-1"]
        source.fail = False
        reads = store.reads
        await until(lambda: store.reads > reads + 1)
        assert await status(made) == 401
    finally:
        await made.close()


async def test_unknown_keys_and_wrong_secrets_take_the_same_time() -> None:
    """Statistically, of the part that depends on what is known: 20 000 samples of the check itself; the waiting for a
    reading is one and the same for both."""
    store = Store()
    async with keys(store) as made:
        times: dict[str, list[int]] = {"pk-lf-1": [], "pk-lf-none": []}
        for _ in range(10_000):
            for public, found in times.items():
                started = time.perf_counter_ns()
                assert made._proven(public, "sk-lf-wrong") is None
                found.append(time.perf_counter_ns() - started)
        known, unknown = (statistics.median(found) for found in times.values())
        assert 0.5 < known / unknown < 2.0


async def test_over_http(tmp_path: Path) -> None:
    store = Store()
    async with running(tmp_path, store=store, key_refresh_s=0.1) as to:
        assert (await to.post(GOOD)).status == 200
        store.down()
        refused = await to.post(GOOD, {"Authorization": header("pk-lf-2", "sk-lf-2"), "Content-Type": JSON})
        assert (refused.status, refused.headers["Retry-After"]) == (503, "2")
        assert json.loads(refused.body) == {"code": 14, "message": "API keys cannot be checked now; try again"}
        assert (await to.post(GOOD)).status == 200
        ready = await to.post(b"", path="/api/public/ready", method="GET")
        assert ready.status == 200
        store.error = None
        del store.keys["pk-lf-1"]
        async with asyncio.timeout(20):
            while (await to.post(GOOD)).status == 200:
                await asyncio.sleep(0.02)
        refused = await to.post(GOOD)
        assert refused.status == 401
        assert refused.headers["WWW-Authenticate"] == 'Basic realm="litefuse"'
