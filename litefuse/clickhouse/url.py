"""`LITEFUSE_CLICKHOUSE_URL`: http[s]://user:password@host:port/database[?verify=false&ca_cert=FILE]."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from litefuse.errors import ConfigError
from litefuse.settings import Secret

_KEY = "LITEFUSE_CLICKHOUSE_URL"
_PORTS = {"http": 8123, "https": 8443}
DATABASE = "litefuse"


@dataclass(frozen=True, slots=True)
class Address:
    """Where ClickHouse is, and who we are there. `ca_cert` is a file, empty for the system's certificates."""

    scheme: str
    host: str
    port: int
    user: str
    password: Secret
    database: str
    verify: bool = True
    ca_cert: str = ""

    @property
    def local(self) -> bool:
        return self.host in ("127.0.0.1", "::1", "localhost")

    def __str__(self) -> str:
        """For messages: without user and password."""
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}/{self.database}"


def with_login(base: str, user: str, password: str, database: str = DATABASE) -> Secret:
    """An address without login, such as http://127.0.0.1:8123, as the URL of a login."""
    scheme, _, rest = base.rstrip("/").partition("://")
    return Secret(f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}/{database}")


def parse(url: str | Secret) -> Address:
    """Raises ConfigError, without quoting what may hold a password."""
    text = url.reveal() if isinstance(url, Secret) else url
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{_KEY}: not a URL: its host or port cannot be read") from error
    if parts.scheme not in _PORTS:
        raise ConfigError(f"{_KEY}: begins with neither http:// nor https://")
    if not parts.hostname:
        raise ConfigError(f"{_KEY}: names no host")
    if parts.fragment:
        raise ConfigError(f"{_KEY}: a # in user or password is written %23")
    database = unquote(parts.path.strip("/")) or DATABASE
    if "/" in database:
        raise ConfigError(f"{_KEY}: the path is the name of the database, such as /{DATABASE}")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    verify = options.pop("verify", "true").lower()
    ca_cert = options.pop("ca_cert", "")
    if options:
        raise ConfigError(f"{_KEY}: knows no {', '.join(sorted(options))}, only verify and ca_cert")
    if verify not in ("true", "false", "1", "0"):
        raise ConfigError(f"{_KEY}: verify is true or false")
    return Address(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        user=unquote(parts.username or "default"),
        password=Secret(unquote(parts.password or "")),
        database=database,
        verify=verify in ("true", "1"),
        ca_cert=ca_cert,
    )
