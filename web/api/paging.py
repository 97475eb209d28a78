"""Lists by page number (public-api.md section 1.5). Pure."""

from __future__ import annotations

from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from web.queries.totals import Total


class PageMeta(TypedDict):
    page: int
    limit: int
    totalItems: int
    totalPages: int
    totalIsLowerBound: NotRequired[
        Annotated[
            bool, Field(description="true: counting took too long, there are at least so many; absent: it is exact")
        ]
    ]


def offset(page: int, limit: int) -> int:
    """Rows before a page."""
    return (page - 1) * limit


def meta(page: int, limit: int, total: Total) -> PageMeta:
    """`totalPages` is 0 when there is nothing. Of a lower bound it counts the page after this one, when there is one."""
    found = PageMeta(page=page, limit=limit, totalItems=total.items, totalPages=-(-total.items // limit))
    if total.at_least:
        found["totalIsLowerBound"] = True
    return found
