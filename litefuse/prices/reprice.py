"""Costs of stored spans, worked out again from the prices of now.

ClickHouse does it: the prices become SQL (litefuse.prices.sql), one mutation for all models with the same price, and only
in partitions with rows that would change. What a span itself states (`cost_source = 'stated'`) stays. A second run finds
nothing to do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from litefuse.clickhouse.asking import Store
from litefuse.clickhouse.sql import literal
from litefuse.prices.book import Book
from litefuse.prices.overrides import fit
from litefuse.prices.price import Timeline
from litefuse.prices.sql import assignments, changed

#: Models in one statement; a client may have sent any number of names.
_MODELS = 500
#: Prices with many periods and tiers make long statements. The last waits for all replicas.
_SETTINGS = {"max_query_size": str(16 << 20), "max_ast_elements": "1000000", "max_expanded_ast_elements": "5000000"}
_MUTATION = {**_SETTINGS, "mutations_sync": "2"}

#: (project, provider, model), as spans have them.
Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Which:
    """The spans to look at: of a project, of a model, that start in [from_ns, to_ns); None: any. `model` fits as that of a
    project's price does: `*` stands for any text, and a name holds for its dated names too."""

    project_id: str | None = None
    model: str | None = None
    from_ns: int | None = None
    to_ns: int | None = None

    def condition(self) -> str:
        found = ["cost_source != 'stated'", "model != ''", "notEmpty(usage)"]
        if self.project_id is not None:
            found.append(f"project_id = {_text(self.project_id)}")
        if self.from_ns is not None:
            found.append(f"start_time >= fromUnixTimestamp64Nano({self.from_ns}, 'UTC')")
        if self.to_ns is not None:
            found.append(f"start_time < fromUnixTimestamp64Nano({self.to_ns}, 'UTC')")
        return " AND ".join(found)


@dataclass(frozen=True, slots=True)
class Step:
    """Models with the same prices of which rows in a partition change, and how many rows."""

    partition: str
    keys: tuple[Key, ...]
    rows: int


async def models(store: Store, which: Which) -> list[Key]:
    """The models of these spans. Raises StoreError."""
    rows = await store.rows(
        f"SELECT DISTINCT project_id, provider, model FROM spans WHERE {which.condition()} ORDER BY ALL", timeout=None
    )
    return [(row[0], row[1], row[2]) for row in rows if which.model is None or fit(which.model, row[2]) is not None]


async def reprice(
    store: Store, book: Book, which: Which, *, dry_run: bool = False, keys: Iterable[Key] | None = None
) -> AsyncIterator[Step]:
    """Each step when it is done (with `dry_run`: would be done). Rows are counted before, copies of a span each. `keys` are
    what `models` has found. Raises StoreError; what was done until then stays, and a second run does the rest."""
    of_price: dict[Timeline, list[Key]] = defaultdict(list)
    for key in await models(store, which) if keys is None else keys:
        of_price[book.timeline(*key)].append(key)
    for timeline, all_keys in of_price.items():
        for at in range(0, len(all_keys), _MODELS):
            condition = f"{which.condition()} AND {_among(all_keys[at : at + _MODELS])} AND {changed(timeline)}"
            counted = await store.rows(
                "SELECT _partition_id, project_id, provider, model, count() FROM spans "
                f"WHERE {condition} GROUP BY ALL ORDER BY ALL",
                settings=_SETTINGS,
                timeout=None,
            )
            for partition, rows in groupby(counted, key=itemgetter(0)):
                of_partition = list(rows)
                if not dry_run:
                    await store.command(_update(timeline, partition, condition), settings=_MUTATION, timeout=None)
                some = tuple((row[1], row[2], row[3]) for row in of_partition)
                yield Step(str(partition), some, sum(int(row[4]) for row in of_partition))


def _update(timeline: Timeline, partition: str, condition: str) -> str:
    columns = ", ".join(f"{column} = {value}" for column, value in assignments(timeline).items())
    return f"ALTER TABLE spans UPDATE {columns} IN PARTITION ID {_text(partition)} WHERE {condition}"


def _among(keys: Sequence[Key]) -> str:
    projects = ", ".join(sorted({_text(project_id) for project_id, _, _ in keys}))
    rows = ", ".join(f"({', '.join(_text(part) for part in key)})" for key in keys)
    # The key of the table begins with the project: it lets ClickHouse skip the others.
    return f"project_id IN ({projects}) AND (project_id, provider, model) IN ({rows})"


def _text(text: str) -> str:
    return literal(text).decode("utf-8", "replace")
