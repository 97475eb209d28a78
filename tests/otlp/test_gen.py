"""Benchmarks of different days are compared, so their input must never change."""

from __future__ import annotations

import hashlib

from benchmarks.gen import request


def test_the_benchmark_body_is_what_it_always_was() -> None:
    body = request()
    assert len(body) == 282_900
    assert hashlib.sha256(body).hexdigest() == "a7b6b49e892f18e06ae25005c7824928d1755f273fee092bfa71cf16faa3f1f7"
