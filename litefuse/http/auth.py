"""Whose key a request comes with (architecture section 4, reliability rows 40 and 41).

Requests are checked with a copy of all valid keys, read anew every few seconds: a revoked key is refused within two
readings. Credentials that the copy does not prove are judged by a copy that was read *after* they arrived, so that a key
made a moment ago works at once; such readings are shared and spaced out, so that guessing costs the store nothing much.
Unknown keys and wrong secrets take exactly the same way, and so the same time.

While the store of keys is down the last copy goes on being used, and what it does not prove gets 503, not 401: a
client takes 401 for final.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from litefuse.errors import LitefuseError, RequestError
from litefuse.keys import Key
from litefuse.telemetry import metrics as m
from litefuse.telemetry.logs import event

logger = logging.getLogger("litefuse.http")

#: Seconds between the beginnings of two readings that unproven credentials ask for.
_GAP_S = 0.25
#: Seconds the store has for one reading.
_READ_S = 3.0
_RETRY_AFTER_S = 2
#: Stands for every key that is not there: the same work, and never right.
_NOBODY = Key("", "", 0, "0" * 32, "0" * 64)


class Source(Protocol):
    """What is used of litefuse.keys.KeyStore."""

    async def snapshot(self, timeout: float = ...) -> dict[str, Key]: ...


class Keys:
    """The copy, and what keeps it fresh. Belongs to one event loop."""

    def __init__(self, source: Source, refresh_s: float, gap_s: float = _GAP_S) -> None:
        self._source = source
        self._refresh_s = refresh_s
        self._gap_s = gap_s
        self._keys: Mapping[str, Key] = {}
        self._read_at: float | None = None
        self._began_at = float("-inf")
        self._error: str | None = None
        self._reading = asyncio.Lock()
        self._next: asyncio.Task[bool] | None = None
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the keys once, then again and again. Does not raise when the store is down: `ready` says so."""
        await self._read()
        self._loop = asyncio.create_task(self._keep_fresh())
        m.KEYS_AGE_SECONDS.set_function(self._age)

    async def close(self) -> None:
        tasks = [task for task in (self._loop, self._next) if task is not None]
        self._loop = self._next = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        m.KEYS_AGE_SECONDS.set_function(lambda: 0.0)

    def ready(self) -> list[str]:
        """Without any copy nobody can be let in. An old copy is good enough to work with."""
        return [] if self._read_at is not None else [f"API keys were never read: {self._error or 'not yet'}"]

    async def authenticate(self, authorization: str | None) -> Key:
        """The key that an Authorization header proves. Raises RequestError 401, or 503 when that cannot be told now."""
        public_key, secret = basic(authorization)
        return await self._found(lambda: self._proven(public_key, secret), "invalid public or secret key")

    async def named(self, authorization: str | None) -> Key:
        """The key that `Bearer <public key>` names: it proves nothing, browsers send it. Raises as `authenticate`."""
        public_key = bearer(authorization)
        return await self._found(lambda: self._keys.get(public_key), "invalid public key")

    async def _found(self, look: Callable[[], Key | None], refusal: str) -> Key:
        key = look()
        if key is not None:
            return key
        if not await self._read_anew():
            raise RequestError(503, "API keys cannot be checked now; try again", retry_after=_RETRY_AFTER_S)
        key = look()
        if key is None:
            raise RequestError(401, refusal)
        return key

    def _proven(self, public_key: str, secret: str) -> Key | None:
        key = self._keys.get(public_key, _NOBODY)
        return key if key.proves(secret) and key is not _NOBODY else None

    # -- keeping fresh -------------------------------------------------------------------------------------------------

    async def _read_anew(self) -> bool:
        """Wait for a reading that begins after now; False when it fails."""
        if self._next is None:
            self._next = asyncio.create_task(self._read_soon())
        return await asyncio.shield(self._next)

    async def _read_soon(self) -> bool:
        await asyncio.sleep(max(0.0, self._began_at + self._gap_s - time.monotonic()))
        return await self._read(shared=True)

    async def _keep_fresh(self) -> None:
        while True:
            # Soon again while there is no copy at all: nobody is let in meanwhile.
            await asyncio.sleep(self._refresh_s if self._read_at is not None else min(self._refresh_s, self._gap_s))
            await self._read()

    async def _read(self, shared: bool = False) -> bool:
        async with self._reading:
            if shared:
                self._next = None  # who asks from now on needs another one
            began = self._began_at = time.monotonic()
            try:
                async with asyncio.timeout(_READ_S):
                    self._keys = await self._source.snapshot(timeout=_READ_S)
            except Exception as error:  # noqa: BLE001 - whatever it is, reading goes on: else a revoked key stays valid
                self._failed(error)
                return False
            if self._error is not None:
                event(logger, logging.INFO, "API keys can be read again", keys=len(self._keys))
            self._error = None
            self._read_at = began
            return True

    def _failed(self, error: Exception) -> None:
        if self._error is None:
            known = isinstance(error, (LitefuseError, OSError))
            logger.warning(
                "API keys cannot be read; the last copy is used",
                extra={"fields": {"error": error or type(error).__name__}},
                exc_info=None if known else error,
            )
        self._error = str(error) or type(error).__name__

    def _age(self) -> float:
        return 0.0 if self._read_at is None else time.monotonic() - self._read_at


def basic(authorization: str | None) -> tuple[str, str]:
    """User and password of HTTP Basic: scheme in any case, split at the first colon. Raises RequestError (401)."""
    if not authorization:
        raise RequestError(401, "no Authorization header: send Basic <base64 of public key:secret key>")
    scheme, _, token = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        raise RequestError(401, "the Authorization header's scheme is not Basic")
    token = token.strip()
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), validate=True).decode("utf-8")
    except ValueError:
        raise RequestError(401, "the Authorization header is not base64 of public key:secret key") from None
    public_key, colon, secret = text.partition(":")
    if not colon:
        raise RequestError(401, "the Authorization header is not base64 of public key:secret key")
    return public_key, secret


def is_bearer(authorization: str | None) -> bool:
    return (authorization or "").strip().partition(" ")[0].lower() == "bearer"


def bearer(authorization: str | None) -> str:
    """The token of a Bearer header. Raises RequestError (401)."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise RequestError(401, "the Authorization header is not Bearer with a public key")
    return token.strip()
