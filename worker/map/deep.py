"""JSON text of values nested deeper than the JSON libraries write."""

from __future__ import annotations

from typing import Any

from worker.map.values import Value, dump


def json_text(value: Value) -> str:
    """Compact JSON of a value, however deep it is nested; `dump` gives up at some depth and the content would be lost."""
    return dump(value) or _written(value)


def _written(value: Value) -> str:
    """The same without recursion. `todo` holds values still to be written and, as `Raw`, text between them."""
    pieces: list[str] = []
    todo: list[Any] = [value]
    while todo:
        top = todo.pop()
        if isinstance(top, _Raw):
            pieces.append(top)
        elif isinstance(top, dict) and top:
            pieces.append("{")
            todo.append(_Raw("}"))
            for number, (key, inner) in enumerate(reversed(top.items())):
                todo += [inner, _Raw(("," if number < len(top) - 1 else "") + dump(str(key)) + ":")]
        elif isinstance(top, list) and top:
            pieces.append("[")
            todo.append(_Raw("]"))
            for number, inner in enumerate(reversed(top)):
                todo.append(inner)
                if number < len(top) - 1:
                    todo.append(_Raw(","))
        else:
            pieces.append(dump(top))
    return "".join(pieces)


class _Raw(str):
    """Text that is JSON already."""
