"""The project of the key (public-api.md section 2)."""

from __future__ import annotations

from typing import Any, NoReturn, NotRequired

from typing_extensions import TypedDict

from litefuse.keys import KeyStore
from web.api.errors import Error, forbidden
from web.api.parameters import NoQuery
from web.api.route import Call, Route

#: There are no organisations; SDKs need one.
ORGANIZATION = "litefuse"


class Organization(TypedDict):
    id: str
    name: str


class Project(TypedDict):
    """`retentionDays` is absent when spans are kept for ever."""

    id: str
    name: str
    organization: Organization
    metadata: dict[str, Any]
    retentionDays: NotRequired[int]


class Projects(TypedDict):
    data: list[Project]


async def listing(call: Call, _: NoQuery) -> Projects:
    """Exactly the key's project: SDKs build links to traces with it."""
    found = await KeyStore(call.store).find_project(call.project_id)
    project: Project = {
        "id": call.project_id,
        # A project that was deleted a moment ago has no name any more, and its keys are refused a moment later.
        "name": found[1] if found else call.project_id,
        "organization": {"id": ORGANIZATION, "name": ORGANIZATION},
        "metadata": {},
    }
    if call.retention_days:
        project["retentionDays"] = call.retention_days
    return {"data": [project]}


async def refuse(_: Call, __: NoQuery) -> NoReturn:
    """Keys are of a project; they make, change and delete none."""
    raise forbidden("projects and keys are made by `litefuse keys create`")


ROUTES: tuple[Route, ...] = (
    Route("GET", "/projects", listing, "The project of the key", "Projects", answer=Projects, need=None),
    *(
        Route(method, path, refuse, "Not with the key of a project", "Projects", answer=Error, status=403, need=None)
        for method, path in (
            ("POST", "/projects"),
            ("PUT", "/projects/{projectId}"),
            ("DELETE", "/projects/{projectId}"),
        )
    ),
)
