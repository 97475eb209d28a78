"""The map stage: what an LLM call means, as columns (otel-mapping.md).

Between decode and block, apart from both: it gets the decoded record batch and gives it back with columns added. It
decides by the batch's attribute keys alone whether any span has something to map, so that spans without cost nothing.
No convention is mapped yet: `CONVENTIONS` is empty, and the batch goes through untouched.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

Convention = Callable[[pa.RecordBatch], pa.RecordBatch]

#: Applied in order; a convention adds its columns to those spans that speak it.
CONVENTIONS: tuple[Convention, ...] = ()


def map_spans(spans: pa.RecordBatch | None) -> pa.RecordBatch | None:
    """The batch with the columns of every convention added."""
    for convention in CONVENTIONS:
        if spans is not None:
            spans = convention(spans)
    return spans
