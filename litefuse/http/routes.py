"""Routes that every role has on its port: alive, able to work, and what it counts."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Protocol, runtime_checkable

import orjson
from aiohttp import web

from litefuse.telemetry import metrics as m

_VERSION = version("litefuse")


class Role(Protocol):
    """What `ready` asks. Called for every request to it, so it tells what is known and does no I/O."""

    def ready(self) -> list[str]:
        """Why this role cannot do its work now; empty when it can."""


@runtime_checkable
class Examined(Protocol):
    """A role that can tell more than whether the process answers, to who asks for it (public-api.md section 2)."""

    async def examine(self, *, database: bool, events: bool) -> list[str]:
        """What is wrong; empty when nothing is. `database`: it has to answer; `events`: some have to have come of late."""


def common(roles: Sequence[Role]) -> list[web.RouteDef]:
    """`/api/public/health`, `/api/public/ready`, `/metrics`.

    Ready answers 200, or 503 with the reasons. Health says that the process answers, nothing about what it depends on:
    restarting it would not help those. Who wants to know asks: `failIfDatabaseUnavailable=true`, `failIfNoRecentEvents=true`.
    """

    async def health(request: web.Request) -> web.Response:
        database = _asked(request, "failIfDatabaseUnavailable")
        events = _asked(request, "failIfNoRecentEvents")
        reasons: list[str] = []
        if database or events:
            for role in roles:
                if isinstance(role, Examined):
                    reasons += await role.examine(database=database, events=events)
        if reasons:
            return _json(503, {"status": reasons[0], "version": _VERSION, "reasons": reasons})
        return _json(200, {"status": "OK", "version": _VERSION})

    async def ready(_: web.Request) -> web.Response:
        reasons = [reason for role in roles for reason in role.ready()]
        if reasons:
            return _json(503, {"status": "NOT READY", "version": _VERSION, "reasons": reasons})
        return _json(200, {"status": "OK", "version": _VERSION, "reasons": []})

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=m.render(), headers={"Content-Type": m.CONTENT_TYPE})

    return [
        web.get("/api/public/health", health, name="health"),
        web.get("/api/public/ready", ready, name="ready"),
        web.get("/metrics", metrics, name="prometheus"),
    ]


def _asked(request: web.Request, name: str) -> bool:
    return request.query.get(name) == "true"


def _json(status: int, value: object) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")
