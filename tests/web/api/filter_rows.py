"""Rows that filters are tried on, and what their reader sees of them, in plain Python that shares nothing with the SQL.

What is seen of a row is values by column: None or "" for null, text, numbers, Unix ns for times, a list, a dict for metadata,
and for scores of a trace the values by name.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.embedded.server import Server
from tests.web.queries.support import HOUR, MONDAY, SECOND, Span, insert, merge, newest

Values = Mapping[str, Any]

NASTY = ('o\'brien \\ "q"', "{x:String}", "a%n", "a_n", "-- ' OR 1=1 /*", "žluťoučký 🐴", "tab\tand\nline", "nul\0nul")
_METADATA: tuple[dict[str, str], ...] = (
    {},
    {},
    {"k": "1"},
    {"k": "quoted"},
    {"k": '"quoted"'},
    {"k": '"\\"123\\""'},
    {"k": '{"a": "quoted"}'},
    {"k": '"no end'},
    {"k": '"two" "texts"'},
    {"k": ""},
    {"k": '""'},
    {"x.y": "z", "k": "[1, 2]"},
    {"o'k \\ {x:String}": "1"},
    {"k": "Žlutý"},
)


@dataclass(frozen=True, slots=True)
class Score:
    """A row of the table scores. What it is on is given by ids."""

    id: str
    name: str
    data_type: str
    value: float = 0
    text: str = ""
    trace: str = ""
    observation: str = ""
    session: str = ""
    project: str = "p"
    at: int = MONDAY
    source: str = "API"
    environment: str = "default"
    metadata: str = ""
    version: int = 10
    deleted: bool = False

    def row(self) -> dict[str, Any]:
        return {
            "project_id": self.project,
            "id": self.id,
            "timestamp": f"{self.at // SECOND}.{self.at % SECOND:09d}",
            "name": self.name,
            "data_type": self.data_type,
            "value": self.value,
            "string_value": self.text,
            "source": self.source,
            "trace_id": self.trace,
            "observation_id": self.observation,
            "session_id": self.session,
            "environment": self.environment,
            "metadata": self.metadata,
            "version": self.version,
            "deleted": int(self.deleted),
        }


# -- rows ----------------------------------------------------------------------------------------------------------------


def spans_made(chance: random.Random) -> list[Span]:
    """Of 24 traces, over two weeks; some without a root, some with copies, one told of by itself."""
    made: list[Span] = []
    for n in range(24):
        start = MONDAY + n * 13 * HOUR + chance.randint(0, 10**9)
        for m in range(chance.randint(1, 4)):
            parent = f"{n:012x}{m - 1:04x}" if m else chance.choice(["", "", "", "f" * 16])
            span = Span(f"{n:032x}", f"{n:012x}{m:04x}", start + m * chance.randint(0, 2 * HOUR), parent=parent)
            made.append(_says(chance, span))
    copies = [replace(span, copy=1, level="WARNING", tokens=(5, 5)) for span in made[::9]]
    told = replace(made[0], span_id="e" * 16, type="TRACE", parent="", user_id="told", tags=("told",))
    return [*made, *copies, told]


def _says(chance: random.Random, span: Span) -> Span:
    def some(share: float, *values: Any) -> Any:
        return chance.choice(values) if chance.random() < share else None

    said: dict[str, Any] = {
        "end": span.start + chance.choice([0, 1, 250_000_000, SECOND, 90 * SECOND]),
        "name": chance.choice(["", "call", "Call", "step one", *NASTY]),
        "level": some(0.5, "ERROR", "WARNING", "DEBUG"),
        "message": some(0.4, "Timeout", "timeout", *NASTY),
        "environment": some(0.5, "prod", "Prod", "dev"),
        "user_id": some(0.3, "ann", "Ann", "annabel", *NASTY),
        "session_id": some(0.3, "s1", "S1", *NASTY),
        "tags": some(0.4, ("a",), ("b", "a"), ("A", NASTY[0]), (NASTY[1], "c")),
        "trace_name": some(0.1, "said", "Said", NASTY[0]),
        "release": some(0.3, "r1", "R1", NASTY[0]),
        "version": some(0.3, "v1", "V1", NASTY[5]),
        "own_release": some(0.2, True),
        "metadata": some(0.5, *_METADATA),
        "own_metadata": some(0.7, *_METADATA),
        "public": some(0.1, True, False),
        "input": some(0.6, "Say Hello", '{"q": "say hello"}', "ZLUŤ", *NASTY),
        "output": some(0.6, "hello", "HELLO there", *NASTY),
        "previews": some(0.3, ("", ""), ("short", "an error")),
        "app_root": some(0.1, True),
        "type": some(0.6, "GENERATION", "TOOL", "AGENT", "EVENT"),
        "model": some(0.5, "gpt-4o", "GPT-4o", NASTY[0]),
        "prompt": some(0.3, ("greet", 1), ("Greet", 12), (NASTY[1], None)),
        "tokens": some(0.6, (1, 2), (1000, 10), (0, 7)),
        "cost": some(0.6, "0.5", "0.000000000001", "2", "0.1"),
        "costs": some(0.5, ("0.1", "0.2"), ("0.3", None), (None, "0.000000000001")),
        "first_token": some(0.4, span.start + 100_000_000, span.start + SECOND),
        "unended": some(0.15, True),
    }
    return replace(span, **{key: value for key, value in said.items() if value is not None})


def scores_made(chance: random.Random, spans: Sequence[Span]) -> list[Score]:
    """Of traces, observations, sessions, and traces that there are not."""
    made: list[Score] = []
    for n in range(90):
        span = chance.choice(spans)
        score = Score(
            f"score {n}", chance.choice(["quality", "Quality", NASTY[0]]), "NUMERIC", at=MONDAY + n * HOUR + n
        )
        on = chance.choice(["trace", "trace", "observation", "session", "nothing"])
        if on == "session":
            score = replace(score, session=chance.choice(["s1", "S1"]))
        elif on == "nothing":
            score = replace(score, trace="nowhere")
        else:
            score = replace(score, trace=span.trace_id, observation=span.span_id if on == "observation" else "")
        kind = chance.choice(["NUMERIC", "NUMERIC", "BOOLEAN", "CATEGORICAL", "CATEGORICAL", "TEXT"])
        if kind == "NUMERIC":
            score = replace(score, value=chance.choice([0, 0.1, 0.25, 1, -3.5, 1e6]))
        elif kind == "BOOLEAN":
            true = chance.random() < 0.5
            score = replace(score, data_type=kind, value=int(true), text=str(true))
        elif kind == "CATEGORICAL":
            score = replace(score, data_type=kind, text=chance.choice(["good", "Good", "bad", NASTY[0]]))
        else:
            score = replace(score, data_type=kind, text=chance.choice(["good", *NASTY]))
        made.append(
            replace(
                score,
                source=chance.choice(["API", "EVAL", "ANNOTATION"]),
                environment=chance.choice(["default", "prod"]),
                metadata=chance.choice(
                    [
                        "",
                        '{"k": "1"}',
                        '{"k": "\\"1\\""}',
                        '{"k": 1, "n": {"a": [1, 2]}}',
                        '{"k": "a \\"b\\"", "x": ""}',
                    ]
                ),
            )
        )
    return made


def put(server: Server, spans: Sequence[Span], scores: Sequence[Score]) -> None:
    """The rows in project p, with what of the scores was there before, and scores that were deleted; and rows with the same ids
    and other values in the project `other`."""
    insert(server, spans)
    theirs = [
        replace(
            s, project="other", user_id="ann", tags=("a", "theirs"), release="r1", trace_name="theirs", level="ERROR"
        )
        for s in spans
    ]
    insert(server, theirs)
    their_scores = [
        replace(s, project="other", name="quality", data_type="BOOLEAN", value=1, text="good") for s in scores
    ] + [
        Score(f"theirs {n}", "quality", type_, 1, "good", span.trace_id, project="other")
        for n, span in enumerate(spans)
        for type_ in ("NUMERIC", "BOOLEAN", "CATEGORICAL")
    ]
    before = [
        replace(s, version=1, trace=spans[n].trace_id, observation="", session="", name="quality", value=n, text="good")
        for n, s in enumerate(scores[::2])
    ]
    gone = [replace(s, id=f"gone {n}") for n, s in enumerate(scores[::3])]
    insert_scores(server, [*before, *gone])
    insert_scores(server, [*scores, *their_scores, *(replace(s, version=11, deleted=True) for s in gone)])


def insert_scores(server: Server, scores: Sequence[Score]) -> None:
    lines = "\n".join(json.dumps(score.row()) for score in scores)
    answer = server.ask(f"INSERT INTO scores FORMAT JSONEachRow\n{lines}", database="litefuse")
    assert answer.status == 200, answer.text


# -- what is seen of them ------------------------------------------------------------------------------------------------


def shown(text: str) -> str:
    """A value of metadata: a string that is stored as JSON is decoded once."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, str) else text


def trace_rows(spans: Sequence[Span], scores: Sequence[Score]) -> dict[str, Values]:
    """Trace id → its values."""
    by_trace = defaultdict(list)
    for span in spans:
        by_trace[span.trace_id].append(span)
    found: dict[str, Values] = {}
    for id_, every in by_trace.items():
        trace, kept = merge(every), [s for s in newest(every) if s.type != "TRACE"]
        levels = [s.level for s in kept]
        on = [s for s in scores if s.trace == id_]
        values: dict[str, Any] = {
            "id": id_,
            "name": trace.name,
            "timestamp": trace.start_ns,
            "userId": trace.user_id,
            "sessionId": trace.session_id,
            "environment": trace.environment,
            "version": trace.version,
            "release": trace.release,
            "tags": trace.tags,
            "bookmarked": False,
            "metadata": {key: shown(value) for key, value in trace.metadata.items()},
            "level": next(level for level in ("ERROR", "WARNING", "DEFAULT", "DEBUG") if level in levels),
            "latency": (max(s.end_time for s in kept) - min(s.start for s in kept)) / 1e9,
            "inputTokens": sum(s.tokens[0] for s in kept),
            "outputTokens": sum(s.tokens[1] for s in kept),
            "totalTokens": sum(sum(s.tokens) for s in kept),
            "inputCost": _sum(s.costs[0] for s in kept),
            "outputCost": _sum(s.costs[1] for s in kept),
            "totalCost": _sum(s.cost for s in kept),
            "warningCount": levels.count("WARNING"),
            "errorCount": levels.count("ERROR"),
            "defaultCount": levels.count("DEFAULT"),
            "debugCount": levels.count("DEBUG"),
            "scores_avg": _by_name(on, ("NUMERIC", "BOOLEAN"), lambda s: s.value),
            "score_categories": _by_name(on, ("CATEGORICAL",), lambda s: s.text),
            "score_booleans": _by_name(on, ("BOOLEAN",), lambda s: s.value == 1),
        }
        found[id_] = values
    return found


def observation_rows(spans: Sequence[Span]) -> dict[str, Values]:
    """Span id → its values, those of its trace among them."""
    traces = trace_rows(spans, [])
    found: dict[str, Values] = {}
    for s in newest(spans):
        if s.type == "TRACE":
            continue
        trace = traces[s.trace_id]
        latency = None if s.unended else (s.end_time - s.start) / 1e9
        found[s.span_id] = {
            "id": s.span_id,
            "type": s.type,
            "name": s.name,
            "traceId": s.trace_id,
            "parentObservationId": s.parent,
            "startTime": s.start,
            "endTime": None if s.unended else s.end_time,
            "environment": s.environment,
            "level": s.level,
            "statusMessage": s.message,
            "version": s.version,
            "model": s.model,
            "modelId": None,
            "promptName": s.prompt[0],
            "promptVersion": s.prompt[1],
            "latency": latency,
            "timeToFirstToken": None if s.first_token is None else (s.first_token - s.start) / 1e9,
            "tokensPerSecond": sum(s.tokens) * 1e9 / (s.end_time - s.start) if latency else None,
            "inputTokens": s.tokens[0],
            "outputTokens": s.tokens[1],
            "totalTokens": sum(s.tokens),
            "inputCost": _sum([s.costs[0]]),
            "outputCost": _sum([s.costs[1]]),
            "totalCost": _sum([s.cost]),
            "metadata": {key: shown(value) for key, value in s.own_metadata.items()},
            "userId": trace["userId"],
            "sessionId": trace["sessionId"],
            "traceName": trace["name"],
            "traceTags": trace["tags"],
            "traceEnvironment": trace["environment"],
            "release": s.release or trace["release"],
            "isRootObservation": s.is_root or s.app_root,
            "hasParentObservation": s.parent != "",
            "hasInput": s.input != "",
            "hasOutput": s.output != "",
            "input": s.input,
            "output": s.output,
        }
    return found


def score_rows(spans: Sequence[Span], scores: Sequence[Score]) -> dict[str, Values]:
    """Score id → its values, those of its trace among them."""
    traces = trace_rows(spans, [])
    found: dict[str, Values] = {}
    for s in scores:
        trace = traces.get(s.trace, {"userId": None, "name": None, "tags": None})
        found[s.id] = {
            "id": s.id,
            "traceId": s.trace,
            "observationId": s.observation,
            "sessionId": s.session,
            "timestamp": s.at,
            "source": s.source,
            "dataType": s.data_type,
            "name": s.name,
            "value": None if s.data_type == "TEXT" else s.value,
            "stringValue": s.text,
            "booleanValue": s.value == 1 if s.data_type == "BOOLEAN" else None,
            "metadata": {
                key: value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
                for key, value in json.loads(s.metadata or "{}").items()
            },
            "environment": s.environment,
            "userId": trace["userId"],
            "traceName": trace["name"],
            "tags": trace["tags"],
        }
    return found


def _sum(costs: Any) -> float | None:
    """USD, exact to the twelve digits that are stored."""
    known = [round(float(cost) * 10**12) for cost in costs if cost is not None]
    return sum(known) / 1e12 if known else None


def _by_name(scores: Sequence[Score], types: Sequence[str], value: Callable[[Score], Any]) -> dict[str, list[Any]]:
    found = defaultdict(list)
    for score in scores:
        if score.data_type in types:
            found[score.name].append(value(score))
    return dict(found)
