"""How to reach the Kafka cluster: `LITEFUSE_LOG_URL` and `LITEFUSE_KAFKA_*`, as arguments of aiokafka's clients. No I/O.

    kafka://host:9092,host2:9092          plaintext
    kafka://user:password@host:9092       SASL over plaintext
    kafka+ssl://[user:password@]host      TLS, port 9092 when none is given

User and password may be percent-encoded. No error text repeats them.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from aiokafka.errors import BrokerResponseError, KafkaConnectionError, KafkaTimeoutError, RequestTimedOutError

from litefuse.errors import ConfigError
from litefuse.settings import Settings

SCHEMES = ("kafka://", "kafka+ssl://")
_PORT = 9092
_SERVER = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\[\]:\s]+)(?::([0-9]{1,5}))?")
#: How long metadata is believed (new partitions, moved leaders that no error has told of).
_METADATA_AGE_MS = 60_000


def said(error: BaseException) -> str:
    """A client's error as part of a sentence: aiokafka's own texts have tuples of sockets in them."""
    if isinstance(error, TimeoutError | KafkaTimeoutError | RequestTimedOutError):
        return "no answer in time"
    if isinstance(error, KafkaConnectionError) and "bootstrap" in str(error):
        return "no broker answers there, or none takes this login"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, BrokerResponseError):
        # Its name is what Kafka's documentation has; the rest is the topic's or the group's.
        about = " ".join(str(part) for part in error.args)
        return f"{type(error).__name__}{f' ({about})' if about else ''}"
    return str(error) or type(error).__name__


@dataclass(frozen=True)
class Cluster:
    """`servers` are `host:port` texts; `timeout` is the deadline of one request, seconds."""

    servers: tuple[str, ...]
    tls: bool
    user: str | None
    password: str | None
    mechanism: str
    cafile: str
    timeout: float

    def client(self) -> dict[str, Any]:
        """Arguments common to aiokafka's producer, consumer and admin client."""
        protocol = ("SASL_" if self.user is not None else "") + ("SSL" if self.tls else "PLAINTEXT")
        arguments: dict[str, Any] = {
            "bootstrap_servers": list(self.servers),
            "client_id": "litefuse",
            "security_protocol": protocol,
            "request_timeout_ms": int(self.timeout * 1000),
            "metadata_max_age_ms": _METADATA_AGE_MS,
        }
        if self.tls:
            arguments["ssl_context"] = self._context()
        if self.user is not None:
            arguments["sasl_mechanism"] = self.mechanism
            arguments["sasl_plain_username"] = self.user
            arguments["sasl_plain_password"] = self.password
        return arguments

    def _context(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.cafile or None)
        except OSError as error:  # SSLError is one
            raise ConfigError(f"kafka_ssl_cafile: {self.cafile} cannot be used: {error}") from error


def cluster(settings: Settings) -> Cluster:
    """Raises ConfigError."""
    url = settings.log_url.reveal()
    scheme = next((s for s in SCHEMES if url.startswith(s)), None)
    if scheme is None:
        raise ConfigError("log_url: not a kafka:// or kafka+ssl:// address")
    rest = url.removeprefix(scheme).removesuffix("/")
    credentials, at, hosts = rest.rpartition("@")
    user, _, password = credentials.partition(":")
    if at and not (user and password):
        raise ConfigError("log_url: needs both a user and a password before the @")
    if any(c in hosts for c in "/?#"):
        raise ConfigError("log_url: kafka:// takes hosts and ports, no path and no query; see the kafka_… settings")
    return Cluster(
        servers=tuple(_server(host.strip()) for host in hosts.split(",")),
        tls=scheme == "kafka+ssl://",
        user=unquote(user) if at else None,
        password=unquote(password) if at else None,
        mechanism=settings.kafka_sasl_mechanism,
        cafile=settings.kafka_ssl_cafile,
        timeout=settings.publish_timeout_s,
    )


def _server(text: str) -> str:
    """`host`, `host:port`, `[v6]` or `[v6]:port`, with the port made explicit."""
    match = _SERVER.fullmatch(text)
    port = int(match[2] or _PORT) if match else 0
    if match is None or not 0 < port < 65536:
        raise ConfigError(f"log_url: {text!r} is not host:port")
    return f"{match[1]}:{port}"
