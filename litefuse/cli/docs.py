"""Writes the generated pages of docs/: `python -m litefuse.cli.docs` (`make docs`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from litefuse import settings_load
from litefuse.telemetry import docs as metrics
from schemas import docs as sql

PAGES: Mapping[str, Callable[[], str]] = {
    "settings.md": settings_load.markdown,
    "metrics.md": metrics.markdown,
    "sql.md": sql.markdown,
}


def main() -> None:
    folder = Path(__file__).resolve().parents[2] / "docs"
    for name, markdown in PAGES.items():
        (folder / name).write_text(markdown(), "utf-8")
        print(f"docs/{name}")


if __name__ == "__main__":
    main()
