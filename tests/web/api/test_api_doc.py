"""docs/api.md names every route, with the scope that it needs, and none that there is not."""

from __future__ import annotations

import re
from pathlib import Path

from litefuse.keys import Scope
from web.api.openapi import written
from web.api.route import PREFIX, Route
from web.api.routes import ROUTES

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "api.md").read_text("utf-8")
SECTION = PAGE.partition("\n## Routes\n")[2].partition("\n## ")[0]
NEEDS = {None: "any", Scope.READ: "read", Scope.INGEST: "ingest", Scope.ALL: "all"}


def rows() -> dict[tuple[str, str], str]:
    """(method, path) → scope, as the page says it."""
    found = {}
    for line in SECTION.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `"):
            for method, path in re.findall(r"`([A-Z]+) (/[^`]*)`", cells[0]):
                found[method, path] = cells[-1]
    return found


def expected(route: Route) -> str:
    if route.public:
        return "none"
    return "" if route.path.startswith("/projects") and route.method != "GET" else NEEDS[route.need]


def test_every_route_is_on_the_page_and_no_other() -> None:
    every = {
        (method.upper(), path.removeprefix(PREFIX))
        for path, methods in written()["paths"].items()
        for method in methods
    }
    assert set(rows()) == every


def test_the_page_says_what_a_key_has_to_be_allowed() -> None:
    said = rows()
    assert {(r.method, r.path): said[r.method, r.path] for r in ROUTES} == {
        (r.method, r.path): expected(r) for r in ROUTES
    }


def test_calls_of_sdks_ask_routes_that_there_are() -> None:
    section = PAGE.partition("\n## Which call of an SDK asks what\n")[2].partition("\n## ")[0]
    paths = {path.removeprefix(PREFIX) for path in written()["paths"]}
    named = {path for code in re.findall(r"`([^`]+)`", section) for path in re.findall(r"(?:^|[A-Z] )(/[^ ]+)$", code)}
    assert len(named) > 10
    assert named <= paths
