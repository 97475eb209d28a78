"""Projects and API keys in the embedded ClickHouse, through the store that everything uses."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from litefuse.clickhouse.client import Store
from litefuse.embedded import open_embedded
from litefuse.errors import ConfigError, StoreUnavailable
from litefuse.keys import Key, KeyStore, NoSuchKey, Pair, Scope, generate_pair, hash_secret
from litefuse.settings import Secret, Settings
from schemas.runner import migrate

GIVEN = Settings(
    init_project_id="shop-1",
    init_project_name="Shop",
    init_project_public_key="pk-lf-given",
    init_project_secret_key=Secret("sk-lf-given"),
)


pytestmark = pytest.mark.asyncio(loop_scope="module")  # one engine for all of them, in one event loop


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
    directory = tmp_path_factory.mktemp("keys")
    embedded = await open_embedded(Settings(data_dir=directory, clickhouse_port=0))
    store = await Store.open(embedded.url)
    await migrate(store)
    yield store
    await store.close()
    await embedded.close()


@pytest_asyncio.fixture(loop_scope="module")
async def store(shared: Store) -> Store:
    for table in ("projects", "api_keys"):
        await shared.command(f"TRUNCATE TABLE {table}")
    return shared


@pytest.fixture
def keys(store: Store) -> KeyStore:
    return KeyStore(store)


async def test_pairs() -> None:
    pairs = [generate_pair() for _ in range(100)]
    assert len({pair.public_key for pair in pairs} | {pair.secret_key.reveal() for pair in pairs}) == 200
    for pair in pairs:
        assert re.fullmatch(r"pk-lf-[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", pair.public_key)
        assert re.fullmatch(r"sk-lf-[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", pair.secret_key.reveal())
    assert "sk-lf" not in repr(pairs[0])


async def test_hashes() -> None:
    key = Key("pk", "p", 0, "salt", hash_secret("salt", "sécret"))
    assert key.proves("sécret")
    assert not key.proves("secret")
    assert not key.proves("")
    assert not key.proves("\ud800")
    assert hash_secret("a", "s") != hash_secret("b", "s")


async def test_a_key_is_made_found_and_revoked(keys: KeyStore, store: Store) -> None:
    made = await keys.create("it's; a \\ 'shop' – ünï", note="back\\slash\n'quote'")
    (key,) = (await keys.snapshot()).values()
    assert key.proves(made.pair.secret_key.reveal())
    assert (key.public_key, key.project_id, key.retention_days) == (made.pair.public_key, made.project_id, 0)
    (listed,) = await keys.list()
    assert (listed.project_name, listed.note) == ("it's; a \\ 'shop' – ünï", "back\\slash\n'quote'")
    assert not listed.revoked
    await keys.revoke(made.pair.public_key)
    assert await keys.snapshot() == {}
    assert [row.revoked for row in await keys.list()] == [True]
    with pytest.raises(NoSuchKey):
        await keys.revoke(made.pair.public_key)
    with pytest.raises(NoSuchKey):
        await keys.revoke("pk-lf-none")
    # Nothing in the store gives the secret away.
    rows = await store.rows("SELECT * FROM api_keys")
    assert made.pair.secret_key.reveal() not in str(rows)


async def test_revoking_at_once_counts_whatever_the_clock_says(keys: KeyStore, store: Store) -> None:
    made = await keys.create("shop")
    await store.command(
        "INSERT INTO api_keys SELECT * REPLACE (now64(3, 'UTC') + 3600 AS updated_at) FROM api_keys FINAL"
    )
    await keys.revoke(made.pair.public_key)
    assert await keys.snapshot() == {}


async def test_projects_are_found_by_id_or_name(keys: KeyStore) -> None:
    first = await keys.create("shop")
    by_name, by_id = await keys.create(" shop "), await keys.create(first.project_id)
    assert first.project_id == by_name.project_id == by_id.project_id
    assert by_id.project_name == "shop"
    other = await keys.create("other")
    assert other.project_id != first.project_id
    assert len(await keys.snapshot()) == 4
    with pytest.raises(ConfigError):
        await keys.create("  ")


async def test_retention_of_a_project(keys: KeyStore, store: Store) -> None:
    made = await keys.create("shop")
    await store.command(
        "INSERT INTO projects SELECT * REPLACE (30 AS retention_days, now64(3, 'UTC') + 1 AS updated_at) FROM projects FINAL"
    )
    assert (await keys.snapshot())[made.pair.public_key].retention_days == 30
    await store.command(
        "INSERT INTO projects SELECT * REPLACE (true AS deleted, now64(3, 'UTC') + 2 AS updated_at) FROM projects FINAL"
    )
    assert await keys.snapshot() == {}


async def test_the_first_start_makes_a_project_once(keys: KeyStore) -> None:
    made = await keys.ensure_init_project(Settings())
    assert made is not None
    assert made.project_name == "default"
    assert (await keys.snapshot())[made.pair.public_key].proves(made.pair.secret_key.reveal())
    assert await keys.ensure_init_project(Settings()) is None
    assert await keys.ensure_init_project(Settings(init_project_id=made.project_id)) is None
    named = await keys.ensure_init_project(Settings(init_project_id="second"))
    assert named is not None
    assert named.project_id == "second"
    assert len(await keys.snapshot()) == 2


async def test_the_first_start_uses_the_pair_that_was_written_down(keys: KeyStore) -> None:
    pair = generate_pair()
    made = await keys.ensure_init_project(Settings(), pair)
    assert made is not None
    assert made.pair is pair
    assert pair.public_key in await keys.snapshot()


async def test_a_key_that_was_written_down_is_not_taken_from_its_project(keys: KeyStore) -> None:
    pair = generate_pair()
    made = await keys.ensure_init_project(Settings(), pair)
    assert made is not None
    with pytest.raises(ConfigError, match=f"belongs to project {made.project_id}, not to second"):
        await keys.ensure_init_project(Settings(init_project_id="second"), pair)
    assert (await keys.snapshot())[pair.public_key].project_id == made.project_id
    assert await keys.find_project("second") is None
    other = await keys.ensure_init_project(Settings(init_project_id="second"), generate_pair())
    assert other is not None
    assert other.project_id == "second"


class Crashing:
    """A store that dies at its nth write."""

    def __init__(self, store: Store, writes: int) -> None:
        self._store = store
        self._writes = writes

    async def rows(self, *args: Any, **more: Any) -> list[tuple[Any, ...]]:
        return await self._store.rows(*args, **more)

    async def command(self, *args: Any, **more: Any) -> Any:
        if not self._writes:
            raise StoreUnavailable("killed")
        self._writes -= 1
        return await self._store.command(*args, **more)


@pytest.mark.parametrize("settings", [Settings(), GIVEN], ids=["generated", "given"])
@pytest.mark.parametrize("writes", [0, 1])
async def test_a_first_start_that_crashed_is_made_good(
    keys: KeyStore, store: Store, settings: Settings, writes: int
) -> None:
    pair = Pair("pk-lf-given", Secret("sk-lf-given"))
    with pytest.raises(StoreUnavailable):
        await KeyStore(Crashing(store, writes)).ensure_init_project(settings, pair)
    assert await keys.snapshot() == {}
    await keys.ensure_init_project(settings, pair)
    assert (await keys.snapshot())["pk-lf-given"].proves("sk-lf-given")
    assert await keys.ensure_init_project(settings, pair) is None
    assert len(await keys.list()) == 1


async def test_given_keys_are_made_sure_of(keys: KeyStore) -> None:
    await asyncio.gather(*(keys.ensure_init_project(GIVEN) for _ in range(3)))  # several processes start at once
    key = (await keys.snapshot())["pk-lf-given"]
    assert (key.project_id, key.proves("sk-lf-given")) == ("shop-1", True)
    assert await keys.find_project("Shop") == ("shop-1", "Shop")
    assert await keys.ensure_init_project(GIVEN) is None
    await keys.revoke("pk-lf-given")
    assert await keys.ensure_init_project(GIVEN) is None
    assert await keys.snapshot() == {}  # a revoked key stays revoked


async def test_given_keys_without_an_id_have_one_project_wherever_they_are_given(keys: KeyStore) -> None:
    settings = replace(GIVEN, init_project_id="")
    await asyncio.gather(*(keys.ensure_init_project(settings) for _ in range(3)))
    assert len(await keys.snapshot()) == 1
    assert len({row.project_id for row in await keys.list()}) == 1


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"init_project_secret_key": Secret("")}, "LITEFUSE_INIT_PROJECT_SECRET_KEY: missing"),
        ({"init_project_public_key": ""}, "LITEFUSE_INIT_PROJECT_PUBLIC_KEY: missing"),
        ({"init_project_public_key": "pk:colon"}, "LITEFUSE_INIT_PROJECT_PUBLIC_KEY: 'pk:colon'"),
        ({"init_project_id": "a b"}, "LITEFUSE_INIT_PROJECT_ID: 'a b'"),
        ({"init_project_secret_key": Secret("sk-lf-other")}, "not the secret that pk-lf-given was made with"),
        ({"init_project_id": "shop-2"}, "belongs to project shop-1, not to shop-2"),
    ],
)
async def test_settings_that_cannot_be(keys: KeyStore, change: dict[str, Any], text: str) -> None:
    await keys.ensure_init_project(GIVEN)
    with pytest.raises(ConfigError) as caught:
        await keys.ensure_init_project(replace(GIVEN, **change))
    assert text in str(caught.value)
    assert "sk-lf" not in str(caught.value)


async def test_many_keys(keys: KeyStore) -> None:
    project = await keys.create("shop")
    await asyncio.gather(*(keys.create("shop") for _ in range(20)))
    found = await keys.snapshot()
    assert len(found) == 21
    assert {key.project_id for key in found.values()} == {project.project_id}
    assert sum(key.proves(project.pair.secret_key.reveal()) for key in found.values()) == 1


async def test_keys_have_no_repr_of_secrets() -> None:
    assert "sk-lf" not in repr(Pair("pk-lf-1", Secret("sk-lf-1")))


async def test_a_project_s_retention_is_set_with_a_key_and_kept_by_the_next(keys: KeyStore, store: Store) -> None:
    async def days() -> set[int]:
        return {key.retention_days for key in (await keys.snapshot()).values()}

    made = await keys.create("shop", retention_days=30)
    assert await days() == {30}
    await keys.create("shop")
    assert await days() == {30}
    for number in (7, 8, 0):  # at once: the newest row wins also within a millisecond
        again = await keys.create(made.project_id, retention_days=number)
        assert again.project_name == "shop"
        assert await days() == {number}
    assert await store.rows("SELECT count() FROM projects FINAL") == [(1,)]


async def test_the_scope_of_a_key_outlives_its_revocation(keys: KeyStore, store: Store) -> None:
    made = {scope: await keys.create("shop", scope=scope) for scope in Scope}
    found = await keys.snapshot()
    assert {scope: found[key.pair.public_key].scope for scope, key in made.items()} == {scope: scope for scope in Scope}
    await keys.revoke(made[Scope.READ].pair.public_key)
    assert {(key.scope, key.revoked) for key in await keys.list()} == {
        (Scope.ALL, False),
        (Scope.INGEST, False),
        (Scope.READ, True),
    }


async def test_a_scope_of_a_later_version_keeps_no_other_key_out(keys: KeyStore, store: Store) -> None:
    """After going back to an older version nobody was let in."""
    made = await keys.create("shop")
    await store.command(
        "INSERT INTO api_keys SELECT * REPLACE ('pk-later' AS public_key, 'audit' AS scope) "
        "FROM (SELECT * FROM api_keys FINAL WHERE public_key = {pk:String})",
        {"pk": made.pair.public_key},
    )
    found = await keys.snapshot()
    assert made.pair.public_key in found
    assert "pk-later" not in found
    assert {key.public_key: key.scope for key in await keys.list()}["pk-later"] == "audit"


@pytest.mark.parametrize(
    ("scope", "allowed"), [(Scope.ALL, {*Scope}), (Scope.INGEST, {Scope.INGEST}), (Scope.READ, {Scope.READ})]
)
async def test_what_a_scope_allows(scope: Scope, allowed: set[Scope]) -> None:
    assert {need for need in Scope if scope.allows(need)} == allowed
