"""Scores, version 3 (public-api.md section 6.3)."""

from __future__ import annotations

from web.api.route import Route

ROUTES: tuple[Route, ...] = ()
