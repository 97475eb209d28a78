"""Figures, tables of them, and the aims they are held against. No measuring here."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Series:
    """One figure, measured in several rounds."""

    samples: tuple[float, ...]
    unit: str

    @classmethod
    def of(cls, samples: Iterable[float], unit: str) -> Series:
        return cls(tuple(samples), unit)

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def text(self) -> str:
        """Median, and the lowest and highest of several rounds: `6.21 (6.02–6.90)`."""
        middle = short(self.median)
        if len(self.samples) < 2:
            return middle
        return f"{middle} ({short(min(self.samples))}–{short(max(self.samples))})"

    def over(self, other: Series) -> Series:
        """The ratio of two figures of the same run, round by round."""
        pairs = zip(self.samples, other.samples, strict=False)
        return Series(tuple(a / b for a, b in pairs if b), "")

    def data(self) -> dict[str, Any]:
        return {
            "median": self.median,
            "min": min(self.samples),
            "max": max(self.samples),
            "samples": list(self.samples),
            "unit": self.unit,
        }


def short(value: float) -> str:
    """Three figures that count, and no more: 0.123, 1.23, 12.3, 123, 1 234 567."""
    if abs(value) >= 100:
        return f"{value:,.0f}".replace(",", " ")
    digits = 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}"


Cell = str | Series | None


@dataclass
class Table:
    """`head` names the columns, with units; a row has a cell for each. `note` says what has to be known to read it."""

    key: str
    title: str
    head: tuple[str, ...]
    rows: list[Sequence[Cell]] = field(default_factory=list)
    note: str = ""

    def markdown(self, level: int = 3) -> str:
        texts = [[_text(cell) for cell in row] for row in self.rows]
        widths = [max(len(line[i]) for line in [self.head, *texts]) for i in range(len(self.head))]
        lines = [_line(self.head, widths), "|" + "|".join("-" * (w + 2) for w in widths) + "|"]
        lines += [_line(row, widths) for row in texts]
        note = f"{self.note}\n\n" if self.note else ""
        return f"{'#' * level} {self.title}\n\n{note}" + "\n".join(lines) + "\n"

    def data(self) -> dict[str, Any]:
        rows = [[cell.data() if isinstance(cell, Series) else cell for cell in row] for row in self.rows]
        return {"key": self.key, "title": self.title, "note": self.note, "head": list(self.head), "rows": rows}


@dataclass
class Section:
    """What one part of the benchmarks found: tables for people, and the figures that aims ask for, by key."""

    tables: list[Table] = field(default_factory=list)
    figures: dict[str, Series] = field(default_factory=dict)


def _text(cell: Cell) -> str:
    return cell.text if isinstance(cell, Series) else cell if cell is not None else ""


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


@dataclass(frozen=True, slots=True)
class Aim:
    """`keys` are figures, each of which should be at most `limit`."""

    text: str
    limit: float
    unit: str
    keys: tuple[str, ...]


AIMS = (
    Aim("worker, without ClickHouse's own share, SQLite log", 12, "µs a span", ("worker/sqlite/http-512/sink",)),
    Aim("worker, without ClickHouse's own share, Kafka", 12, "µs a span", ("worker/kafka/http-512/sink",)),
    Aim("ingest, 512-span requests, SQLite log", 5, "µs a span", ("ingest/sqlite/http-512/protobuf",)),
    Aim("ingest, 512-span requests, Kafka", 5, "µs a span", ("ingest/kafka/http-512/protobuf",)),
    Aim("ingest, 1-span requests, SQLite log", 250, "µs a request", ("ingest/sqlite/http-1/protobuf",)),
    Aim("ingest, 1-span requests, Kafka", 250, "µs a request", ("ingest/kafka/http-1/protobuf",)),
    Aim("acknowledged → visible, p99 at half of peak, `litefuse up`", 2, "s", ("visible/up/p99",)),
    Aim("`litefuse up`, ready", 5, "s", ("up/ready",)),
    Aim("`litefuse up`, resident when idle", 600, "MB", ("up/rss",)),
    Aim("map stage, LLM spans of the corpus", 150, "µs a span", ("map/corpus",)),
    Aim("map stage, LLM spans of the generator", 150, "µs a span", ("map/generator",)),
    Aim("map stage, plain HTTP spans", 0.5, "µs a span", ("map/http",)),
    Aim("slowest list or look-up, median", 100, "ms", ("queries/lists/median",)),
    Aim("slowest list or look-up, p95", 100, "ms", ("queries/lists/p95",)),
    Aim("slowest metrics of a day, median", 300, "ms", ("queries/metrics/median",)),
    Aim("slowest metrics of a day, p95", 300, "ms", ("queries/metrics/p95",)),
    Aim("slowest route or page through HTTP, p95", 1000, "ms", ("api/slowest/p95",)),
)


def aims(figures: dict[str, Series]) -> Table:
    """The aims beside what was measured; those of parts that did not run are left out."""
    table = Table("aims", "Aims", ("what", "aim", "measured", ""))
    for aim in AIMS:
        for series in (figures[key] for key in aim.keys if key in figures):
            met = "met" if series.median <= aim.limit else f"missed by {series.median / aim.limit - 1:.0%}"
            table.rows.append((aim.text, f"≤ {short_limit(aim.limit)} {aim.unit}", f"{series.text} {aim.unit}", met))
    return table


def short_limit(value: float) -> str:
    return f"{value:g}"
