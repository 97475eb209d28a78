"""ClickHouse as the reader, for a process that outlives many a `litefuse up`: it is looked for at each call.

The engine of a data directory belongs to one process. This one never opens it: an agent may keep it for days, and nobody
could start Litefuse beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clickhouse_connect import common

from litefuse.cli import project_file
from litefuse.cli.calling import command
from litefuse.cli.places import Login, reader_login
from litefuse.cli.query import READONLY, Reader
from litefuse.clickhouse.client import Store
from litefuse.errors import ConfigError, StoreError, StoreUnavailable
from litefuse.keys import KeyStore
from litefuse.settings import Settings
from web.queries.bounded import Bounded


class Reading:
    """For one event loop. `project` is an id or a name, None for that of the keys in project.env. All methods raise StoreError
    and ConfigError."""

    def __init__(self, settings: Settings, project: str | None) -> None:
        self._settings = settings
        self._project = project
        self._login: Login | None = None
        self._store: ReadOnly | None = None
        self._project_id: str | None = None

    async def store(self) -> Bounded:
        """For the statements of web/queries: each bounded as the API's are."""
        return Bounded(await self._open(), self._settings)

    async def project_id(self) -> str:
        store = await self._open()
        if self._project_id is None:
            self._project_id = await self._find(KeyStore(store))
        return self._project_id

    async def reader(self) -> Reader:
        """For SQL of the agent's, within the limits of the login."""
        login = await self._at()
        return Reader(login.url, dict(login.settings))

    async def close(self) -> None:
        """Idempotent."""
        store, self._store, self._login, self._project_id = self._store, None, None, None
        if store is not None:
            await store.close()

    async def _at(self) -> Login:
        login = await reader_login(self._settings)
        if login is None:
            raise StoreUnavailable(f"Litefuse does not run: `{command()} up` starts it, and then this works")
        return login

    async def _open(self) -> ReadOnly:
        login = await self._at()
        if self._store is None or login != self._login:
            await self.close()
            # clickhouse-connect refuses to send what a reader's session says it may not set; the server is to decide.
            common.set_setting("invalid_setting_action", "send")
            self._store, self._login = ReadOnly(await Store.open(login.url), login.settings), login
        return self._store

    async def _find(self, keys: KeyStore) -> str:
        if self._project is not None:
            found = await keys.find_project(self._project)
            if found is None:
                raise ConfigError(f"no project {self._project}: `{command()} keys list` has them")
            return found[0]
        public_key = project_file.read(self._settings.data_dir).get("LITEFUSE_PUBLIC_KEY", "")
        project_id = await keys.project_of(public_key) if public_key else None
        if project_id is None:
            raise ConfigError(
                f"which project? {self._settings.data_dir.absolute() / project_file.NAME} "
                f"{'has a key that is not valid' if public_key else 'has no key'}: --project NAME says it"
            )
        return project_id


class ReadOnly:
    """A store that reads. `settings` go with each statement; a login that may set none is asked without any."""

    def __init__(self, store: Store, settings: Mapping[str, str]) -> None:
        self._store = store
        self._settings = settings
        self._may_set = True

    async def rows(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        timeout: float | None = 30.0,
    ) -> list[tuple[Any, ...]]:
        if self._may_set:
            try:
                sent = {**(settings or {}), **self._settings}
                return await self._store.rows(sql, parameters, settings=sent, timeout=timeout)
            except StoreError as error:
                if error.code != int(READONLY):
                    raise
                self._may_set = False
        return await self._store.rows(sql, parameters, timeout=timeout)

    async def command(self, sql: str, parameters: Mapping[str, Any] | None = None, **_: Any) -> Any:
        raise TypeError("a reader writes nothing")

    async def close(self) -> None:
        await self._store.close()
