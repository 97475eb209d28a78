"""What importing the client settles before there are threads."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest


def test_pandas_is_there_before_threads_race_for_it() -> None:
    """The decoder's thread and a query's both imported it at their first use, and saw it half made."""
    if importlib.util.find_spec("pandas") is None:
        pytest.fail("the embedded engine brings pandas; without it this says nothing")
    program = "import sys, litefuse.clickhouse.client; print('pandas' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.strip() == "True"
