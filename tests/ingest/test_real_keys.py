"""Ingest with keys in the embedded ClickHouse: a new key at once, a revoked one not for long, and ClickHouse down."""

from __future__ import annotations

import asyncio
from pathlib import Path

from litefuse.clickhouse.client import Store
from litefuse.embedded import open_embedded
from litefuse.keys import KeyStore, Scope
from litefuse.settings import Settings
from schemas.runner import migrate
from tests.ingest.support import basic, request, running

BODY = request(count=1).SerializeToString()


async def test_the_life_of_a_key(tmp_path: Path) -> None:
    embedded = await open_embedded(Settings(data_dir=tmp_path / "data", clickhouse_port=0))
    store = await Store.open(embedded.url)
    try:
        await migrate(store)
        keys = KeyStore(store)
        async with running(tmp_path, store=store, key_refresh_s=0.2) as to:
            first = await keys.create("shop")
            second = await keys.create("bank")
            pairs = [(made.pair.public_key, made.pair.secret_key.reveal()) for made in (first, second)]

            async def status(public: str, secret: str) -> int:
                return (await to.post(BODY, {"Authorization": basic(public, secret)})).status

            assert [await status(*pair) for pair in pairs] == [200, 200]
            assert await status(pairs[0][0], pairs[1][1]) == 401
            assert [record.header("project_id") for record in await to.records()] == [
                first.project_id,
                second.project_id,
            ]
            await keys.revoke(pairs[0][0])
            async with asyncio.timeout(10):  # the contract's ten seconds
                while await status(*pairs[0]) != 401:
                    await asyncio.sleep(0.05)
            third = await keys.create("shop")
            scoped = [await keys.create("shop", scope=scope) for scope in Scope]
            found = [await status(made.pair.public_key, made.pair.secret_key.reveal()) for made in scoped]
            assert dict(zip(Scope, found, strict=True)) == {Scope.ALL: 200, Scope.INGEST: 200, Scope.READ: 403}
            await embedded.close()
            assert await status(*pairs[1]) == 200
            assert await status(third.pair.public_key, third.pair.secret_key.reveal()) in (200, 503)
            assert await status("pk-lf-none", "sk-lf-none") == 503
            assert await status(pairs[1][0], "sk-lf-wrong") == 503
    finally:
        await store.close()
        await embedded.close()
