"""Free ports of the loopback address for servers that tests start, end, and start again on the same port."""

from __future__ import annotations

import random
import socket

#: Below what the kernel gives to outgoing connections: one of those could take the port while its server is down.
_FIRST, _LAST = 12_000, 32_000
_taken: set[int] = set()


def free_ports(count: int) -> list[int]:
    """Ports nothing listens on now, none of which this process was given before."""
    found: list[int] = []
    while len(found) < count:
        port = random.SystemRandom().randint(_FIRST, _LAST)
        if port in _taken:
            continue
        with socket.socket() as each:
            try:
                each.bind(("127.0.0.1", port))
            except OSError:
                continue
        _taken.add(port)
        found.append(port)
    return found


def free_port() -> int:
    return free_ports(1)[0]
