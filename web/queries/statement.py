"""One statement for ClickHouse: text, parameters, and the project it is bound to.

Every statement of the read side is made by `bind`, which refuses one that reads a table of ours without asking for the
project. Values reach ClickHouse as parameters only, never within the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from litefuse.clickhouse.asking import Store
from litefuse.clickhouse.portions import portions

#: How a statement asks for its project: once for each table it reads.
PROJECT = "project_id = {project:String}"
#: Tables whose rows belong to a project.
TABLES = ("spans", "trace_parts", "traces", "prices", "scores", "ingestion_events")
_READ = re.compile(rf"\b(?:FROM|JOIN)\s+(?:litefuse\.)?({'|'.join(TABLES)})\b", re.I)
#: Rows of spans that are observations: one of type TRACE says something of its trace alone (POST /ingestion).
OBSERVATIONS = "type != 'TRACE'"
#: A login's defaults must not change what a statement says: FINAL stands in its text, where copies matter. Indexes are used
#: with it all the same; of a score that has moved, in time or to another trace, its newer rows are found through its key.
SETTINGS: Mapping[str, str] = {
    "final": "0",
    "use_skip_indexes_if_final": "1",
    "use_skip_indexes_if_final_exact_mode": "1",
}


class QueryError(ValueError):
    """A filter, an order or a limit that cannot be: the asker's fault."""


@dataclass(frozen=True, slots=True)
class Statement:
    sql: str
    parameters: Mapping[str, Any]


@dataclass(slots=True)
class Values:
    """Parameters while a statement is written: `add` gives the text that stands for a value."""

    parameters: dict[str, Any] = field(default_factory=dict)

    def add(self, kind: str, value: object) -> str:
        """`{p0:String}` for a value of this ClickHouse type."""
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value
        return f"{{{name}:{kind}}}"

    def text(self, value: str) -> str:
        return self.add("String", value)

    def texts(self, values: list[str] | tuple[str, ...]) -> str:
        """An array; of several parameters when one cannot have it all, as with hundreds of long ids."""
        parts = [self.add("Array(String)", part) for part in list(portions(values)) or [[]]]
        return parts[0] if len(parts) == 1 else f"arrayConcat({', '.join(parts)})"

    def time(self, ns: int) -> str:
        """An instant, Unix nanoseconds, as an expression of DateTime64(9)."""
        return f"fromUnixTimestamp64Nano({self.add('Int64', ns)}, 'UTC')"


def bind(project_id: str, sql: str, values: Values | None = None) -> Statement:
    """The statement for one project. Raises ValueError when it reads a table of ours more often than it asks for the
    project: such a statement would show one tenant's data to another."""
    reads = len(_READ.findall(sql))
    if not reads or sql.count(PROJECT) < reads:
        raise ValueError(f"a statement that is not bound to a project: {' '.join(sql.split())[:200]}")
    return Statement(sql, {**(values.parameters if values else {}), "project": project_id})


async def run(store: Store, statement: Statement, *, timeout: float = 30.0) -> list[tuple[Any, ...]]:
    """Its rows."""
    return await store.rows(statement.sql, statement.parameters, settings=SETTINGS, timeout=timeout)
