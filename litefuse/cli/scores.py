"""Scores of an export (`scores-NNNN.jsonl`), posted back: to POST /api/public/scores, many at a time.

That route takes no scores of evaluators (source EVAL), which only POST /api/public/ingestion does: they go there. An id that is
there already is replaced, so sending twice changes nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

#: One request, in scores and in bytes of them: the routes take a million.
_COUNT, _BYTES = 200, 800_000
_SUBJECTS = ("traceId", "sessionId", "datasetRunId")


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of one request, each with its line as it was written: that is what is posted, with integers of any size. `source`
    is that of all of them."""

    name: str
    lines: Sequence[tuple[bytes, Mapping[str, Any]]]
    source: str

    @property
    def scores(self) -> Sequence[Mapping[str, Any]]:
        return [score for _, score in self.lines]

    @property
    def path(self) -> str:
        return "/api/public/ingestion" if self.source == "EVAL" else "/api/public/scores"

    @property
    def body(self) -> bytes:
        if self.source != "EVAL":
            return b"[" + b",".join(line for line, _ in self.lines) + b"]"
        return orjson.dumps({"batch": [_event(line, score) for line, score in self.lines]})


def is_score(value: object) -> bool:
    """Whether a line of JSON is a score."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("name"), str)
        and "value" in value
        and any(isinstance(value.get(subject), str) for subject in _SUBJECTS)
    )


def batches(name: str, lines: Sequence[tuple[bytes, Mapping[str, Any]]]) -> Iterator[Scores]:
    """Requests of these scores, each with its line as it was written."""
    for evals in (False, True):
        together: list[tuple[bytes, Mapping[str, Any]]] = []
        size = 0
        for line, score in lines:
            if (score.get("source") == "EVAL") != evals:
                continue
            if together and (len(together) >= _COUNT or size + len(line) > _BYTES):
                yield Scores(name, together, "EVAL" if evals else "")
                together, size = [], 0
            together.append((line, score))
            size += len(line)
        if together:
            yield Scores(name, together, "EVAL" if evals else "")


def outcome(scores: Scores, status: int, body: bytes) -> tuple[int, str]:
    """How many were refused, and why in words, of an answer that is a success (2xx)."""
    try:
        answer = orjson.loads(body)
        errors = answer.get("errors") or []
        refused = int(answer.get("rejected", len(errors)))
        words = dict.fromkeys(str(error.get("message") or error.get("error") or error) for error in errors)
    except (ValueError, AttributeError, TypeError):
        return (0, "") if status != 207 else (len(scores.scores), "the answer cannot be read")
    return refused, "; ".join(list(words)[:3])


def base_url(endpoint: str) -> str:
    """Path in front of `/api/public`; `endpoint` as `post.traces_url` takes it."""
    path = urlsplit(endpoint.rstrip("/")).path.removesuffix("/v1/traces")
    return path.removesuffix("/api/public/otel")


def _event(line: bytes, score: Mapping[str, Any]) -> dict[str, Any]:
    """A score-create of POST /ingestion, whose time is the score's; the same score gives the same event."""
    event_id = uuid.uuid5(uuid.NAMESPACE_URL, f"litefuse:score:{score.get('id')}:{score.get('timestamp')}")
    return {
        "id": str(event_id),
        "type": "score-create",
        "timestamp": score.get("timestamp"),
        "body": orjson.Fragment(line),
    }
