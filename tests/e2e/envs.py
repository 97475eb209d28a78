"""Virtual environments for programs that tests run with packages of their own, kept in the clone's `.cache/envs`."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tests.processes import REPO

ROOT = REPO / ".cache" / "envs"
INSTALL_TIMEOUT = 1500.0
"""Seconds; MLflow with all it brings is 0.9 GB."""


def environment(name: str, *requirements: str) -> Path:
    """The Python of an environment with these requirements, made when there is none or when it is for others.

    Its key is a hash of the requirements and of this Python; the stamp that holds it is written last, so an environment
    whose making was cut short is made anew. A lock keeps two runs in one clone from making it at once. Raises
    AssertionError with what pip said.
    """
    home = ROOT / name
    stamp = home / ".stamp"
    python = home / "bin" / "python"
    key = _key(requirements)
    ROOT.mkdir(parents=True, exist_ok=True)
    with (ROOT / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.is_file() and stamp.read_text() == key and python.exists():
            return python
        shutil.rmtree(home, ignore_errors=True)
        _run(sys.executable, "-m", "venv", str(home))
        # Without pip's own cache: downloads stay in the clone, and the environment is the cache.
        options = ("--quiet", "--disable-pip-version-check", "--no-input", "--no-cache-dir")
        _run(str(python), "-m", "pip", "install", *options, *requirements)
        stamp.write_text(key)
    return python


def _key(requirements: tuple[str, ...]) -> str:
    said = "\n".join([sys.version, sys.base_prefix, *sorted(requirements)])
    return hashlib.sha256(said.encode()).hexdigest()


def _run(*command: str) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=INSTALL_TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}"
