"""Observations, version 1 (public-api.md section 4.1)."""

from __future__ import annotations

from web.api.route import Route

ROUTES: tuple[Route, ...] = ()
