"""Rows as what an agent is told: the keys of the public API, without what is empty, and texts cut where they are long. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from web.api import score
from web.api.values import number, time_or_none, time_text
from web.queries.observations import Observation
from web.queries.scores import Score
from web.queries.traces import Trace

#: Columns of observations beside observations.SMALL that a trace is shown with.
IN_FULL = ("input", "output", "tool_call_arguments")
#: Scores of one trace or observation at most; those of a trace in a list, and characters of their values.
_SCORES, _FEW_SCORES, _SHORT = 100, 10, 100


def trace(found: Trace, characters: int) -> dict[str, Any]:
    """A trace in a list; `characters` of input and output each."""
    numbers = found.numbers
    return _said(
        id=found.id,
        timestamp=time_text(found.start_ns),
        name=found.name,
        userId=found.user_id,
        sessionId=found.session_id,
        environment=found.environment,
        release=found.release,
        version=found.version,
        tags=list(found.tags),
        metadata={key: cut(value, characters) for key, value in found.metadata.items()},
        latencySeconds=numbers.latency_ns / 1e9,
        observations=numbers.observations,
        models=list(numbers.models),
        errors=numbers.errors,
        inputTokens=numbers.input_tokens,
        outputTokens=numbers.output_tokens,
        totalTokens=numbers.total_tokens,
        totalCostUsd=number(numbers.total_cost),
        input=cut(found.input_preview, characters),
        output=cut(found.output_preview, characters),
    )


def observation(row: Observation, characters: int) -> dict[str, Any]:
    """`row` has observations.SMALL, and IN_FULL or not: then input and output are the previews."""
    ended = row["end_time_unix_nano"] != 0
    return _said(
        id=row["id"],
        traceId=row["trace_id"],
        parentObservationId=row["parent_id"],
        type=row["type"],
        name=row["observation_name"],
        startTime=time_text(row["start_ns"]),
        endTime=time_or_none(row["end_ns"]) if ended else None,
        latencySeconds=(row["end_ns"] - row["start_ns"]) / 1e9 if ended else None,
        level="" if row["level"] == "DEFAULT" else row["level"],
        statusMessage=cut(row["level_message"], characters),
        environment=row["environment"],
        model=row["model"],
        provider=row["provider"],
        modelParameters=row["model_parameters"],
        usage=row["usage"],
        totalCostUsd=number(row["total_cost"]),
        promptName=row["prompt_name"],
        promptVersion=row["prompt_version"],
        userId=row["user_id"],
        sessionId=row["session_id"],
        metadata={key: cut(value, characters) for key, value in row["metadata"].items()},
        input=cut(row["input" if "input" in row else "input_preview"], characters),
        output=cut(row["output" if "output" in row else "output_preview"], characters),
        toolCalls=_tool_calls(row, characters),
    )


def by_observation(found: Iterable[Score], ids: Collection[str]) -> tuple[list[Score], dict[str, list[Score]]]:
    """Scores of a trace, those of these observations apart. With the trace are those of observations that did not come."""
    own: list[Score] = []
    others: dict[str, list[Score]] = {}
    for one in found:
        (others.setdefault(one.observation_id, []) if one.observation_id in ids else own).append(one)
    return own, others


def scores(found: Sequence[Score], characters: int) -> dict[str, Any]:
    """`scores` of a trace or an observation, `characters` of each text; nothing when there are none."""
    return _first(found, _SCORES, lambda one: _score(one, characters))


def scores_in_brief(found: Sequence[Score]) -> dict[str, Any]:
    """The same for a trace in a list: names and values."""
    return _first(
        found,
        _FEW_SCORES,
        lambda one: _said(name=one.name, value=_value(one, _SHORT), observationId=one.observation_id),
    )


def _first(found: Sequence[Score], most: int, shape: Callable[[Score], dict[str, Any]]) -> dict[str, Any]:
    left = {"scoresLeft": len(found) - most} if len(found) > most else {}
    return {"scores": [shape(one) for one in found[:most]], **left} if found else {}


def _score(one: Score, characters: int) -> dict[str, Any]:
    return _said(
        id=one.id,
        name=one.name,
        value=_value(one, characters),
        dataType=one.data_type,
        source=one.source,
        timestamp=time_text(one.timestamp_ns),
        comment=cut(one.comment, characters),
        metadata=cut(one.metadata, characters),
        authorUserId=one.author_user_id,
        observationId=one.observation_id,
    )


def _value(one: Score, characters: int) -> float | bool | str | None:
    value = score.value(one)
    return cut(value, characters) if isinstance(value, str) else value


def around(text: str, wanted: str, characters: int) -> str:
    """The part of a text that has what was looked for, in any case, in its middle."""
    at = text.lower().find(wanted.lower())
    if at < 0:
        return cut(text, characters)
    low = max(0, at + len(wanted) // 2 - characters // 2)
    part = text[low : low + characters]
    return f"{'…' if low else ''}{part}{'…' if low + characters < len(text) else ''}"


def cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[:characters]}… ({len(text)} characters)"


def _tool_calls(row: Observation, characters: int) -> list[dict[str, Any]]:
    arguments: Iterable[str] = row.get("tool_call_arguments", [""] * len(row["tool_call_names"]))
    return [
        _said(name=name, arguments=cut(text, characters))
        for name, text in zip(row["tool_call_names"], arguments, strict=True)
    ]


def _said(**values: Any) -> dict[str, Any]:
    """Without what is not said: None, empty text, list and map."""
    return {key: value for key, value in values.items() if value is not None and value not in ("", [], {}, ())}


def columns(rows: Iterable[tuple[Any, ...]]) -> list[Mapping[str, str]]:
    """(name, type, comment) of a table's columns."""
    return [{"name": name, "type": kind, "meaning": comment} for name, kind, comment in rows]
