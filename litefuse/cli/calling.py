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
    path = Path(sys.argv[0])
    return os.path.relpath(path) if path.name == "litefuse" else f"{sys.executable} -m litefuse"
