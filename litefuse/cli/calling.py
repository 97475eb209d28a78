"""How this program is called from here, for messages that tell a person what to type."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def command() -> str:
    """`litefuse` where the shell finds it, else its path (after `make up` it is in an environment that is not
    activated)."""
    if shutil.which("litefuse"):
        return "litefuse"
    path = Path(sys.argv[0]).absolute()
    if path.name != "litefuse":
        return f"{sys.executable} -m litefuse"
    near = os.path.relpath(path)
    return str(path) if near.startswith("..") else near
