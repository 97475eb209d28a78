"""Which spans have something to map, decided by attribute keys for a whole batch at once.

A span that has none of these keys, no event of theirs and a resource and scope without them costs a few hash look-ups
of Arrow's and no Python at all. Each distinct key is judged once in the life of a process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

#: What keys of conventions begin with. A key that begins so and means nothing costs time, never a wrong value.
PREFIXES = (
    "gen_ai.",
    "langfuse.",
    "llm.",
    "mlflow.",
    "openinference.",
    "traceloop.",
    "ai.",
    "input.",
    "output.",
    "genkit:",
    "flue.",
    "lk.",
    "lmnr.",
    "gcp.vertex.agent.",
    "embedding.",
    "reranker.",
    "pydantic_ai.",
    "model_request_parameters",
    "tag.",
    "openrouter.",
    "anthropic.",
    "haystack.",
    "langsmith.",
    "openai.",
    "litefuse.",
)
#: Keys of conventions that have no prefix of their own.
NAMES = frozenset(
    (
        "all_messages_events",
        "deployment.environment",
        "deployment.environment.name",
        "events",
        "final_result",
        "input",
        "logfire.msg",
        "metadata",
        "model",
        "model_config",
        "new_context",
        "operation.name",
        "output",
        "prompt",
        "response.model_output",
        "tool_arguments",
        "tool_response",
        "ttft_ms",
        "user_prompt",
    )
)
#: Keys of a resource that say something of its spans, besides those above.
_RESOURCE_NAMES = frozenset(("deployment.environment", "deployment.environment.name", "telemetry.sdk.name"))
#: Scopes whose spans mean something by their names alone (otel-mapping.md section 7).
_SCOPES = ("livekit-agents",)
_ATTRIBUTE_MAPS = ("string", "int", "float", "bool", "json")
#: Attributes that servers of any kind set, and that are a column of their own as they are when they are text: a span that has
#: but these needs no Python.
TEXTS = {"user.id": "user_id", "session.id": "session_id"}
#: Distinct keys remembered; users may put anything into keys.
_REMEMBERED = 100_000

_judged: dict[str, bool] = {}


@dataclass(frozen=True, slots=True)
class Found:
    """A flag a span: `rows`, whether it has to be mapped; `failed`, whether it is an error that says nothing itself but has
    an exception that does (WB-8). `texts`: columns that all other spans have for themselves."""

    rows: Flags
    failed: Flags
    texts: dict[str, pa.Array]


def speaks(key: str) -> bool:
    """Whether an attribute of this name can mean something to the mapping, beside what `TEXTS` says."""
    found = _judged.get(key)
    if found is None:
        if len(_judged) >= _REMEMBERED:
            _judged.clear()
        found = _judged[key] = key in NAMES or key.startswith(PREFIXES)
    return found


def look(spans: pa.RecordBatch) -> Found:
    """Which spans have something to map by their own attributes, events, status or scope."""
    texts = _Keys.of_maps(spans.column("attributes_string"))
    rows = texts.rows_with(speaks)
    for name in _ATTRIBUTE_MAPS[1:]:
        # A user that is a number has to become text: not for the columns.
        keys = _Keys.of_maps(spans.column(f"attributes_{name}"))
        rows |= keys.rows_with(lambda key: speaks(key) or key in TEXTS)
    failed = np.zeros(spans.num_rows, bool)
    names = spans.column("events.name")
    if len(names.values):
        offsets = np.asarray(names.offsets)
        happened = _Keys.of(names.values[int(offsets[0]) : int(offsets[-1])], np.diff(offsets))
        rows |= happened.rows_with(speaks)
        failed = happened.rows_with(lambda name: name == "exception")
        failed &= np.asarray(pc.equal(spans.column("status_code"), "ERROR"))
        failed &= np.asarray(pc.equal(spans.column("status_message"), ""))
    for scope in _SCOPES:
        rows |= np.asarray(pc.equal(spans.column("scope_name"), scope))
    own = {column: texts.texts(spans.column("attributes_string"), key) for key, column in TEXTS.items()}
    return Found(rows, failed, {column: values for column, values in own.items() if values is not None})


def resource_runs(spans: pa.RecordBatch) -> tuple[Ints, Ints]:
    """First row of each run of spans of one resource, and for each row the number of its run."""
    ids = np.asarray(spans.column("_resource"))
    begins = np.ones(len(ids), bool)
    begins[1:] = ids[1:] != ids[:-1]
    return np.flatnonzero(begins), np.cumsum(begins) - 1


def resources_to_read(firsts: pa.MapArray) -> Flags:
    """A flag a resource (its text attributes): says something of its spans, if only their environment."""
    return _Keys.of_maps(firsts).rows_with(lambda key: key in _RESOURCE_NAMES or key.startswith("langfuse."))


@dataclass(frozen=True, slots=True)
class _Keys:
    """Keys of many owners in a row: `codes` into `names`, `counts` how many each owner has."""

    names: list[str]
    codes: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int32]

    @classmethod
    def of_maps(cls, maps: pa.MapArray) -> _Keys:
        offsets = np.asarray(maps.offsets)
        return cls.of(maps.keys[int(offsets[0]) : int(offsets[-1])], np.diff(offsets))

    @classmethod
    def of(cls, keys: pa.Array, counts: npt.NDArray[np.int32]) -> _Keys:
        if not len(keys):
            return cls([], np.zeros(0, np.int32), counts)
        encoded = keys.dictionary_encode()
        return cls(encoded.dictionary.to_pylist(), np.asarray(encoded.indices), counts)

    def rows_with(self, judge: Callable[[str], bool]) -> Flags:
        """Which owners have a key that `judge` says yes to."""
        wanted = [judge(name) for name in self.names]
        if not any(wanted):
            return np.zeros(len(self.counts), bool)
        before = np.zeros(len(self.codes) + 1, np.int64)
        np.cumsum(np.asarray(wanted)[self.codes], out=before[1:])
        ends = np.cumsum(self.counts)
        found: Flags = before[ends] > before[ends - self.counts]
        return found

    def texts(self, maps: pa.MapArray, key: str) -> pa.Array | None:
        """The value of `key` for each owner, empty for none; None when nobody has it. Keys of an owner differ."""
        if key not in self.names:
            return None
        places = np.flatnonzero(self.codes == self.names.index(key))
        values = maps.items.take(pa.array(places + int(maps.offsets[0].as_py())))
        owner = np.searchsorted(np.cumsum(self.counts), places, side="right")
        where = np.full(len(self.counts), len(places), np.int64)
        where[owner] = np.arange(len(places))
        return pa.concat_arrays([values, pa.array([""], pa.utf8())]).take(pa.array(where))
