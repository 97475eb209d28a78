"""Observations, version 2 (public-api.md section 4.2)."""

from __future__ import annotations

from web.api.route import Route

ROUTES: tuple[Route, ...] = ()
