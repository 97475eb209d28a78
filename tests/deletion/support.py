"""What a store has of the traces of the tests."""

from __future__ import annotations

from litefuse.clickhouse.client import Store
from litefuse.deletion import TABLES

SYNC = {"mutations_sync": "2"}
T1, T2, T3 = "1" * 32, "2" * 32, "3" * 32


async def left(store: Store, project: str) -> dict[str, int]:
    """Rows of a project by table, copies and replaced rows included."""
    counts = {}
    for table in TABLES:
        sql = f"SELECT count() FROM {table.name} WHERE project_id = {{p:String}}"
        counts[table.name] = int((await store.rows(sql, {"p": project}, settings={"final": "0"}))[0][0])
    return counts


async def traces_in(store: Store, table: str, project: str = "p") -> set[str]:
    rows = await store.rows(
        f"SELECT DISTINCT trace_id FROM {table} WHERE project_id = {{p:String}}",
        {"p": project},
        settings={"final": "0"},
    )
    return {row[0] for row in rows}
