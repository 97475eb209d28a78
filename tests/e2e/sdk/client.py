"""The Langfuse SDK of one major, in a process and an environment of its own, called from a test."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.envs import environment
from tests.processes import REPO

#: Major → the release that is tested.
RELEASES = {2: "2.60.10", 3: "3.15.0", 4: "4.18.0", 5: "5.0.4"}
DRIVER = REPO / "tests" / "recipes" / "langfuse_calls.py"


class Raised(AssertionError):
    """The SDK raised: `name` is the class, `status` and `body` what it says of the answer."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__(json.dumps(told))
        self.name: str = told["raised"]
        self.status: int | None = told["status"]
        self.body: Any = told["body"]


@dataclass
class Sdk:
    major: int
    process: subprocess.Popen[str]

    def call(self, name: str, /, **arguments: Any) -> Any:
        """What the call returned, models as dicts. Raises Raised."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"call": name, "with": arguments}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the SDK's process ended with {self.process.wait(10)} at {name}"
        told = json.loads(line)
        if "raised" in told:
            raise Raised(told)
        return told["returned"]


def python(major: int) -> Path:
    return environment(f"langfuse{major}", f"langfuse=={RELEASES[major]}")


@contextlib.contextmanager
def sdk(major: int, host: str, public_key: str, secret_key: str) -> Iterator[Sdk]:
    """A client for these keys."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LITEFUSE_", "LANGFUSE_", "OTEL_"))}
    process = subprocess.Popen(
        [str(python(major)), "-u", str(DRIVER)],
        env={
            **kept,
            "SDK_MAJOR": str(major),
            "SDK_HOST": host,
            "SDK_PUBLIC_KEY": public_key,
            "SDK_SECRET_KEY": secret_key,
            "LANGFUSE_TIMEOUT": "20",
            "LANGFUSE_ENABLED": "true",
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Sdk(major, process)
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
