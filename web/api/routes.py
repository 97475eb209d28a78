"""Every route of the API, in the order in which the router tries them."""

from __future__ import annotations

from web.api import (
    ingestion,
    metrics,
    observations,
    observations_v2,
    openapi,
    otlp,
    projects,
    scores,
    scores_v3,
    sessions,
    traces,
)
from web.api.route import Route

ROUTES: tuple[Route, ...] = (
    *openapi.ROUTES,
    *projects.ROUTES,
    *otlp.ROUTES,
    *traces.ROUTES,
    *observations_v2.ROUTES,
    *observations.ROUTES,
    *sessions.ROUTES,
    *scores_v3.ROUTES,
    *scores.ROUTES,
    *metrics.ROUTES,
    *ingestion.ROUTES,
)
