"""Lists of KeyValue as Arrow, into map columns. Pure, and columnar: a Python loop runs only over values that are
lists, maps, bytes or empty, and over the attributes of events, links and scopes that are not strings.

Input everywhere is what ptars gives for `repeated KeyValue` (litefuse.otlp.schema.FULL): a list array of
struct<key: binary, value: struct<string_value, bool_value, int_value, double_value, array_value, kvlist_value,
bytes_value>>, where of the value's seven children at most one is not null (`check_oneof`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from litefuse.otlp.values import Malformed, TooDeep, array_json, bytes_json, float_text, kvlist_json, mend_text
from litefuse.reasons import Reason

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_STRING, _BOOL, _INT, _DOUBLE, _ARRAY, _KVLIST, _BYTES = range(7)
_MAP_TYPES = {
    "string": pa.utf8(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "json": pa.utf8(),
}


class OneofTwice(Exception):
    """Somewhere a value of two types was sent for one key. ptars shows both; protobuf says the last on the wire counts,
    which Arrow no longer shows, so the caller has to normalise the bytes first."""


@dataclass
class Pairs:
    """The KeyValues of many owners (spans, resources, events …), owner by owner.

    `offsets` (owners + 1) says where each owner's pairs begin; `bad` maps owners to why a value of theirs cannot be kept.
    """

    offsets: Ints
    keys: pa.Array
    values: list[pa.Array]
    valid: list[Flags]
    bad: dict[int, Reason] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return len(self.keys)

    def owner_bytes(self) -> Ints:
        """About how many bytes the pairs of each owner take in map columns."""
        sizes = 16 + _lengths(self.keys)
        for kind in (_STRING, _ARRAY, _KVLIST, _BYTES):
            if self.valid[kind].any():
                sizes += _lengths(self.values[kind])
        before = np.zeros(self.count + 1, np.int64)
        np.cumsum(sizes, out=before[1:])
        total: Ints = before[self.offsets[1:]] - before[self.offsets[:-1]]
        return total

    def owner_of(self, pair: int) -> int:
        return int(np.searchsorted(self.offsets, pair, side="right")) - 1


def pairs_of(lists: pa.ListArray) -> Pairs:
    """Pairs of a list array, equal keys of one owner reduced to the last (in a ClickHouse map both would stay and the
    first would be found). Raises OneofTwice."""
    offsets = np.asarray(lists.offsets, dtype=np.int64)
    structs = lists.values[offsets[0] : offsets[-1]]
    offsets = offsets - offsets[0]
    values = structs.field("value").flatten()
    pairs = Pairs(offsets, structs.field("key"), values, [_valid(v) for v in values])
    if pairs.count and int(np.sum([v.sum() for v in pairs.valid])) != pairs.count:
        per_pair = np.sum(np.stack(pairs.valid), axis=0, dtype=np.int8)
        if int(per_pair.max()) > 1:
            raise OneofTwice
    keep = _last_of_equal(pairs)
    pairs = pairs if keep is None else _filtered(pairs, keep)
    pairs.keys = text(pairs.keys)
    return pairs


def text(array: pa.Array) -> pa.Array:
    """Binary to UTF-8 text; what is not valid UTF-8, and NUL, is replaced, else nothing is copied."""
    if len(array) == 0:
        return pa.array([], pa.utf8())
    try:
        mended = array.cast(pa.utf8())
    except pa.ArrowInvalid:
        mended = None
    if mended is not None and not _has_nul(mended):
        return mended
    return pa.array([None if raw is None else mend_text(raw) for raw in array.to_pylist()], pa.utf8())


def typed_maps(pairs: Pairs) -> dict[str, pa.MapArray]:
    """Five map columns, `string`, `int`, `float`, `bool` and `json`: one entry a pair, in the order sent. A pair whose
    value cannot be kept is left out and its owner noted in `pairs.bad`."""
    maps = {
        name: _map(pairs, pairs.valid[kind], pairs.values[kind], _MAP_TYPES[name])
        for name, kind in (("string", _STRING), ("int", _INT), ("float", _DOUBLE), ("bool", _BOOL))
    }
    scalar = pairs.valid[_STRING] | pairs.valid[_INT] | pairs.valid[_DOUBLE] | pairs.valid[_BOOL]
    if scalar.all():
        maps["json"] = _empty_map(pairs, pa.utf8())
    else:
        where = np.flatnonzero(~scalar)
        texts = [_json(pairs, int(i)) for i in where]
        maps["json"] = pa.MapArray.from_arrays(
            _offsets(pairs, ~scalar), pairs.keys.take(pa.array(where)), pa.array(texts, pa.utf8())
        )
    return maps


def text_maps(pairs: Pairs) -> tuple[pa.MapArray, pa.MapArray]:
    """Two map columns: every value as text, and the type (int, float, bool, json) of each that is not a string."""
    if pairs.valid[_STRING].all():
        return _map(pairs, pairs.valid[_STRING], pairs.values[_STRING], pa.utf8()), _empty_map(pairs, pa.utf8())
    texts: list[str] = []
    types: list[str | None] = []
    for i in range(pairs.count):
        kind = next((k for k in range(7) if pairs.valid[k][i]), None)
        if kind is None or kind >= _ARRAY:
            texts.append(_json(pairs, i))
            types.append("json")
        else:
            name, render = _SCALAR_TEXT[kind]
            texts.append(render(pairs.values[kind][i].as_py()))
            types.append(name)
    typed = np.array([t is not None for t in types], dtype=bool)
    offsets = pa.array(pairs.offsets, pa.int32())
    return (
        pa.MapArray.from_arrays(offsets, pairs.keys, pa.array(texts, pa.utf8())),
        pa.MapArray.from_arrays(
            _offsets(pairs, typed),
            pairs.keys.take(pa.array(np.flatnonzero(typed))),
            pa.array([t for t in types if t is not None], pa.utf8()),
        ),
    )


_SCALAR_TEXT: dict[int, tuple[str | None, Callable[[Any], str]]] = {
    _STRING: (None, mend_text),
    _BOOL: ("bool", lambda v: "true" if v else "false"),
    _INT: ("int", str),
    _DOUBLE: ("float", float_text),
}


def _json(pairs: Pairs, i: int) -> str:
    for kind, render in ((_ARRAY, array_json), (_KVLIST, kvlist_json), (_BYTES, bytes_json)):
        if pairs.valid[kind][i]:
            try:
                return render(pairs.values[kind][i].as_py())
            except TooDeep:
                pairs.bad[pairs.owner_of(i)] = Reason.TOO_DEEP
            except Malformed:
                pairs.bad[pairs.owner_of(i)] = Reason.MALFORMED_SPAN
    return "null"


def _map(pairs: Pairs, flags: Flags, values: pa.Array, kind: pa.DataType) -> pa.MapArray:
    if not flags.any():
        return _empty_map(pairs, kind)
    keys = pairs.keys
    if flags.all():
        offsets = pa.array(pairs.offsets, pa.int32())
    else:
        offsets = _offsets(pairs, flags)
        where = pa.array(np.flatnonzero(flags))
        keys, values = keys.take(where), values.take(where)
    return pa.MapArray.from_arrays(offsets, keys, text(values) if kind == pa.utf8() else values)


def _empty_map(pairs: Pairs, kind: pa.DataType) -> pa.MapArray:
    offsets = pa.array(np.zeros(len(pairs.offsets), np.int32))
    return pa.MapArray.from_arrays(offsets, pa.array([], pa.utf8()), pa.array([], kind))


def _offsets(pairs: Pairs, flags: Flags) -> pa.Array:
    """Where each owner's pairs begin among the flagged ones alone."""
    before = np.zeros(len(flags) + 1, np.int32)
    np.cumsum(flags, out=before[1:])
    return pa.array(before[pairs.offsets])


def _lengths(array: pa.Array) -> Ints:
    return np.asarray(pc.fill_null(pc.binary_length(array), 0), dtype=np.int64)


def _valid(array: pa.Array) -> Flags:
    if array.null_count == len(array):
        return np.zeros(len(array), bool)
    if array.null_count == 0:
        return np.ones(len(array), bool)
    return np.asarray(array.is_valid().to_numpy(zero_copy_only=False))


def _has_nul(array: pa.Array) -> bool:
    offsets, data = array.buffers()[1:3]
    if data is None:
        return False
    bounds = np.frombuffer(offsets, np.int32, len(array) + 1, array.offset * 4)
    return b"\0" in memoryview(data)[int(bounds[0]) : int(bounds[-1])].tobytes()


def _last_of_equal(pairs: Pairs) -> Flags | None:
    """Which pairs stay when of equal keys of one owner only the last does; None when no key comes twice."""
    if pairs.count < 2:
        return None
    encoded = pairs.keys.dictionary_encode()
    codes = np.asarray(encoded.indices, dtype=np.int64)
    owners = np.repeat(np.arange(len(pairs.offsets) - 1), np.diff(pairs.offsets))
    identity = owners * len(encoded.dictionary) + codes
    if _all_different(identity, (len(pairs.offsets) - 1) * len(encoded.dictionary)):
        return None
    _, first_from_the_end = np.unique(identity[::-1], return_index=True)
    keep = np.zeros(pairs.count, bool)
    keep[pairs.count - 1 - first_from_the_end] = True
    return keep


def _all_different(identity: Ints, bound: int) -> bool:
    """Whether no number (each below `bound`) comes twice: by ticking a table when that is small, else by hashing."""
    if bound > 64 * len(identity) + 1_000_000:
        return bool(pc.count_distinct(pa.array(identity)).as_py() == len(identity))
    seen = np.zeros(bound, np.uint8)
    seen[identity] = 1
    return int(np.count_nonzero(seen)) == len(identity)


def _filtered(pairs: Pairs, keep: Flags) -> Pairs:
    where = pa.array(np.flatnonzero(keep))
    return Pairs(
        np.asarray(_offsets(pairs, keep), dtype=np.int64),
        pairs.keys.take(where),
        [v.take(where) for v in pairs.values],
        [v[keep] for v in pairs.valid],
    )
