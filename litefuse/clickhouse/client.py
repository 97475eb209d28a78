"""ClickHouse as the rest of Litefuse sees it: a thin layer over clickhouse-connect's async client.

What it adds: every failure leaves as a litefuse.errors.StoreError, by the table in `codes`; every call has a deadline;
an insert is sent once, whatever happens to the connection; nothing that is raised or logged holds the password.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any

import aiohttp
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError

from litefuse.clickhouse import codes, url
from litefuse.clickhouse.sql import identifier
from litefuse.errors import ConfigError, StoreUnavailable
from litefuse.settings import Secret

#: Connections at once, and seconds that an idle one is kept: less than servers keep them, so that hardly any is stale.
_CONNECTIONS = 64
_KEEPALIVE_S = 8.0
_CONNECT_S = 10.0
#: clickhouse-connect's own limit on silence, for calls whose deadline is None.
_SILENCE_S = 3600.0

_STATUS = re.compile(r"\bHTTP status (\d{3})\b")


class Store:
    """One ClickHouse, for one event loop. Calls may run side by side: no ClickHouse session is used.

    All methods raise StoreError: StoreUnavailable when there is no answer within `timeout` seconds (None: wait), else as
    `codes` sorts ClickHouse's answer.
    """

    def __init__(self, address: url.Address) -> None:
        self.address = address
        self._lock = asyncio.Lock()
        self._client: AsyncClient | None = None
        self._closed = False

    @classmethod
    async def open(cls, where: str | Secret) -> Store:
        """A store that connects at its first call. Raises ConfigError for a URL that cannot be one."""
        return cls(url.parse(where))

    async def close(self) -> None:
        """Idempotent. Calls that are under way fail."""
        self._closed = True
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5.0):
                    await client.close()
                return
            client._force_close()

    # -- calls ---------------------------------------------------------------------------------------------------------

    async def insert_arrow(
        self,
        table: str,
        columns: Sequence[str],
        body: bytes,
        *,
        settings: Mapping[str, str],
        timeout: float | None,
        query_id: str | None = None,
    ) -> None:
        """Insert an Arrow IPC stream into these columns. Returns when ClickHouse says that it is stored; after any error
        it may be stored or not. The body goes over the wire at most once per call."""
        async with self._call(timeout) as client:
            await client.raw_insert(
                identifier(table),
                list(columns),
                # The library sends bytes again after a reset of a stale connection. A file-like body it cannot rewind.
                io.BytesIO(body),
                settings=self._settings({**settings, "wait_end_of_query": "1"}, query_id),
                fmt="ArrowStream",
            )

    async def rows(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        timeout: float | None = 30.0,
    ) -> list[tuple[Any, ...]]:
        """All rows of a SELECT. `parameters` fill `{name:Type}`. Times are naive and in UTC."""
        async with self._call(timeout) as client:
            result = await client.query(sql, dict(parameters or {}), settings=self._settings(settings))
            return list(map(tuple, result.result_rows))

    async def blocks(
        self, sql: str, parameters: Mapping[str, Any] | None = None, *, settings: Mapping[str, str] | None = None
    ) -> AsyncGenerator[Sequence[Sequence[Any]], None]:
        """The rows of a SELECT as they come, some at a time: a result of any size in bounded memory. Without a deadline; to be
        closed (contextlib.aclosing) by whoever stops early."""
        async with self._call(None) as client:
            stream = await client.query_row_block_stream(sql, dict(parameters or {}), settings=self._settings(settings))
            async with stream:
                async for block in stream:
                    yield block

    async def raw(
        self,
        sql: str,
        fmt: str,
        parameters: Mapping[str, Any] | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        timeout: float | None = 30.0,
    ) -> bytes:
        """The result as one document of a ClickHouse format."""
        async with self._call(timeout) as client:
            answer: bytes = await client.raw_query(
                sql, dict(parameters or {}), settings=self._settings(settings), fmt=fmt
            )
            return answer

    async def command(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        timeout: float | None = 30.0,
        in_database: bool = True,
    ) -> Any:
        """A statement that is no SELECT. `in_database` False: the database need not exist."""
        async with self._call(timeout) as client:
            chosen = self._settings(settings) if in_database else dict(settings or {})
            return await client.command(sql, dict(parameters or {}), settings=chosen)

    async def ping(self, timeout: float = 5.0) -> None:
        """Raises StoreError when queries cannot be answered now."""
        await self.rows("SELECT 1", timeout=timeout)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _settings(self, settings: Mapping[str, str] | None, query_id: str | None = None) -> dict[str, Any]:
        chosen: dict[str, Any] = {"database": self.address.database, **(settings or {})}
        if query_id is not None:
            chosen["query_id"] = query_id
        return chosen

    @contextlib.asynccontextmanager
    async def _call(self, timeout: float | None) -> AsyncIterator[AsyncClient]:
        """The connected client, within a deadline, with errors translated."""
        try:
            async with asyncio.timeout(timeout):
                yield await self._connected()
        except TimeoutError as error:
            waited = "in time" if timeout is None else f"within {timeout:g} s"
            raise StoreUnavailable(f"ClickHouse at {self.address}: no answer {waited}") from error
        except ClickHouseError as error:
            raise self._translated(error) from error
        except (aiohttp.ClientError, OSError) as error:
            raise StoreUnavailable(f"ClickHouse at {self.address}: {error or type(error).__name__}") from error

    async def _connected(self) -> AsyncClient:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if self._client is not None:
            return self._client
        async with self._lock:
            if self._client is None:
                client = _client(self.address)
                await client._initialize()
                self._client = client
            return self._client

    def _translated(self, error: ClickHouseError) -> Exception:
        text = str(error)
        password = self.address.password.reveal()
        if password:
            text = text.replace(password, "***")
        code = getattr(error, "code", None) or codes.code_in(text)
        status = _STATUS.search(text)
        return codes.error_for(code, text, int(status[1]) if status else 0)


def _client(address: url.Address) -> AsyncClient:
    try:
        return AsyncClient(
            interface=address.scheme,
            host=address.host,
            port=address.port,
            username=address.user,
            password=address.password.reveal(),
            compress=not address.local,
            connect_timeout=_CONNECT_S,
            send_receive_timeout=_SILENCE_S,
            client_name="litefuse",
            verify=address.verify,
            ca_cert=address.ca_cert or None,
            connector_limit=_CONNECTIONS,
            connector_limit_per_host=_CONNECTIONS,
            keepalive_timeout=_KEEPALIVE_S,
            # A progress header would put the status on the wire before the outcome is known.
            settings={"send_progress_in_http_headers": "0"},
            query_retries=0,
            autogenerate_session_id=False,
        )
    except (OSError, ValueError) as error:  # certificates that cannot be read
        raise ConfigError(f"LITEFUSE_CLICKHOUSE_URL: ca_cert: {error}") from error
