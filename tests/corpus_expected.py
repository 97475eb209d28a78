"""Every client of the corpus against its `expected.json`: what a person should see of each trace, and what is seen.

The spans go the worker's own way (decode, map), in process; their rows are read as the columns of the table. Fields of a
trace come from a merge in Python (corpus_merge.py), which shares nothing with the SQL.

`python -m tests.corpus_expected` prints the fields that are right of all fields, client by client, then each that is not.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from litefuse.chat import Message, conversation, messages
from litefuse.log.base import TRACES, Record
from litefuse.observation import observation_metadata
from tests.corpus_exclusions import UNSENT
from tests.corpus_files import CORPUS, captured
from tests.corpus_merge import Row, Trace, merged
from tests.worker.map.support import NoPrices
from worker.decode import Defaults, decode
from worker.map import map_spans

Json = dict[str, Any]

_MAPS = ("model_parameters", "usage", "cost", "tool_definitions", "metadata", "trace_metadata", "experiment")
_SERVED = {
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4o": "gpt-4o-2024-08-06",
    "o4-mini": "o4-mini-2025-04-16",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One field of one trace, or of one of its model calls. `place` is the trace's number, then the call's."""

    client: str
    place: str
    field: str
    right: bool
    wanted: Any
    found: Any

    @property
    def unsent(self) -> str:
        """Why the library's spans cannot show it; empty when they should."""
        return UNSENT.get((self.client, self.place, self.field), "")


def clients() -> list[str]:
    """The clients that sent spans."""
    return sorted({request.name.partition("/")[0] for request in captured()})


@cache
def rows(client: str) -> list[Row]:
    """The rows of a client's spans, each span once: the last copy sent."""
    found: dict[tuple[str, str], Row] = {}
    for number, request in enumerate(r for r in captured() if r.name.startswith(client + "/")):
        headers = {
            "project_id": "p",
            "content_type": request.content_type,
            "content_encoding": request.encoding,
            "received_at": "1800000000000000000",
        }
        record = Record(
            topic=TRACES,
            partition=0,
            offset=number,
            value=request.body,
            key=None,
            headers=tuple((name, text.encode()) for name, text in headers.items() if text),
            timestamp_ns=0,
        )
        piece = decode([record], Defaults(), 0.0)
        assert not piece.letters, request.name
        batch = map_spans(piece.spans, NoPrices())
        for row in batch.to_pylist() if batch is not None else []:
            found[row["trace_id"], row["span_id"]] = _with_defaults(row)
    return list(found.values())


def _with_defaults(row: Row) -> Row:
    """What ClickHouse fills in when a batch has no column of what spans mean."""
    failed = row["status_code"] == "ERROR"
    plain: Row = {name: {} for name in _MAPS} | {
        "type": "SPAN",
        "observation_name": row["name"],
        "level": "ERROR" if failed else "DEFAULT",
        "level_message": row["status_message"],
        "environment": "default",
        "app_version": dict(row["resource_string"]).get("service.version", ""),
        "release": dict(row["resource_string"]).get("langfuse.release", ""),
        "is_root": not row["parent_span_id"],
        "tags": [],
        "trace_public": None,
        "completion_start_time": None,
    }
    for name in ("app_version_is_own", "release_is_own", "is_app_root", "session_is_conversation"):
        plain[name] = False
    for name in ("model", "input", "output", "user_id", "session_id", "trace_name", "trace_input", "trace_output"):
        plain[name] = ""
    for name in ("input_preview", "output_preview", "mapping_error", "prompt_name"):
        plain[name] = ""
    for name in ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens"):
        plain[name] = 0
    return plain | row | {name: dict(row[name]) for name in _MAPS if name in row}


def checks(client: str) -> list[Check]:
    """All fields of a client's `expected.json`, each compared with what its rows show."""
    traces: dict[str, list[Row]] = {}
    for row in rows(client):
        traces.setdefault(row["trace_id"], []).append(row)
    return compared(client, {trace_id: merged(spans) for trace_id, spans in traces.items()})


def compared(client: str, traces: Mapping[str, Trace]) -> list[Check]:
    """The same of the traces of a client, by id, wherever they are from."""
    wanted = json.loads((CORPUS / client / "expected.json").read_text())
    found = []
    for number, expected in enumerate(wanted["traces"]):
        trace = traces.get(expected["trace_id"])
        if trace is not None:
            for place, field, right, want, got in _of_trace(str(number), expected, trace):
                found.append(Check(client, place, field, bool(right), want, got))
    ids = {t["trace_id"] for t in wanted["traces"]}
    found.append(Check(client, "", "traces", traces.keys() == ids, sorted(ids), sorted(traces)))
    return found


_Found = Iterator[tuple[str, str, object, Any, Any]]


def _of_trace(place: str, expected: Json, trace: Trace) -> _Found:
    if expected["name"] is not None:
        yield place, "name", trace.name == expected["name"], expected["name"], trace.name
    else:
        yield place, "name", trace.name != "", "any", trace.name
    for field in ("user", "session", "release", "version", "environment"):
        if field in expected:
            got = getattr(trace, field)
            yield place, field, got == (expected[field] or ""), expected[field], got
    if "public" in expected:
        yield place, "public", trace.public == expected["public"], expected["public"], trace.public
    yield place, "tags", list(trace.tags) == sorted(expected["tags"]), expected["tags"], trace.tags
    wanted = expected["metadata"]
    yield place, "metadata", all(_noted(trace.metadata, *item) for item in wanted.items()), wanted, trace.metadata
    is_call = len(expected["tree"]) == 1 and "model_call" in expected["tree"][0]
    yield from _in_and_out(place, expected, trace, is_call)
    yield place, "observations", len(trace.rows) == expected["observations"], expected["observations"], len(trace.rows)
    calls: dict[int, Row] = {}
    wrong = list(_tree(expected["tree"], _children(trace.rows), "", calls))
    yield place, "tree", not wrong, "as expected", wrong
    yield from _by_name(place, expected, trace)
    for number, call in enumerate(expected["model_calls"]):
        yield from _of_call(f"{place}.{number}", call, calls.get(number))


def _in_and_out(place: str, expected: Json, trace: Trace, is_call: bool) -> _Found:
    asked, answers = conversation(trace.input, trace.output)
    for field, text, said in (("input", trace.input, asked), ("output", trace.output, answers)):
        want = expected[field]
        if want is None:
            if is_call and field == "output":  # nothing but a tool call, a vector or an error came out
                yield place, field, not any(m.text for m in said), None, text
            continue
        right = _same_value(want, text, said, "user" if field == "input" else "")
        line = trace.root[f"{field}_preview"] if trace.root else ""
        yield place, field, right or (bool(line) and line == want), want, text


def _same_value(want: Any, text: str, said: list[Message], role: str) -> bool:
    """Whether a stored text is, or as a chat says, what went in or came out."""
    if text == want or _parsed(text) == want:
        return True
    spoken = [m.text for m in said if m.text and (not role or m.role == role)]
    if isinstance(want, str):
        return bool(spoken) and spoken[-1].strip() == want.strip()
    if isinstance(want, list):
        return spoken == want
    value = _parsed(text)
    return isinstance(value, dict) and {k: v for k, v in value.items() if v is not None} == want


def _by_name(place: str, expected: Json, trace: Trace) -> _Found:
    """What the script said by hand of spans it names."""
    named = {row["name"]: row for row in trace.rows}
    for name, kind in expected.get("observation_types", {}).items():
        want = {"CHAT_MODEL": "GENERATION"}.get(kind, kind.upper())
        got = named[name]["type"] if name in named else None
        yield place, f"type of {name}", got == want, want, got
    for generation in expected.get("generations", []):
        row = named[generation["span"]]
        yield place, "generation model", row["model"] == generation["model"], generation["model"], row["model"]
        for field, column in (("model_parameters", "model_parameters"), ("usage", "usage"), ("cost", "cost")):
            want = generation.get(field)
            if want is not None:
                got = {name: float(value) for name, value in row[column].items()}
                yield place, f"generation {field}", got == want, want, got
    error = expected.get("error")
    if error is not None:
        error = error if isinstance(error, dict) else {"level": "ERROR", "message": error}
        rows_ = [named[error["span"]]] if "span" in error else trace.rows
        failed = [(r["level"], r["level_message"]) for r in rows_ if r["level"] == error["level"]]
        yield place, "error", any(error["message"] in message for _, message in failed), error, failed
    if "error_spans" in expected:
        got = sorted(row["name"] for row in trace.rows if row["level"] == "ERROR")
        yield place, "error_spans", got == sorted(expected["error_spans"]), expected["error_spans"], got
    if "attributes" in expected:
        shown = observation_metadata(trace.rows[0])["attributes"]
        for name, want in expected["attributes"].items():
            yield place, f"attribute {name}", _same_attribute(want, shown.get(name)), want, shown.get(name)


def _same_attribute(want: Any, got: Any) -> bool:
    """Attributes are shown as text; an absent value is not shown."""
    if want is None:
        return got is None
    if isinstance(want, str):
        return bool(got == (want.removeprefix("base64:") if _is_base64(want) else want))
    return isinstance(got, str) and _parsed(got) == want


def _is_base64(text: str) -> bool:
    return text.startswith("base64:") and bool(base64.b64decode(text.removeprefix("base64:")))


def _children(spans: Sequence[Row]) -> dict[str, list[Row]]:
    """Spans by parent, those whose parent never comes under ""; a span that is its own parent too."""
    ids = {row["span_id"] for row in spans}
    found: dict[str, list[Row]] = {}
    for row in spans:
        parent = row["parent_span_id"]
        found.setdefault(parent if parent in ids and parent != row["span_id"] else "", []).append(row)
    return found


def _tree(wanted: list[Json], children: dict[str, list[Row]], parent: str, calls: dict[int, Row]) -> Iterator[str]:
    """What is wrong under a parent. Fills `calls` with the row of each model call."""
    left = list(children.get(parent, []))
    for node in wanted:
        row = next((r for r in left if r["name"] == node["name"]), None)
        if row is None:
            yield f"no {node['name']!r} under {parent or 'the top'}"
            continue
        left.remove(row)
        if ("error" in node) != (row["level"] == "ERROR"):
            yield f"level of {node['name']!r} is {row['level']}"
        if "model_call" in node:
            calls[node["model_call"]] = row
        yield from _tree(node.get("children", []), children, row["span_id"], calls)
    for row in left:
        yield f"{row['name']!r} is not to be under {parent or 'the top'}"


def _of_call(place: str, call: Json, row: Row | None) -> _Found:
    """A request to a model API, as its span shows it."""
    if row is None:
        yield place, "span", False, call["model"], None
        return
    want = "EMBEDDING" if call["endpoint"] == "embeddings" else "GENERATION"
    yield place, "type", row["type"] == want, want, row["type"]
    models = (call["model"], _SERVED.get(call["model"]))
    yield place, "model", row["model"].rpartition("/")[2] in models, models, row["model"]  # DSPy asks for openai/gpt-4o
    asked, answers = conversation(row["input"], row["output"])
    wanted = [(m["role"], m["text"].strip()) for m in call["messages"]]
    said = [(m.role, _with_calls(m).strip()) for m in asked]
    yield place, "messages", said == wanted, wanted, said
    text = "\n".join(m.text for m in answers if m.text)
    yield place, "output_text", text == (call["output_text"] or ""), call["output_text"], text
    shown = list(zip(row.get("tool_calls.name") or [], row.get("tool_calls.arguments") or [], strict=True))
    called = [(c.name, c.arguments) for m in answers for c in m.tool_calls]
    tools = [(c["name"], json.loads(c["arguments"])) for c in call["tool_calls"]]
    right = [(n, _parsed(a)) for n, a in shown] == tools and (
        not called or [(n, _parsed(a)) for n, a in called] == tools
    )
    yield place, "tool_calls", right, tools, (shown, called)
    if call["token_counts_sent"] == "as attributes":
        for field, column in _TOKENS.items():
            yield place, field, row[column] == call[field], call[field], row[column]
    yield place, "stream", _streamed(row) == call["stream"], call["stream"], _streamed(row)
    if "error" in call:
        right = row["level"] == "ERROR" and call["error"] in row["level_message"]
        yield place, "error", right, call["error"], (row["level"], row["level_message"])


_TOKENS = {
    "input_tokens": "input_tokens",
    "cached_input_tokens": "cached_tokens",
    "output_tokens": "output_tokens",
    "reasoning_tokens": "reasoning_tokens",
}


def _streamed(row: Row) -> bool:
    """Whether anything that is shown says that the answer came in pieces."""
    attributes = observation_metadata(row).get("attributes", {})
    says = ("gen_ai.is_streaming", "llm.is_streaming", "gen_ai.request.stream", "llm.request.streaming", "stream")
    return (
        row["completion_start_time"] is not None
        or row["model_parameters"].get("stream") == "true"
        or any(str(attributes.get(name)).lower() == "true" for name in says)
        or any("token" in name.lower() or "chunk" in name.lower() for name in row["events.name"])
    )


def _with_calls(message: Message) -> str:
    """A message as `expected.json` has it: the calls, with their arguments as the API sent them, after the text."""
    return message.text + "".join(f"\n{c.name} {json.dumps(_parsed(c.arguments))}" for c in message.tool_calls)


def _noted(metadata: Mapping[str, str], name: str, want: Any) -> bool:
    """Whether metadata has a value: as text, as the JSON of it, or as dotted names; of the user's or of the attributes."""
    got = metadata.get(name, metadata.get(f"attributes.{name}"))
    if got is not None:
        return bool(got == want or _parsed(got) == want)
    return isinstance(want, dict) and all(_noted(metadata, f"{name}.{key}", inner) for key, inner in want.items())


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def previews(client: str) -> list[tuple[Row, str, str]]:
    """The rows of a client's model calls, with the last words of their user and their answer."""
    found = []
    for row in rows(client):
        if row["type"] == "GENERATION" and row["input"]:
            users = [m.text for m in messages(row["input"]) if m.role == "user" and m.text]
            answers = [m.text for m in messages(row["output"], "assistant") if m.text]
            found.append((row, users[-1] if users else "", answers[-1] if answers else ""))
    return found


def table() -> str:
    """Fields right of all fields, client by client, and what is wrong."""
    lines = [f"{'client':32}{'right':>8}{'of all':>8}{'unsent':>8}"]
    wrong: list[Check] = []
    totals = [0, 0, 0]
    for client in clients():
        made = checks(client)
        sent = [check for check in made if not check.unsent]
        counts = (sum(c.right for c in sent), len(sent), len(made) - len(sent))
        totals = [a + b for a, b in zip(totals, counts, strict=True)]
        lines.append(f"{client:32}{counts[0]:8}{counts[1]:8}{counts[2]:8}")
        wrong += [check for check in sent if not check.right]
    lines.append(f"{'all':32}{totals[0]:8}{totals[1]:8}{totals[2]:8}")
    for check in wrong:
        lines.append(
            f"{check.client} {check.place} {check.field}: wanted {check.wanted!r:.300}, found {check.found!r:.600}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
