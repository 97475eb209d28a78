"""The decode stage: log records → one Arrow record batch, a row a span (architecture section 8).

One function, `decode`: records in, slice out. Protobuf and JSON, plain and compressed, come out as the same rows.
What cannot be kept comes out as dead letters, and costs its neighbours nothing: a slice that does not decode is
halved until the bad record stands alone, and that record is taken apart span by span.

Pure, deterministic for the same records (a repeated insert has to hold the same rows), and CPU-heavy: it runs in
the decoder's thread, on slices of about 1 MiB, since ptars holds the GIL while it decodes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from litefuse.log.base import Record
from litefuse.otlp import BodyError, wire
from litefuse.otlp.check import verdicts
from litefuse.otlp.inflate import inflate
from litefuse.otlp.json import to_protobuf
from litefuse.otlp.schema import FULL, FULL_REQUEST
from litefuse.reasons import Reason
from worker.attributes import OneofTwice
from worker.block import Slice
from worker.dead import Letter
from worker.flatten import EXPANDED_BYTES, Spans, TooWide, flatten

logger = logging.getLogger("litefuse.worker")

PROTOBUF = "application/x-protobuf"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Defaults:
    """For records that other producers wrote."""

    project_id: str = ""
    retention_days: int = 0
    inflated_limit: int = 67108864


@dataclass(slots=True)  # not frozen, which makes a costly constructor: there is one for every small record
class _Payload:
    """A record as protobuf bytes. `places` are the places its spans have within the record, None for 0, 1, 2 …"""

    record: Record
    headers: Mapping[str, str]
    body: bytes
    project_id: str
    received_at: int
    retention_days: int
    places: tuple[int, ...] | None = None


class _NoProject(BodyError):
    reason = Reason.NO_PROJECT


class _BadContentType(BodyError):
    reason = Reason.BAD_CONTENT_TYPE


#: Bytes of protobuf decoded at once: each call holds the GIL, and may take a hundred times that in memory.
_AT_ONCE = 8 << 20
#: Inflated bytes a slice goes for: compressed records may hold a thousand times their size.
_SLICE = 4 << 20
#: Dead letters for spans of one record, besides one for all that are left: a few hundred bytes, compressed, can hold half a
#: million spans that cannot be decoded.
_LETTERS = 100
#: Fields in one span that is larger than `_AT_ONCE`.
_FIELDS = 1_000_000


def decode(records: Sequence[Record], defaults: Defaults, read_at: float) -> Slice:
    """Decode consecutive records of one partition: as many of them, from the first, as should be decoded at once, which is
    in `Slice.records`. Never raises for what the records hold."""
    most = len(records)
    while True:
        letters: list[Letter] = []
        payloads, taken = _payloads(records[:most], defaults, letters)
        try:
            batches = _decode(payloads, letters)
            break
        except TooWide as wide:
            if taken > 1:
                most = taken // 2
                continue
            letters, batches = [Letter(records[0], Reason.TOO_LARGE, str(wide))], []
            break
    spans = None
    if batches:
        spans = batches[0] if len(batches) == 1 else _joined(batches)
    return Slice(
        records=tuple(records[:taken]),
        spans=spans,
        letters=tuple(letters),
        end=records[taken - 1].offset + 1,
        size=sum(r.size for r in records[:taken]) + (spans.nbytes if spans is not None else 0),
        read_at=read_at,
    )


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    """Batches of different calls as one; resources of different calls get different numbers."""
    place = batches[0].schema.get_field_index("_resource")
    apart = [
        batch.set_column(place, "_resource", pc.add(batch.column(place), number << 32))
        for number, batch in enumerate(batches)
    ]
    return pa.Table.from_batches(apart).combine_chunks().to_batches()[0]


def _payloads(records: Sequence[Record], defaults: Defaults, letters: list[Letter]) -> tuple[list[_Payload], int]:
    """The payloads of the first records, and how many records they are."""
    payloads: list[_Payload] = []
    inflated = taken = 0
    for record in records:
        if inflated >= _SLICE:
            break
        taken += 1
        try:
            payloads.append(_payload(record, defaults, letters))
            inflated += len(payloads[-1].body)
        except BodyError as refused:
            letters.append(Letter(record, refused.reason, str(refused)))
    return payloads, taken


def cut_down(record: Record, row: int) -> bytes:
    """An export request with that one span of the record, its resource and its scope, as uncompressed protobuf."""
    return wire.keep(_protobuf(record, record.texts(), Defaults())[0], {row})


# -- from record to protobuf -------------------------------------------------------------------------------------------


def _payload(record: Record, defaults: Defaults, letters: list[Letter]) -> _Payload:
    headers = record.texts()
    project_id = headers.get("project_id") or defaults.project_id
    if not project_id:
        raise _NoProject(Reason.NO_PROJECT.text)
    body, places, rejected = _protobuf(record, headers, defaults)
    if rejected:
        # These cannot be cut out, so the letter holds all of the record: one for all of them.
        row, reason, error = rejected[0]
        more = f" (and {len(rejected) - 1} more spans of the record)" if len(rejected) > 1 else ""
        letters.append(Letter(record, reason, error + more, row))
    return _Payload(
        record,
        headers,
        body,
        project_id,
        _number(headers.get("received_at"), record.timestamp_ns),
        _number(headers.get("retention_days"), defaults.retention_days),
        places,
    )


def _protobuf(
    record: Record, headers: Mapping[str, str], defaults: Defaults
) -> tuple[bytes, tuple[int, ...] | None, list[tuple[int, Reason, str]]]:
    """The record's body as protobuf, the places of its spans, and the spans that JSON could not give."""
    body = inflate(record.value, headers.get("content_encoding", ""), defaults.inflated_limit)
    kind = (headers.get("content_type") or PROTOBUF).partition(";")[0].strip().lower()
    if kind == PROTOBUF:
        return body, None, []
    if kind != JSON:
        raise _BadContentType(f"content type {kind!r}")
    converted = to_protobuf(body)
    refused = {index for index, _, _ in converted.rejected}
    places = tuple(i for i in range(converted.count + len(refused)) if i not in refused) if refused else None
    return converted.body, places, list(converted.rejected)


def _number(text: str | None, default: int) -> int:
    # Other producers may write anything; Python refuses to read thousands of digits at all.
    return int(text) if text is not None and len(text) < 20 and text.isdecimal() else default


# -- from protobuf to rows ---------------------------------------------------------------------------------------------


def _decode(payloads: list[_Payload], letters: list[Letter]) -> list[pa.RecordBatch]:
    """Raises TooWide."""
    if payloads and len(payloads[-1].body) > _AT_ONCE:  # only the last one can be
        return _together(payloads[:-1], letters) + _decode_large(payloads[-1], letters)
    return _together(payloads, letters)


def _together(payloads: list[_Payload], letters: list[Letter]) -> list[pa.RecordBatch]:
    """All payloads at once; when that fails, each half, down to the payload that is at fault. Raises TooWide."""
    if not payloads:
        return []
    try:
        return _rows(payloads, letters)
    except TooWide:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a record provokes, its neighbours are kept, and its bytes too
        if len(payloads) > 1:
            middle = len(payloads) // 2
            return _together(payloads[:middle], letters) + _together(payloads[middle:], letters)
        return _take_apart(payloads[0], error, letters)


def _decode_large(payload: _Payload, letters: list[Letter]) -> list[pa.RecordBatch]:
    """A payload in pieces cut at span borders, so that memory stays a multiple of a piece. Raises TooWide."""
    batches: list[pa.RecordBatch] = []
    size = 0
    try:
        for piece in _pieces(payload, letters):
            batches += _together([piece], letters)
            size = sum(batch.nbytes for batch in batches)
            if size > 2 * EXPANDED_BYTES:
                raise TooWide(f"its spans take more than {2 * EXPANDED_BYTES} bytes as rows")
    except BodyError as broken:
        letters.append(Letter(payload.record, broken.reason, str(broken)))
        return []
    return batches


def _pieces(payload: _Payload, letters: list[Letter]) -> Iterator[_Payload]:
    cut = wire.split(payload.body, _AT_ONCE)
    alone = {place for place, _ in cut.too_large}
    count = sum(1 for _ in wire.spans(payload.body))
    places = payload.places or range(count)
    others = iter([i for i in range(count) if i not in alone])
    for body in cut.pieces:
        here = tuple(places[next(others)] for _ in wire.spans(body))
        yield replace(payload, body=body, places=here)
    for place, body in wire.each(payload.body, alone):
        if wire.crowded(body, _FIELDS):
            text = f"span has more than {_FIELDS} attributes and other fields"
            letters.append(Letter(payload.record, Reason.TOO_LARGE, text, places[place], body))
        else:
            yield replace(payload, body=body, places=(places[place],))


def _take_apart(payload: _Payload, error: Exception, letters: list[Letter]) -> list[pa.RecordBatch]:
    """A payload that does not decode: keep the spans that do, and bury the others one by one. Linear in its size."""
    try:
        count = sum(1 for _ in wire.spans(payload.body))
        bad = dict.fromkeys(wire.unreadable(payload.body), Reason.MALFORMED_SPAN)
        if not bad:
            # Its resources or scopes are at fault, and that shows again. A fault that does not was ours, not the record's.
            rows = _rows([payload], letters)
            logger.warning("a record could be decoded at the second try only", exc_info=error)
            return rows
        places = payload.places or tuple(range(count))
        good = [i for i in range(count) if i not in bad]
        own: list[Letter] = []
        rest = replace(payload, body=wire.keep(payload.body, set(good)), places=tuple(places[i] for i in good))
        rows = _rows([rest], own) if good else []
        letters += own + _cut_out(payload, bad, places)
    except BodyError as broken:
        letters.append(Letter(payload.record, broken.reason, str(broken)))
        return []
    except TooWide:
        raise
    except Exception as remaining:
        logger.debug("a record cannot be decoded as a whole", exc_info=remaining)  # its letter is told of
        letters.append(Letter(payload.record, Reason.UNDECODABLE, f"{type(remaining).__name__}: {remaining}"))
        return []
    return rows


def _cut_out(payload: _Payload, refused: dict[int, Reason], places: Sequence[int]) -> list[Letter]:
    """A dead letter for each refused span, in one walk. Each repeats its resource and scope, and is written before the
    partition goes on; when that has made four times the body, or many letters, the spans left share one."""
    letters: list[Letter] = []
    room = 4 * len(payload.body) + (1 << 20)
    for number, (index, value) in enumerate(wire.each(payload.body, refused)):
        room -= len(value)
        if room < 0 or number >= _LETTERS:
            left = [i for i in sorted(refused) if i >= index]
            value = wire.keep(payload.body, set(left))
            text = f"{refused[index].text} (and {len(left) - 1} more spans of the record)"
            letters.append(Letter(payload.record, refused[index], text, places[index], value))
            break
        letters.append(Letter(payload.record, refused[index], refused[index].text, places[index], value))
    return letters


def _flat(bodies: list[bytes]) -> Spans:
    # ptars panics, which no `except Exception` sees, on lengths near 2⁶⁴: where there may be one, protobuf reads first.
    bodies = [FULL_REQUEST.FromString(b).SerializeToString() if wire.has_long_length(b) else b for b in bodies]
    try:
        return flatten(FULL.list_to_record_batch(bodies))
    except OneofTwice:
        # The last of the wire wins in protobuf: let protobuf say so, and write it down in the plain form.
        return flatten(FULL.list_to_record_batch([FULL_REQUEST.FromString(b).SerializeToString() for b in bodies]))


def _rows(payloads: list[_Payload], letters: list[Letter]) -> list[pa.RecordBatch]:
    spans = _flat([p.body for p in payloads])
    if len(spans) == 0:
        return []
    received = np.array([p.received_at for p in payloads], np.int64)[spans.payload]
    retention = np.array([p.retention_days for p in payloads], np.int64)[spans.payload]
    judged = verdicts(spans.trace_ids, spans.span_ids, spans.starts, spans.ends, spans.payload, received, retention)
    row = _places(payloads, spans)
    columns = {
        **spans.columns,
        "start_time": pa.array(judged.starts.astype(np.int64)).cast(pa.timestamp("ns")),
        "end_time": pa.array(judged.ends.astype(np.int64)).cast(pa.timestamp("ns")),
        **_origin(payloads, spans.payload),
        "received_at": pa.array(received).cast(pa.timestamp("ns")),
        "retention_days": pa.array(retention, pa.uint32()),
        "log_row": pa.array(row, pa.uint32()),
    }
    batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    refused = {**spans.bad, **judged.refused}
    if not refused:
        return [batch]

    by_payload: dict[int, dict[int, Reason]] = {}
    for i in sorted(refused):
        by_payload.setdefault(int(spans.payload[i]), {})[int(spans.row[i])] = refused[i]
    for number, reasons in by_payload.items():
        places = payloads[number].places or range(1 << 62)
        letters += _cut_out(payloads[number], reasons, places)
    keep = np.ones(len(spans), bool)
    keep[list(refused)] = False
    kept = batch.filter(pa.array(keep))
    return [kept] if kept.num_rows else []


def _places(payloads: list[_Payload], spans: Spans) -> npt.NDArray[np.int64]:
    """Each span's place within its record, also where spans were left out before decoding."""
    if all(p.places is None for p in payloads):
        return spans.row
    return np.array(
        [
            row if (places := payloads[p].places) is None else places[row]
            for p, row in zip(spans.payload.tolist(), spans.row.tolist(), strict=True)
        ],
        np.int64,
    )


def _origin(payloads: list[_Payload], payload_of: npt.NDArray[np.int64]) -> dict[str, pa.Array]:
    """Columns that say who sent a span and where it lies in the log; the same for all spans of a record."""
    where = pa.array(payload_of)
    records = [p.record for p in payloads]
    texts = {
        "project_id": [p.project_id for p in payloads],
        **{name: [p.headers.get(name, "") for p in payloads] for name in ("public_key", "sdk_name", "sdk_version")},
        "log_topic": [r.topic for r in records],
    }
    columns = {name: pa.array(values, pa.utf8()).take(where) for name, values in texts.items()}
    columns["log_partition"] = pa.array([r.partition for r in records], pa.uint32()).take(where)
    columns["log_offset"] = pa.array([r.offset for r in records], pa.uint64()).take(where)
    return columns
