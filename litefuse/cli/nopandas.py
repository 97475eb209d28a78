"""Keeps pandas out of this process.

Where pandas is installed, pyarrow imports it at the first conversion of a Python object, to ask whether the object is a
Series, and clickhouse-connect looks for it too: 90 MB and half a second for a no. And two threads that import it at once can
see it half made. With this in place that import says "not installed", before anything else of ours is imported.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder


class NoPandas(MetaPathFinder):
    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError("litefuse does without pandas", name=fullname)


def install() -> None:
    """Idempotent. Does nothing where pandas is imported already."""
    if "pandas" not in sys.modules and not any(isinstance(finder, NoPandas) for finder in sys.meta_path):
        sys.meta_path.insert(0, NoPandas())
