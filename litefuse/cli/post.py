"""Posts OTLP requests one after the other, as a well-behaved exporter does: retries what can pass, and no more."""

from __future__ import annotations

import base64
import http.client
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import orjson

from litefuse import __version__
from litefuse.cli.captured import Call
from litefuse.cli.scores import Scores, base_url, outcome
from litefuse.errors import ConfigError
from litefuse.settings import Secret

#: Statuses that the OTLP specification lets a client retry.
_RETRY = frozenset((429, 502, 503, 504))
#: Seconds for one request's retries altogether, and the longest single wait.
_PATIENCE = 120.0
#: The same before anything has ever answered there: rather a wrong address than a restart.
_PATIENCE_AT_FIRST = 5.0
_LONGEST = 30.0
_TIMEOUT = 90.0
#: Bytes to which a body is inflated for counting its spans.
_INFLATED = 256 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` 0: no answer at all; 200 for any success. `rejected` are spans or scores. `problem` says in words what was not
    kept, empty when all was."""

    status: int
    rejected: int = 0
    problem: str = ""


@dataclass(slots=True)
class Total:
    """`skipped` counts what was found in a directory and is no OTLP trace request, `unusable` what a person named and is
    none; `unanswered` requests that no answer came to."""

    url: str = ""
    sent: int = 0
    bytes: int = 0
    spans: int = 0
    rejected: int = 0
    refused: int = 0
    unanswered: int = 0
    skipped: int = 0
    unusable: int = 0
    scores: int = 0
    scores_rejected: int = 0

    def add(self, call: Call | Scores, answer: Answer) -> None:
        if answer.status == 200 and isinstance(call, Scores):
            self.scores += len(call.scores) - answer.rejected
            self.scores_rejected += answer.rejected
        elif answer.status == 200 and isinstance(call, Call):
            self.sent += 1
            self.bytes += len(call.body)
            self.spans += spans_in(call) - answer.rejected
            self.rejected += answer.rejected
        elif answer.status == 0:
            self.unanswered += 1
        else:
            self.refused += 1

    @property
    def clean(self) -> bool:
        return not (self.rejected or self.refused or self.unanswered or self.unusable or self.scores_rejected)

    def __str__(self) -> str:
        parts = [f"{_many(self.spans, 'span')} in {_many(self.sent, 'request')} sent ({self.bytes / 1024:.0f} KiB)"]
        parts.append(f"{_many(self.rejected, 'span')} rejected")
        parts.append(f"{_many(self.refused, 'request')} refused")
        if self.scores or self.scores_rejected:
            parts.insert(1, f"{_many(self.scores, 'score')} sent, {self.scores_rejected} rejected")
        if self.unanswered:
            parts.append(f"{_many(self.unanswered, 'request')} without an answer")
        if self.skipped:
            parts.append(f"{_many(self.skipped, 'other call')} skipped (not OTLP traces)")
        if self.unusable:
            parts.append(f"{_many(self.unusable, 'payload')} not sendable")
        return f"{', '.join(parts)}; to {self.url}"


def spans_in(call: Call) -> int:
    """How many spans a request has that was answered with 200; 0 where that cannot be told."""
    from litefuse.errors import LitefuseError
    from litefuse.otlp import wire
    from litefuse.otlp.inflate import inflate

    try:
        body = inflate(call.body, call.headers.get("content-encoding", ""), _INFLATED)
        if "json" not in call.headers.get("content-type", ""):
            return sum(1 for _ in wire.spans(body))
        groups = (orjson.loads(body) or {}).get("resourceSpans") or []
        return sum(len(scope.get("spans") or []) for group in groups for scope in group.get("scopeSpans") or [])
    except (LitefuseError, ValueError, AttributeError, TypeError):
        return 0


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def traces_url(endpoint: str) -> str:
    """`endpoint` may be the base, the OTLP base, or the whole URL of the route."""
    base = endpoint.rstrip("/")
    path = urlsplit(base).path
    if path.endswith("/v1/traces"):
        return base
    return f"{base}/v1/traces" if path else f"{base}/api/public/otel/v1/traces"


class Poster:
    """One connection that is kept alive. `sleep` and `clock` are for tests."""

    def __init__(
        self,
        endpoint: str,
        public_key: str,
        secret_key: Secret,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        parts = urlsplit(traces_url(endpoint))
        if not parts.hostname:
            raise ConfigError(f"--endpoint {endpoint}: must be a URL such as http://127.0.0.1:3000")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=_TIMEOUT)
        self._path = parts.path
        self._base = base_url(endpoint)
        basic = base64.b64encode(f"{public_key}:{secret_key.reveal()}".encode()).decode()
        self._headers = {"authorization": f"Basic {basic}"}
        self._reached = False
        self._sleep = sleep
        self._clock = clock

    def post(self, call: Call | Scores) -> Answer:
        """Until it is answered for good, or patience has run out."""
        started = self._clock()
        pause = 0.2
        while True:
            status, wait, problem, rejected = self._once(call)
            self._reached = self._reached or status != 0
            patience = _PATIENCE if self._reached else _PATIENCE_AT_FIRST
            if status not in _RETRY and status != 0:
                return Answer(status, rejected, problem)
            pause = min(pause * 2, 5.0) if wait is None else min(wait, _LONGEST)
            if self._clock() - started + pause > patience:
                return Answer(status, 0, f"{problem}; gave up after {patience:.0f} s of retries")
            self._sleep(pause)

    def _once(self, call: Call | Scores) -> tuple[int, float | None, str, int]:
        """Status (0 for none, 200 for any success), Retry-After in seconds, problem, rejected spans or scores."""
        of_call = call.headers if isinstance(call, Call) else {"content-type": "application/json"}
        path = self._path if isinstance(call, Call) else self._base + call.path
        headers = {"user-agent": f"litefuse-send/{__version__}", **of_call, **self._headers}
        try:
            self._connection.request("POST", path, call.body, headers)
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            where = f"{self._connection.host}:{self._connection.port}"
            return 0, None, f"no answer from {where}: {str(error) or type(error).__name__}", 0
        is_json = "json" in (response.headers.get("content-type") or "")
        wait = _retry_after(response.headers.get("retry-after"))
        if isinstance(call, Scores) and response.status in (200, 202, 207):
            rejected, message = outcome(call, response.status, body)
            return 200, wait, f"{_many(rejected, 'score')} rejected: {message}" if rejected else "", rejected
        if isinstance(call, Call) and response.status == 200:
            rejected, message = _partial(body, is_json)
            problem = f"{_many(rejected, 'span')} rejected: {message}" if rejected else ""
            return 200, wait, problem, rejected
        hint = ""
        if response.status == 404:
            hint = f"; nothing takes this at {path} there: --endpoint wants the address of `up`'s or ingest's --port"
        return response.status, wait, f"{response.status} {_message(body, is_json) or response.reason}{hint}", 0

    def close(self) -> None:
        self._connection.close()


def _retry_after(text: str | None) -> float | None:
    if not text:
        return None
    if text.strip().isascii() and text.strip().isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def _partial(body: bytes, is_json: bool) -> tuple[int, str]:
    """Rejected spans and the reason, from an export response."""
    if not body:
        return 0, ""
    try:
        if is_json:
            found = orjson.loads(body).get("partialSuccess") or {}
            return int(found.get("rejectedSpans", 0)), str(found.get("errorMessage", ""))
        from google.protobuf.message import DecodeError
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

        try:
            partial = ExportTraceServiceResponse.FromString(body).partial_success
        except DecodeError:
            return 0, ""
        return int(partial.rejected_spans), str(partial.error_message)
    except (ValueError, AttributeError, TypeError):
        return 0, ""


def _message(body: bytes, is_json: bool) -> str:
    """The text of a `google.rpc.Status`."""
    try:
        if is_json:
            return str(orjson.loads(body).get("message", ""))
        from google.protobuf.message import DecodeError
        from google.rpc.status_pb2 import Status

        try:
            return str(Status.FromString(body).message)
        except DecodeError:
            return ""
    except (ValueError, AttributeError):
        return ""
