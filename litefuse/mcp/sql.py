"""A query of the agent's, as the reader, within the limits of that login; its result bounded in rows, cells and bytes."""

from __future__ import annotations

import io
import json
from typing import Any

from litefuse.cli.query import QueryFailed, Reader, brief
from litefuse.mcp.shapes import cut

#: What is read of a result at most; the connection is closed then, which ends the query.
_BYTES = 4 << 20
#: Characters that an agent is given, and those of one value.
CHARACTERS, CELL = 60_000, 4_000
_FORMAT = "JSONCompactEachRowWithNamesAndTypes"


class _Enough(Exception):
    """No more of the result is wanted."""


class _Bounded(io.BytesIO):
    def write(self, data: Any) -> int:
        if self.tell() + len(data) > _BYTES:
            raise _Enough
        return super().write(data)


def ask(reader: Reader, query: str, rows: int) -> dict[str, Any]:
    """`{columns, rows, cut}`: at most so many rows, a list of values each; `cut` says that there are more. A query with a
    FORMAT of its own gives `{text, cut}`. Blocks. Raises QueryFailed, StoreUnavailable."""
    out, whole = _Bounded(), True
    try:
        reader.run(query, _FORMAT, out, settings={"limit": str(rows + 1)})
    except _Enough:
        whole = False
    except QueryFailed as error:
        raise QueryFailed(brief(str(error))) from error
    text = out.getvalue().decode("utf-8", "replace")
    try:
        return _table(text if whole else text[: text.rfind("\n") + 1], rows, whole)
    except (ValueError, TypeError):
        return {"text": cut(text, CHARACTERS), "cut": not whole or len(text) > CHARACTERS}


def _table(text: str, rows: int, whole: bool) -> dict[str, Any]:
    """Raises ValueError or TypeError for what is not in our format."""
    lines = [json.loads(line) for line in text.splitlines() if line]
    if not lines:
        return {"columns": [], "rows": [], "cut": not whole}
    names, kinds, *found = lines
    columns = [f"{name} {kind}" for name, kind in zip(names, kinds, strict=True)]
    shown: list[list[Any]] = []
    left = CHARACTERS
    for row in found[:rows]:
        cells = [_cell(value) for value in row]
        left -= len(json.dumps(cells, ensure_ascii=False))
        if left < 0 and shown:
            break
        shown.append(cells)
    return {"columns": columns, "rows": shown, "cut": not whole or len(shown) < len(found)}


def _cell(value: Any) -> Any:
    """A value, or the beginning of its text when it is long."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return value if len(text) <= CELL else cut(text, CELL)
