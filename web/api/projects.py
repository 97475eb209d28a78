"""Projects: the one that the key belongs to (public-api.md section 2)."""

from __future__ import annotations

from web.api.route import Route

ROUTES: tuple[Route, ...] = ()
