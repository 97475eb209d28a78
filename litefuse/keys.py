"""Projects and API keys, in the tables `projects` and `api_keys` (architecture sections 3 and 4).

A key is a pair: the public key names it, the secret key proves it. Of the secret only a salted SHA-256 is stored; the
secret is a random number of 122 bits or more, so nothing slower than SHA-256 is needed against guessing.

Rows are never changed: a newer row of the same key replaces the older one, and every read is `FINAL`. Errors are
litefuse.errors.StoreError as the store raises it, ConfigError for settings that contradict what is stored, and
NoSuchKey.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from litefuse.clickhouse.asking import Store
from litefuse.errors import ConfigError, LitefuseError
from litefuse.settings import Secret, Settings

logger = logging.getLogger("litefuse.keys")

PUBLIC_PREFIX = "pk-lf-"
SECRET_PREFIX = "sk-lf-"
#: Settings of every write here: a key that was printed has to be there, also when the machine stops the next moment.
_WRITE = {"async_insert": "0"}
_TIMEOUT_S = 10.0
#: Ids and public keys go into headers and URLs; a colon would end the user of HTTP Basic.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,199}")


class Scope(StrEnum):
    """What a key may do. `ALL` may do both, and delete."""

    ALL = "all"
    INGEST = "ingest"
    READ = "read"

    def allows(self, need: Scope) -> bool:
        return self in (Scope.ALL, need)


_SCOPES = frozenset(scope.value for scope in Scope)


class NoSuchKey(LitefuseError):
    """The public key is not in the store, or is revoked already."""


@dataclass(frozen=True, slots=True)
class Key:
    """A valid key, with what ingest needs to know of its project. `retention_days` 0 = as the setting says."""

    public_key: str
    project_id: str
    retention_days: int
    salt: str
    secret_hash: str
    scope: Scope = Scope.ALL

    def proves(self, secret: str) -> bool:
        """Whether this is the key's secret, in constant time."""
        return hmac.compare_digest(hash_secret(self.salt, secret), self.secret_hash)

    def kept_days(self, default: int) -> int:
        """Days for which the project keeps what is sent with it; `default`: as the setting says."""
        return self.retention_days or default


@dataclass(frozen=True, slots=True)
class Pair:
    """A public key and its secret, as they are given to a person."""

    public_key: str
    secret_key: Secret


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made: the only moment at which its secret is known. `project_made`: its project was made, too."""

    project_id: str
    project_name: str
    pair: Pair
    project_made: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """A row of `litefuse keys list`."""

    public_key: str
    project_id: str
    project_name: str
    note: str
    created_at: Any
    revoked: bool
    scope: str


def generate_pair() -> Pair:
    """A new pair; nothing is stored."""
    return Pair(f"{PUBLIC_PREFIX}{uuid.uuid4()}", Secret(f"{SECRET_PREFIX}{uuid.UUID(bytes=secrets.token_bytes(16))}"))


def hash_secret(salt: str, secret: str) -> str:
    """SHA-256 of salt and secret, hex. Lone surrogates, which no real key has, hash like `?`."""
    return hashlib.sha256((salt + secret).encode("utf-8", "replace")).hexdigest()


class KeyStore:
    """The two tables. Every method may block for the store's answer and raises its errors."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # -- reading -------------------------------------------------------------------------------------------------------

    async def snapshot(self, timeout: float = _TIMEOUT_S) -> dict[str, Key]:
        """All valid keys, by public key."""
        rows = await self._store.rows(
            "SELECT k.public_key, k.project_id, p.retention_days, k.salt, k.secret_hash, k.scope "
            "FROM (SELECT * FROM api_keys FINAL) AS k INNER JOIN (SELECT * FROM projects FINAL) AS p "
            "ON k.project_id = p.project_id WHERE NOT k.revoked AND NOT p.deleted",
            timeout=timeout,
        )
        # A scope of a later version's is for nothing that is known here; it must not keep everybody else out.
        known = [row for row in rows if row[5] in _SCOPES]
        return {row[0]: Key(row[0], row[1], int(row[2]), row[3], row[4], Scope(row[5])) for row in known}

    async def list(self) -> list[Listed]:
        """All keys, revoked ones too, oldest first."""
        rows = await self._store.rows(
            "SELECT k.public_key, k.project_id, p.name, k.note, k.created_at, k.revoked, k.scope "
            "FROM (SELECT * FROM api_keys FINAL) AS k LEFT JOIN (SELECT * FROM projects FINAL) AS p "
            "ON k.project_id = p.project_id ORDER BY k.created_at, k.public_key",
            timeout=_TIMEOUT_S,
        )
        return [Listed(row[0], row[1], row[2], row[3], row[4], bool(row[5]), row[6]) for row in rows]

    async def find_project(self, name_or_id: str) -> tuple[str, str] | None:
        """(id, name) of the project with this id, else of the oldest with this name."""
        rows = await self._store.rows(
            "SELECT project_id, name FROM projects FINAL WHERE (project_id = {x:String} OR name = {x:String}) "
            "AND NOT deleted ORDER BY project_id != {x:String}, created_at, project_id LIMIT 1",
            {"x": name_or_id},
            timeout=_TIMEOUT_S,
        )
        return (rows[0][0], rows[0][1]) if rows else None

    async def project_of(self, public_key: str) -> str | None:
        """Id of the project of a valid key."""
        rows = await self._store.rows(
            "SELECT project_id FROM api_keys FINAL WHERE public_key = {pk:String} AND NOT revoked",
            {"pk": public_key},
            timeout=_TIMEOUT_S,
        )
        return rows[0][0] if rows else None

    # -- writing -------------------------------------------------------------------------------------------------------

    async def create(
        self,
        project: str,
        *,
        project_id: str | None = None,
        pair: Pair | None = None,
        note: str = "",
        scope: Scope = Scope.ALL,
        retention_days: int | None = None,
    ) -> NewKey:
        """A new key for the project with this id or name; the project is made when there is none. `retention_days`, when
        given, is from now on the project's, also of one that is there (0 = as the setting says). Two processes that
        make the same new project at once may make two; ids given explicitly cannot collide."""
        name = project.strip()
        if not name:
            raise ConfigError("project: empty name")
        found = await self.find_project(project_id or name)
        made = found or (project_id or str(uuid.uuid4()), name)
        pair = pair or generate_pair()
        # The key first: a crash in between leaves a key that is not valid yet, and no project, so that the next first
        # start begins anew. The other way round the keys that it wrote down would never be valid.
        await self._add_key(made[0], pair, note, scope)
        if found is None:
            await self._add_project(*made, retention_days or 0)
        elif retention_days is not None:
            await self._keep(made[0], retention_days)
        return NewKey(made[0], made[1], pair, found is None)

    async def revoke(self, public_key: str) -> None:
        """Refuse the key from now on; ingest notices within twice `key_refresh_s`. Raises NoSuchKey."""
        where = "FROM api_keys FINAL WHERE public_key = {pk:String} AND NOT revoked"
        parameters = {"pk": public_key}
        if not await self._store.rows(f"SELECT 1 {where}", parameters, timeout=_TIMEOUT_S):
            raise NoSuchKey(f"no valid key {public_key}")
        # The version has to grow also when clocks differ or the key is younger than a millisecond.
        await self._store.command(
            "INSERT INTO api_keys (public_key, project_id, salt, secret_hash, note, scope, created_at, updated_at, revoked) "
            "SELECT public_key, project_id, salt, secret_hash, note, scope, created_at, "
            f"greatest(now64(3, 'UTC'), updated_at + toIntervalMillisecond(1)), true {where}",
            parameters,
            settings=_WRITE,
            timeout=_TIMEOUT_S,
        )

    async def _free(self, public_key: str, project_id: str) -> None:
        """Raises ConfigError for a key of another project: made anew for this one, it would be taken from the other, and
        what senders of the other project send would go to this one."""
        sql = "SELECT project_id FROM api_keys FINAL WHERE public_key = {pk:String}"
        rows = await self._store.rows(sql, {"pk": public_key}, timeout=_TIMEOUT_S)
        if rows and rows[0][0] != project_id and await self._is_project(rows[0][0]):
            raise ConfigError(
                f"LITEFUSE_INIT_PROJECT_ID: the key in project.env, {public_key}, belongs to project {rows[0][0]}, not to "
                f"{project_id}; with project.env moved away a key is made for {project_id}"
            )

    async def _is_project(self, project_id: str) -> bool:
        """Deleted ones count: they are not made again."""
        sql = "SELECT 1 FROM projects FINAL WHERE project_id = {x:String}"
        return bool(await self._store.rows(sql, {"x": project_id}, timeout=_TIMEOUT_S))

    async def _add_project(self, project_id: str, name: str, retention_days: int = 0) -> None:
        await self._store.command(
            "INSERT INTO projects (project_id, name, retention_days, created_at, updated_at, deleted) "
            "SELECT {id:String}, {name:String}, {days:UInt32}, now64(3, 'UTC'), now64(3, 'UTC'), false",
            {"id": project_id, "name": name, "days": retention_days},
            settings=_WRITE,
            timeout=_TIMEOUT_S,
        )

    async def _keep(self, project_id: str, days: int) -> None:
        """Set a project's retention. The version has to grow as in `revoke`."""
        await self._store.command(
            "INSERT INTO projects (project_id, name, retention_days, created_at, updated_at, deleted) "
            "SELECT project_id, name, {days:UInt32}, created_at, "
            "greatest(now64(3, 'UTC'), updated_at + toIntervalMillisecond(1)), deleted "
            "FROM projects FINAL WHERE project_id = {id:String}",
            {"id": project_id, "days": days},
            settings=_WRITE,
            timeout=_TIMEOUT_S,
        )

    async def _add_key(self, project_id: str, pair: Pair, note: str, scope: Scope) -> None:
        salt = secrets.token_hex(16)
        await self._store.command(
            "INSERT INTO api_keys (public_key, project_id, salt, secret_hash, note, scope, created_at, updated_at, revoked) "
            "SELECT {pk:String}, {id:String}, {salt:String}, {hash:String}, {note:String}, {scope:String}, "
            "now64(3, 'UTC'), now64(3, 'UTC'), false",
            {
                "pk": pair.public_key,
                "id": project_id,
                "salt": salt,
                "hash": hash_secret(salt, pair.secret_key.reveal()),
                "note": note,
                "scope": scope.value,
            },
            settings=_WRITE,
            timeout=_TIMEOUT_S,
        )

    # -- the first start -----------------------------------------------------------------------------------------------

    async def ensure_init_project(self, settings: Settings, pair: Pair | None = None) -> NewKey | None:
        """Make the project of `LITEFUSE_INIT_PROJECT_*`. Idempotent; returns the key when this call has made it.

        Keys in the settings are made sure of at every start (a revoked one stays revoked). Without them a project is
        made only when it is missing: the one with the given id, or any at all. Its keys are `pair`, which a caller
        that has written them down already passes, or new ones.
        """
        given = _given(settings)
        name = settings.init_project_name.strip() or "default"
        if given is None:
            if settings.init_project_id:
                missing = not await self._is_project(settings.init_project_id)
            else:
                missing = not await self._store.rows("SELECT 1 FROM projects FINAL LIMIT 1", timeout=_TIMEOUT_S)
            if not missing:
                return None
            if settings.init_project_id and pair is not None:
                await self._free(pair.public_key, settings.init_project_id)
            return await self.create(name, project_id=settings.init_project_id or None, pair=pair, note="first start")
        # Several processes with the same settings may start at once: what they make has the same ids.
        project_id = settings.init_project_id or str(uuid.uuid5(uuid.NAMESPACE_URL, f"litefuse:{given.public_key}"))
        rows = await self._store.rows(
            "SELECT project_id, salt, secret_hash, revoked FROM api_keys FINAL WHERE public_key = {pk:String}",
            {"pk": given.public_key},
            timeout=_TIMEOUT_S,
        )
        if not rows:
            return await self.create(name, project_id=project_id, pair=given, note="settings")
        owner, salt, secret_hash, revoked = rows[0]
        if settings.init_project_id and owner != settings.init_project_id:
            raise ConfigError(
                f"LITEFUSE_INIT_PROJECT_PUBLIC_KEY: {given.public_key} belongs to project {owner}, "
                f"not to {settings.init_project_id}"
            )
        if not hmac.compare_digest(hash_secret(salt, given.secret_key.reveal()), secret_hash):
            raise ConfigError(
                f"LITEFUSE_INIT_PROJECT_SECRET_KEY: not the secret that {given.public_key} was made with; "
                "revoke that key and name a new pair, or set the old secret"
            )
        if not await self._is_project(owner):  # a start that crashed half way
            await self._add_project(owner, name)
        if revoked:
            logger.warning("the init project's key is revoked", extra={"fields": {"public_key": given.public_key}})
        return None


def _given(settings: Settings) -> Pair | None:
    """The pair in the settings, None when there is none. Raises ConfigError for half a pair and for unusable texts."""
    public, secret = settings.init_project_public_key, settings.init_project_secret_key
    if settings.init_project_id and not _ID.fullmatch(settings.init_project_id):
        raise ConfigError(
            f"LITEFUSE_INIT_PROJECT_ID: {settings.init_project_id!r} has characters other than A-Za-z0-9._@-"
        )
    if not public and not secret.reveal():
        return None
    if not public or not secret.reveal():
        half = "SECRET_KEY" if public else "PUBLIC_KEY"
        raise ConfigError(f"LITEFUSE_INIT_PROJECT_{half}: missing, while the other half of the pair is set")
    if not _ID.fullmatch(public):
        raise ConfigError(f"LITEFUSE_INIT_PROJECT_PUBLIC_KEY: {public!r} has characters other than A-Za-z0-9._@-")
    return Pair(public, secret)


__all__ = (
    "Key",
    "KeyStore",
    "Listed",
    "NewKey",
    "NoSuchKey",
    "Pair",
    "Scope",
    "Store",
    "generate_pair",
    "hash_secret",
)
