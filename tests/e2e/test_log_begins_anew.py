"""A log that begins anew over the same ClickHouse: its offsets, and so its tokens, have been used before."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.e2e.test_dead_letters import post, request
from tests.processes import litefuse
from tests.sql import Sql
from tests.waiting import eventually


def test_spans_of_a_new_log_file_are_stored_beside_those_of_the_old(tmp_path: Path) -> None:
    """The second span got 200 and was nowhere: ClickHouse knew its token, said ok and stored nothing."""
    data_dir = tmp_path / "data"
    for start, names in enumerate((["old"], ["new"], ["newest", "and one more"])):
        with litefuse("up", data_dir=data_dir) as up:
            post(up, request(names, 10 * start + 1))
            counted = partial(Sql(up, "litefuse").count, f"SELECT count() FROM spans WHERE name = '{names[-1]}'")
            eventually(counted, 20)
            assert up.stop() == 0
        for file in data_dir.glob("log.db*"):
            file.unlink()
    with litefuse("up", data_dir=data_dir) as up:
        found = Sql(up, "litefuse")("SELECT name, count() AS n FROM spans GROUP BY name ORDER BY name")
    assert [(row["name"], int(row["n"])) for row in found] == [
        ("and one more", 1),
        ("new", 1),
        ("newest", 1),
        ("old", 1),
    ]
