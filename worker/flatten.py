"""Nested OTLP as ptars decodes it → one flat Arrow record batch, a row a span (architecture sections 7 and 8).

Pure functions over Arrow arrays; no span becomes a Python object. Column names and types are those of the table
`spans` (schemas/migrations); `COLUMNS` is their order in an insert.
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from litefuse.otlp.values import KINDS, STATUS_CODES
from litefuse.reasons import Reason
from worker.attributes import Pairs, pairs_of, text, text_maps, typed_maps

Ints = npt.NDArray[np.int64]
Times = npt.NDArray[np.uint64]


class TooWide(Exception):
    """Resources and scopes, said once on the wire and once a row in the table, would take more than EXPANDED_BYTES."""


#: Far above what exporters send (fifteen thousand spans of a 10 KB resource), far below what a worker has: a megabyte on the
#: wire can say a resource of 500 KB once for twenty thousand spans.
EXPANDED_BYTES = 256 << 20


@dataclass(frozen=True)
class Spans:
    """All spans of some payloads: `columns` by name, everything that the payload itself says.

    The column `_resource` numbers resources for the map stage, which takes it away: a resource is read once, not once a
    span. `payload` is each span's payload (row of the input), `row` its place within that payload; ids and times are given
    raw too, for the checks. `bad` maps rows to why they cannot be kept.
    """

    columns: dict[str, pa.Array]
    payload: Ints
    row: Ints
    trace_ids: pa.BinaryArray
    span_ids: pa.BinaryArray
    starts: Times
    ends: Times
    bad: dict[int, Reason]

    def __len__(self) -> int:
        return len(self.payload)


def flatten(requests: pa.RecordBatch) -> Spans:
    """`requests` has one row an export request (litefuse.otlp.schema.FULL). Raises worker.attributes.OneofTwice, TooWide."""
    resources, _, rs_payload = _unnest(requests.column("resource_spans"))
    scopes, _, ss_rs = _unnest(resources.field("scope_spans"))
    spans, _, sp_ss = _unnest(scopes.field("spans"))
    sp_rs = ss_rs[sp_ss]
    payload = rs_payload[sp_rs]
    bad: dict[int, Reason] = {}
    columns: dict[str, pa.Array] = {}

    columns["_resource"] = pa.array(sp_rs)
    _own_fields(columns, spans)
    _attributes(columns, bad, spans)
    _resource(columns, bad, resources, sp_rs)
    _scope(columns, bad, scopes, sp_ss)
    _events(columns, bad, spans.field("events"))
    _links(columns, bad, spans.field("links"))
    return Spans(
        columns=columns,
        payload=payload,
        row=_places(payload),
        trace_ids=spans.field("trace_id"),
        span_ids=spans.field("span_id"),
        starts=spans.field("start_time_unix_nano").to_numpy(),
        ends=spans.field("end_time_unix_nano").to_numpy(),
        bad=bad,
    )


def _own_fields(columns: dict[str, pa.Array], spans: pa.StructArray) -> None:
    status = spans.field("status")
    columns["trace_id"] = hex_text(spans.field("trace_id"))
    columns["span_id"] = hex_text(spans.field("span_id"))
    columns["parent_span_id"] = _without_zero_ids(hex_text(spans.field("parent_span_id")))
    columns["name"] = text(spans.field("name"))
    columns["kind"] = _named(spans.field("kind"), KINDS)
    columns["status_code"] = _named(_or_default(status, "code", 0), STATUS_CODES)
    columns["status_message"] = text(_or_default(status, "message", b""))
    columns["trace_state"] = text(spans.field("trace_state"))
    for name in (
        "flags",
        "start_time_unix_nano",
        "end_time_unix_nano",
        "dropped_attributes_count",
        "dropped_events_count",
        "dropped_links_count",
    ):
        columns[name] = spans.field(name)


def _attributes(columns: dict[str, pa.Array], bad: dict[int, Reason], spans: pa.StructArray) -> None:
    pairs = pairs_of(spans.field("attributes"))
    for name, array in typed_maps(pairs).items():
        columns[f"attributes_{name}"] = array
    bad.update(pairs.bad)


def _resource(columns: dict[str, pa.Array], bad: dict[int, Reason], resources: pa.StructArray, sp_rs: Ints) -> None:
    resource = resources.field("resource")
    where = pa.array(sp_rs)
    pairs = pairs_of(resource.field("attributes"))
    _bounded(pairs, sp_rs)
    for name, array in typed_maps(pairs).items():
        columns[f"resource_{name}"] = array.take(where)
    columns["resource_schema_url"] = text(resources.field("schema_url")).take(where)
    columns["resource_dropped_attributes_count"] = _or_default(resource, "dropped_attributes_count", 0).take(where)
    _blame_rows_of(bad, pairs, sp_rs)


def _scope(columns: dict[str, pa.Array], bad: dict[int, Reason], scopes: pa.StructArray, sp_ss: Ints) -> None:
    scope = scopes.field("scope")
    where = pa.array(sp_ss)
    pairs = pairs_of(scope.field("attributes"))
    _bounded(pairs, sp_ss)
    texts, types = text_maps(pairs)
    columns["scope_name"] = text(_or_default(scope, "name", b"")).take(where)
    columns["scope_version"] = text(_or_default(scope, "version", b"")).take(where)
    columns["scope_attributes"] = texts.take(where)
    columns["scope_attribute_types"] = types.take(where)
    columns["scope_schema_url"] = text(scopes.field("schema_url")).take(where)
    columns["scope_dropped_attributes_count"] = _or_default(scope, "dropped_attributes_count", 0).take(where)
    _blame_rows_of(bad, pairs, sp_ss)


def _events(columns: dict[str, pa.Array], bad: dict[int, Reason], lists: pa.ListArray) -> None:
    events, offsets, owner = _unnest(lists)
    pairs = pairs_of(events.field("attributes"))
    texts, types = text_maps(pairs)
    for name, array in (
        ("time_unix_nano", events.field("time_unix_nano")),
        ("name", text(events.field("name"))),
        ("attributes", texts),
        ("attribute_types", types),
        ("dropped_attributes_count", events.field("dropped_attributes_count")),
    ):
        columns[f"events.{name}"] = pa.ListArray.from_arrays(offsets, array)
    _blame_owners(bad, pairs, owner)


def _links(columns: dict[str, pa.Array], bad: dict[int, Reason], lists: pa.ListArray) -> None:
    links, offsets, owner = _unnest(lists)
    pairs = pairs_of(links.field("attributes"))
    texts, types = text_maps(pairs)
    for name, array in (
        ("trace_id", hex_text(links.field("trace_id"))),
        ("span_id", hex_text(links.field("span_id"))),
        ("trace_state", text(links.field("trace_state"))),
        ("flags", links.field("flags")),
        ("attributes", texts),
        ("attribute_types", types),
        ("dropped_attributes_count", links.field("dropped_attributes_count")),
    ):
        columns[f"links.{name}"] = pa.ListArray.from_arrays(offsets, array)
    _blame_owners(bad, pairs, owner)


# -- Arrow helpers -----------------------------------------------------------------------------------------------------


def hex_text(ids: pa.BinaryArray) -> pa.StringArray:
    """Lower-case hex of binary values of any length, in two passes over the bytes."""
    if len(ids) == 0:
        return pa.array([], pa.utf8())
    _, offset_buffer, data = ids.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32, len(ids) + 1, ids.offset * 4)
    digits = binascii.hexlify(memoryview(data)[int(offsets[0]) : int(offsets[-1])]) if data is not None else b""
    doubled = (offsets - offsets[0]) * 2
    return pa.StringArray.from_buffers(len(ids), pa.py_buffer(doubled.astype(np.int32)), pa.py_buffer(digits))


def _without_zero_ids(ids: pa.StringArray) -> pa.StringArray:
    """A parent id of all zeros means no parent (otel-mapping WB-5)."""
    zero = pc.equal(ids, "0" * 16)
    return pc.if_else(zero, "", ids) if pc.any(zero).as_py() else ids


def _unnest(lists: pa.ListArray) -> tuple[Any, pa.Array, Ints]:
    """The elements of all lists, the lists' offsets into them, and for each element its list."""
    offsets = np.asarray(lists.offsets, dtype=np.int64)
    values = lists.values[offsets[0] : offsets[-1]]
    offsets = offsets - offsets[0]
    return values, pa.array(offsets, pa.int32()), np.repeat(np.arange(len(lists)), np.diff(offsets))


def _places(payload: Ints) -> Ints:
    """0, 1, 2 … within each run of equal payload numbers (they come in ascending order)."""
    if len(payload) == 0:
        return payload
    first = np.searchsorted(payload, payload, side="left")
    return np.arange(len(payload)) - first


def _or_default(struct: pa.StructArray, name: str, default: object) -> pa.Array:
    """A child of a message that may be absent, with proto3's default where it is."""
    child = struct.field(name)
    if struct.null_count == 0 and child.null_count == 0:
        return child
    present = struct.is_valid()
    return pc.if_else(present, child, pa.scalar(default, child.type))


def _named(numbers: pa.Array, names: Sequence[str]) -> pa.Array:
    """Enum numbers as names; a number that OTLP does not define stays a number, as text."""
    known = np.asarray(numbers, dtype=np.int64)
    if len(known) and (known.min() < 0 or known.max() >= len(names)):
        return pa.array([names[n] if 0 <= n < len(names) else str(n) for n in known.tolist()], pa.utf8())
    return pa.array(names, pa.utf8()).take(pa.array(known))


def _bounded(pairs: Pairs, owner_of_row: Ints) -> None:
    """Raises TooWide."""
    rows = np.bincount(owner_of_row, minlength=len(pairs.offsets) - 1)
    if int(rows @ pairs.owner_bytes()) > EXPANDED_BYTES:
        raise TooWide("its resource or scope attributes, repeated for each span, take too much memory")


def _blame_rows_of(bad: dict[int, Reason], pairs: Pairs, owner_of_row: Ints) -> None:
    for owner, reason in pairs.bad.items():
        bad.update(dict.fromkeys(np.flatnonzero(owner_of_row == owner).tolist(), reason))


def _blame_owners(bad: dict[int, Reason], pairs: Pairs, row_of_owner: Ints) -> None:
    bad.update((int(row_of_owner[owner]), reason) for owner, reason in pairs.bad.items())
