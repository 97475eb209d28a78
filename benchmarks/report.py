"""The report: Markdown, on the terminal and between two marks in benchmarks/README.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.figures import Table

README = Path(__file__).with_name("README.md")
BEGIN = "<!-- figures: written by `python -m benchmarks --write` -->"
END = "<!-- end of figures -->"


def markdown(machine: Mapping[str, str], tables: Sequence[Table]) -> str:
    """Machine and tables."""
    lines = "\n".join(f"- {name}: {value}" for name, value in machine.items())
    return "\n".join([lines, "", *(table.markdown() for table in tables)])


def write(path: Path, machine: Mapping[str, str], tables: Sequence[Table]) -> None:
    """Put the report between the marks. Raises ValueError when they are not there."""
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no {BEGIN} … {END}")
    path.write_text(f"{before}{BEGIN}\n\n{markdown(machine, tables)}\n{END}{after}")
