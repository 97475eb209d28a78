"""The map stage: what an LLM call means, as columns (otel-mapping.md).

Between decode and block: it gets the decoded batch and gives it back with columns added. `gate.py` decides by attribute
keys, for the whole batch at once, which spans have something to map; only those become Python values (`read.py`,
`span.py`), are mapped one by one (`one.py`, which names the fields in order) and become columns again (`columns.py`).
What one SDK writes is in `conventions/`, a file each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from litefuse.telemetry import metrics as m
from worker.map.columns import with_columns
from worker.map.conventions import ingestion
from worker.map.gate import Flags, Ints, look, resource_runs, resources_to_read
from worker.map.one import Prices, map_span
from worker.map.read import events, resources, spans
from worker.map.scalars import exception_message, plain_environment
from worker.map.values import Attributes


def map_spans(batch: pa.RecordBatch | None, prices: Prices) -> pa.RecordBatch | None:
    """The batch without its helper column `_resource`; with all columns of columns.py when any span has something to map,
    else as it is. Never raises for what the spans hold."""
    if batch is None:
        return None
    found = look(batch)
    flags, plain = found.rows, found.texts
    firsts, run_of = resource_runs(batch)
    read = resources_to_read(batch.column("resource_string").take(pa.array(firsts)))
    known: Sequence[Attributes] = ()
    if read.any():
        known = resources(batch, firsts)
        flags |= np.array([_says_something(r) for r in known])[run_of]
        plain |= _environments(known, run_of, flags)
    batch = batch.drop_columns(["_resource"])
    plain |= _messages(batch, np.flatnonzero(found.failed & ~flags))
    if not flags.any():
        for name, values in plain.items():
            batch = batch.append_column(name, values)
        return batch
    rows = np.flatnonzero(flags)
    known = known or _resources_of(batch, firsts, np.unique(run_of[rows]))
    to_map = spans(batch, rows, [known[run] for run in run_of[rows].tolist()])
    projects = batch.column("project_id").take(pa.array(rows)).to_pylist()
    mapped = [map_span(span, project, prices) for span, project in zip(to_map, projects, strict=True)]
    m.SPANS_MAPPED.inc(len(mapped))
    return ingestion.placed(with_columns(batch, flags, mapped, plain), rows, to_map)


def _says_something(resource: Attributes) -> bool:
    """Whether spans have something to map by their resource alone."""
    return resource.get("telemetry.sdk.name") == "mlflow" or any(key.startswith("langfuse.") for key in resource)


def _environments(known: Sequence[Attributes], run_of: Ints, flags: Flags) -> dict[str, pa.Array]:
    """The column `environment` as resources say it; none when no plain row has another than `default`."""
    names = [plain_environment(resource) for resource in known]
    if all(names[run] == "default" for run in np.unique(run_of[~flags]).tolist()):
        return {}
    return {"environment": pa.array(names, pa.utf8()).take(pa.array(run_of))}


def _messages(batch: pa.RecordBatch, failed: Ints) -> dict[str, pa.Array]:
    """The column `level_message`, for spans that need no more than what their exception says."""
    if not len(failed):
        return {}
    texts = pa.array([exception_message(happened) for happened in events(batch, pa.array(failed))], pa.utf8())
    mask = np.zeros(batch.num_rows, bool)
    mask[failed] = True
    return {"level_message": pc.replace_with_mask(batch.column("status_message"), mask, texts)}


def _resources_of(batch: pa.RecordBatch, firsts: Ints, runs: Ints) -> list[Attributes]:
    """Resources by run; those that no mapped span has are left empty."""
    known: list[Attributes] = [{}] * len(firsts)
    for run, resource in zip(runs.tolist(), resources(batch, firsts[runs]), strict=True):
        known[run] = resource
    return known
