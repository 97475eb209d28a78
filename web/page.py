"""The landing page: state of the pipeline and what an exporter has to be told. Pure: values in, HTML out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template

from web.state import State

#: No inline script or style, nothing from elsewhere, in nobody's frame.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
STATIC_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=3600"}
STATIC_TYPES = {
    "landing.css": "text/css",
    "docs.css": "text/css",
    "landing.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253})(:[0-9]{1,5})?")
_PAGE = Template(files("web").joinpath("landing.html").read_text("utf-8"))

_SNIPPET = """\
export OTEL_EXPORTER_OTLP_ENDPOINT={endpoint}/api/public/otel
export OTEL_EXPORTER_OTLP_HEADERS="Authorization=Basic $(printf %s 'PUBLIC_KEY:SECRET_KEY' | base64 | tr -d '\\n')"
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"""


def static(name: str) -> bytes:
    return files("web").joinpath("static", name).read_bytes()


def base_url(host_header: str | None, forwarded_proto: str | None, fallback: str) -> str:
    """The address under which the viewer sees us; `fallback` when the Host header is not one."""
    if not host_header or not _HOST.fullmatch(host_header):
        return fallback
    scheme = forwarded_proto if forwarded_proto in ("http", "https") else "http"
    return f"{scheme}://{host_header}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where spans go: `endpoint` is the base URL of ingest, `keys` says where the keys are found, with
    commands in back quotes."""

    endpoint: str
    keys: str


def render(state: State, reasons: list[str], place: Place, version: str, command: str = "litefuse") -> str:
    """The page. Everything that varies is escaped."""
    problems = [*reasons, *(problem for problem in state.problems if problem not in reasons)]
    return _PAGE.substitute(
        command=escape(command),
        version=escape(version),
        verdict="not ready" if reasons else "degraded" if problems else "ready",
        tone="bad" if reasons else "warn" if problems else "good",
        problems="".join(f"<li>{escape(problem)}</li>" for problem in problems),
        spans=_number(state.spans),
        last_minute=_number(state.last_minute),
        lag_records=_number(state.lag_records),
        lag_seconds="nothing waits" if state.lag_records == 0 else _duration(state.lag_seconds),
        dead="many" if state.dead == -1 else _number(state.dead),
        dead_tone="warn" if state.dead else "good",
        snippet=escape(_SNIPPET.format(endpoint=place.endpoint)),
        keys=re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(place.keys)),
    )


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
