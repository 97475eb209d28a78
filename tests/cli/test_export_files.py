"""What an export is made of: its directory, its stretches of time, the requests its scores go back in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from litefuse.cli.export import stretches
from litefuse.cli.export_files import Directory
from litefuse.cli.scores import Scores, batches, is_score
from litefuse.errors import ConfigError


def test_a_directory_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(ConfigError, match="not empty"):
        Directory.open(tmp_path, {})


def test_days_with_very_many_spans_are_cut_into_hours() -> None:
    day = 20_000 * 86_400
    found = stretches([(day, 5), (day + 3600, 6), (day + 86_400, 400_000), (day + 86_400 + 7200, 200_000)])
    assert [(stretch.name, stretch.rows) for stretch in found] == [
        ("2024-10-04", 11),
        ("2024-10-05T00", 400_000),
        ("2024-10-05T02", 200_000),
    ]
    assert [(s.high - s.low) // 3_600_000_000_000 for s in found] == [24, 1, 1]


def test_scores_go_in_requests_that_the_routes_take() -> None:
    scores = [
        {
            "id": str(n),
            "name": "n",
            "value": 1,
            "traceId": "t",
            "comment": "x" * (n * 100),
            "source": "EVAL" if n % 7 == 0 else "API",
            "metadata": {"large": 10**30 + n},
        }
        for n in range(300)
    ]
    assert all(map(is_score, scores))
    lines = [(json.dumps(score).encode(), score) for score in scores]
    found = list(batches("f", lines))
    assert sorted(int(score["id"]) for batch in found for score in batch.scores) == list(range(300))
    for batch in found:
        assert len(batch.body) < 1_000_000
        assert len({score["source"] for score in batch.scores}) == 1
        sent = json.loads(batch.body)
        assert (sent if batch.source != "EVAL" else [event["body"] for event in sent["batch"]]) == list(batch.scores)
        assert batch.path == ("/api/public/ingestion" if batch.source == "EVAL" else "/api/public/scores")
    assert isinstance(found[0], Scores)
