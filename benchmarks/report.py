"""The report: Markdown, on the terminal and between two marks in benchmarks/README.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.figures import Table

README = Path(__file__).with_name("README.md")
#: What the tables stand between: those of the pipeline, of the LLM parts, and of the API.
MARKS = ("<!-- figures: written by `python -m benchmarks --write` -->", "<!-- end of figures -->")
LLM_MARKS = (
    "<!-- LLM figures: written by `python -m benchmarks map queries --write` -->",
    "<!-- end of LLM figures -->",
)
API_MARKS = ("<!-- API figures: written by `python -m benchmarks api --write` -->", "<!-- end of API figures -->")


def markdown(machine: Mapping[str, str], tables: Sequence[Table]) -> str:
    """Machine and tables."""
    lines = "\n".join(f"- {name}: {value}" for name, value in machine.items())
    return "\n".join([lines, "", *(table.markdown() for table in tables)])


def write(path: Path, machine: Mapping[str, str], tables: Sequence[Table], marks: tuple[str, str] = MARKS) -> None:
    """Put the report between the marks. Raises ValueError when they are not there."""
    before, begin, rest = path.read_text().partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not begin or not end:
        raise ValueError(f"{path} has no {marks[0]} … {marks[1]}")
    path.write_text(f"{before}{begin}\n\n{markdown(machine, tables)}\n{end}{after}")
