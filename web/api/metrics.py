"""Metrics, versions 1 and 2, and daily (public-api.md section 7)."""

from __future__ import annotations

from web.api.route import Route

ROUTES: tuple[Route, ...] = ()
