"""Whether the ports of a process can be had, asked before it makes anything."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

from litefuse.cli.calling import command
from litefuse.embedded import files
from litefuse.errors import ConfigError
from litefuse.settings import Settings
from litefuse.settings_load import BY_NAME


def need_ports(role: str, settings: Settings) -> None:
    """Raises ConfigError that names the setting of the first port that cannot be had. A data directory that is in use
    gets the better sentence: the process that has it has the ports, too."""
    if not settings.clickhouse_url and role in ("up", "clickhouse") and files.owner(settings.data_dir) is not None:
        return
    for name, port in _ports(role, settings):
        error = _probe(settings.host, port) if port else None
        if error is None:
            continue
        row = BY_NAME[name]
        if error.errno != errno.EADDRINUSE:
            raise ConfigError(f"{row.flag} {port} ({row.env}) on {settings.host}: {error.strerror or error}")
        free = port + 1 if port < 65535 else 0
        hint = f"{command()} {role} {row.flag} {free}"
        if role == "up":
            hint += f', or make up ARGS="{row.flag} {free}"'
        raise ConfigError(f"{row.flag} {port} ({row.env}): in use on {settings.host}; choose another: {hint}")


def _ports(role: str, settings: Settings) -> Iterator[tuple[str, int]]:
    yield "port", settings.port
    if role in BY_NAME["otlp_port"].roles:
        yield "otlp_port", settings.otlp_port
    if role in ("up", "clickhouse") and not settings.clickhouse_url:
        yield "clickhouse_port", settings.clickhouse_port


def _probe(host: str, port: int) -> OSError | None:
    """Listen for a moment on each address of the host, as the server will."""
    try:
        addresses = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        return error
    for family, kind, protocol, _, address in addresses:
        try:
            probe = socket.socket(family, kind, protocol)
        except OSError:
            continue  # a family this machine does not have
        with probe:
            try:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
                probe.listen(1)
            except OSError as error:
                return error
    return None
