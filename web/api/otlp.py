"""Traces as OTLP, as they came in."""

from __future__ import annotations

from web.api.route import Route

ROUTES: tuple[Route, ...] = ()
