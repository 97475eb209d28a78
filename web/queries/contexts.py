"""What traces say of their observations: user, session, name, tags … of each, whichever of its spans said them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from litefuse.clickhouse.asking import Store
from web.queries import traces
from web.queries.merge import merged
from web.queries.statement import Statement, Values, bind, run


@dataclass(frozen=True, slots=True)
class Context:
    """Of a trace; texts are empty when nothing says them. `name`, `tags` and `release` are only there when asked for."""

    user_id: str = ""
    session_id: str = ""
    public: bool = False
    name: str = ""
    tags: Sequence[str] = ()
    release: str = ""


NONE = Context()


def statement(project_id: str, trace_ids: Sequence[str], *, named: bool) -> Statement:
    """Trace id, fields of Context; `named`: with all of them, then the name's rank, and the starts of the first and the last
    span, Unix ns."""
    values = Values()
    columns = "trace_id, user_id, session_id, public"
    if named:
        columns += (
            ", if(name_rank > 0, said_name, first_name), tags, release, "
            "name_rank, toUnixTimestamp64Nano(start_time), toUnixTimestamp64Nano(last_start)"
        )
    return bind(project_id, f"SELECT {columns} FROM {merged(f'trace_id IN {values.texts(list(trace_ids))}')}", values)


async def of_traces(
    store: Store, project_id: str, trace_ids: Sequence[str], *, named: bool = True
) -> dict[str, Context]:
    """Trace id → what it says. One statement, and one more when `named` is asked for and a trace has no root."""
    if not trace_ids:
        return {}
    rows = await run(store, statement(project_id, trace_ids, named=named))
    found = {row[0]: Context(*row[1:7]) for row in rows}
    nameless = [(row[0], row[8], row[9]) for row in rows if named and not row[7]]
    if nameless:
        low, high = min(row[1] for row in nameless), max(row[2] for row in nameless) + 1
        names = await run(store, traces.names(project_id, [row[0] for row in nameless], low, high))
        found |= {id_: replace(found[id_], name=name) for id_, name in names}
    return found
