"""Traces (public-api.md section 3)."""

from __future__ import annotations

from web.api.route import Route

ROUTES: tuple[Route, ...] = ()
