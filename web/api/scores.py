"""Scores: creating, deleting, and reading by versions 1 and 2 (public-api.md section 6)."""

from __future__ import annotations

from web.api.route import Route

ROUTES: tuple[Route, ...] = ()
