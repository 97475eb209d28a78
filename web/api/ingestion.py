"""POST /ingestion: events of SDKs from before OpenTelemetry (public-api.md section 8)."""

from __future__ import annotations

from web.api.route import Route

ROUTES: tuple[Route, ...] = ()
