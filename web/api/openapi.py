"""The OpenAPI document, and a page for people."""

from __future__ import annotations

from web.api.route import Route

ROUTES: tuple[Route, ...] = ()
