"""Sessions (public-api.md section 5)."""

from __future__ import annotations

from web.api.route import Route

ROUTES: tuple[Route, ...] = ()
