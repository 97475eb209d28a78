"""Rows of the decoded batch as `Span` objects: only those that have something to map become Python values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from litefuse.observation import mlflow_decoded, plain
from worker.map.gate import Ints
from worker.map.span import Event, Span
from worker.map.values import Attributes, Value

_TYPED = ("string", "int", "float", "bool")
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def resources(batch: pa.RecordBatch, firsts: Ints) -> Sequence[Attributes]:
    """Attributes of the resource of each of these rows."""
    return _attributes(batch, "resource", pa.array(firsts))


def spans(batch: pa.RecordBatch, rows: Ints, resource_of: Sequence[Attributes]) -> list[Span]:
    """The spans of these rows; `resource_of` has the resource of each."""
    where = pa.array(rows)
    attributes = _attributes(batch, "attributes", where)
    scope_attributes = _scope_attributes(batch, where)
    happened_in = events(batch, where)
    texts = [
        _list(batch.column(name).take(where))
        for name in (
            "name",
            "scope_name",
            "scope_version",
            "parent_span_id",
            "kind",
            "status_code",
            "status_message",
        )
    ]
    times = [_list(batch.column(name).take(where).cast(pa.int64())) for name in ("start_time", "end_time")]
    return [
        Span(
            name=name,
            attributes=mlflow_decoded(own, scope, resource),
            resource=resource,
            scope_name=scope,
            scope_version=version,
            scope_attributes=of_scope,
            events=happened,
            parent_span_id=parent,
            kind=kind,
            status_code=code,
            status_message=message,
            start_ns=start,
            end_ns=end,
        )
        for own, resource, of_scope, happened, name, scope, version, parent, kind, code, message, start, end in zip(
            attributes, resource_of, scope_attributes, happened_in, *texts, *times, strict=True
        )
    ]


def _attributes(batch: pa.RecordBatch, prefix: str, where: pa.Array) -> list[dict[str, Value]]:
    """Attributes of each row as one dict, types joined; empty values are left out (WB-1)."""
    found: list[dict[str, Value]] = [{} for _ in range(len(where))]
    for name in _TYPED:
        for into, keys, values in _pairs(batch.column(f"{prefix}_{name}").take(where), found):
            into.update(zip(keys, values, strict=True))
    for into, keys, values in _pairs(batch.column(f"{prefix}_json").take(where), found):
        for key, text in zip(keys, values, strict=True):
            if text != "null":
                into[key] = plain(orjson.loads(text), _SPECIAL)
    return found


def _scope_attributes(batch: pa.RecordBatch, where: pa.Array) -> list[dict[str, Value]]:
    texts, types = (batch.column(f"scope_{name}").take(where) for name in ("attributes", "attribute_types"))
    found: list[dict[str, Value]] = [{} for _ in range(len(where))]
    if len(texts.keys):
        kinds: list[dict[str, Value]] = [{} for _ in range(len(where))]
        for into, keys, values in _pairs(types, kinds):
            into.update(zip(keys, values, strict=True))
        for (into, keys, values), kind in zip(_pairs(texts, found), kinds, strict=True):
            into.update(_typed(keys, values, kind))
    return found


def events(batch: pa.RecordBatch, where: pa.Array) -> list[tuple[Event, ...]]:
    names = batch.column("events.name").take(where)
    if not len(names.values):
        return [()] * len(where)
    rows = zip(
        names.to_pylist(),
        batch.column("events.attributes").take(where).to_pylist(),
        batch.column("events.attribute_types").take(where).to_pylist(),
        batch.column("events.time_unix_nano").take(where).to_pylist(),
        strict=True,
    )
    return [
        tuple(
            Event(name, _typed([k for k, _ in pairs], [v for _, v in pairs], dict(types)), time)
            for name, pairs, types, time in zip(*row, strict=True)
        )
        for row in rows
    ]


def _typed(keys: Sequence[str], values: Sequence[str], types: dict[str, str]) -> dict[str, Value]:
    """Attributes stored as text, by the types stored beside them."""
    if not types:
        return dict(zip(keys, values, strict=True))
    found: dict[str, Value] = {}
    for key, text in zip(keys, values, strict=True):
        kind = types.get(key)
        if kind is None:
            found[key] = text
        elif kind == "int":
            found[key] = int(text)
        elif kind == "float":
            found[key] = float(text)
        elif kind == "bool":
            found[key] = text == "true"
        elif text != "null":
            found[key] = plain(orjson.loads(text), _SPECIAL)
    return found


def _pairs(maps: pa.MapArray, owners: list[dict[str, Value]]) -> list[tuple[dict[str, Value], list[str], list[Any]]]:
    """The owner, keys and values of each row; rows without an entry are there too."""
    offsets = _list(maps.offsets)
    if offsets[0] == offsets[-1]:
        return [(owner, [], []) for owner in owners] if len(owners) else []
    keys, values = _list(maps.keys), _list(maps.items)
    return [
        (owner, keys[begin:end], values[begin:end])
        for owner, begin, end in zip(owners, offsets[:-1], offsets[1:], strict=True)
    ]


def _list(array: pa.Array) -> list[Any]:
    """As Python values, by way of NumPy, which is several times faster than `to_pylist`; the array has no nulls."""
    return np.asarray(array.to_numpy(zero_copy_only=False)).tolist()  # type: ignore[no-any-return]
