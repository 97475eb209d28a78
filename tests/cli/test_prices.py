"""`litefuse prices`: without ClickHouse, and on the embedded one."""

from __future__ import annotations

from pathlib import Path

import pytest

from litefuse.cli.main import run


def out(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> str:
    assert run(["prices", *argv], {}) == code
    found = capsys.readouterr()
    return found.out + found.err


def test_match_needs_no_clickhouse_and_shows_price_source_date_and_tiers(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = out(capsys, "match", "gemini-2.5-pro", "--provider", "vertex_ai", "--usage", "input=300000,output=200,x=1")
    assert "price:  google/gemini-2.5-pro" in text
    assert "source: genai-prices 0.2." in text
    assert "data of 20" in text
    assert "provider vertex_ai is google" in text
    assert "up to 200000  above 200000" in text
    assert "total           0.753" in text
    assert "not in it: x" in text
    assert list(tmp_path.iterdir()) == []


def test_match_of_an_unknown_model_says_so_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no price, so calls of it have no cost" in out(capsys, "match", "no-such-model", code=1)
    assert "no-such\\x1b" in out(capsys, "match", "no-such\x1b", code=1)


@pytest.mark.parametrize(
    "argv",
    [
        ("match", "m", "--usage", "input"),
        ("match", "m", "--usage", "input=-1"),
        ("match", "m", "--at", "soon"),
        ("set", "m", "--project", "p", "--tier", "5"),
        ("set", "m"),
        ("nothing",),
    ],
)
def test_what_cannot_be_read_is_refused(capsys: pytest.CaptureFixture[str], argv: tuple[str, ...]) -> None:
    assert run(["prices", *argv], {}) == 2
    assert capsys.readouterr().out == ""


def test_set_list_match_load_reprice_remove(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    data = ("--data-dir", str(tmp_path / "data"))
    assert run(["keys", "create", "--project", "shop", *data], {}) == 0
    capsys.readouterr()
    assert "no project nobody" in out(capsys, "set", "m", "--project", "nobody", "--input", "1", *data, code=2)
    assert "no price of anything" in out(capsys, "set", "m", "--project", "shop", *data, code=1)
    shop = ("--project", "shop", *data)
    text = out(
        capsys,
        *("set", "gpt-4o*", *shop, "--input", "1.25", "--output", "5", "--cached", "0.5", "--start", "2026-03-01"),
        *("--tier", "200000:input=2.5,cached=1"),
    )
    assert "gpt-4o* from 2026-03-01" in text
    text = out(capsys, "list", *data)
    assert "2026-03-01" in text
    assert "cache_read=0.5 input=1.25 output=5; above 200000: cache_read=1 input=2.5 output=5" in text
    text = out(capsys, "match", "gpt-4o-mini", *shop, "--at", "2026-04-01")
    assert "source: the project" in text
    assert "before: openai/gpt-4o-mini (prices)" in text
    assert "source: genai-prices" in out(capsys, "match", "gpt-4o-mini", *shop, "--at", "2026-02-01")
    file = tmp_path / "prices.json"
    file.write_text('[{"model": "ours", "input": 1}, {"model": "ours", "provider": "x", "input": 2}]')
    assert "2 prices set" in out(capsys, "load", str(file), *shop)
    assert "0 rows would change" in out(capsys, "reprice", "--dry-run", *data)
    assert "1 price removed" in out(capsys, "remove", "ours", *shop, "--provider", "x")
    assert "1 price removed" in out(capsys, "remove", "ours", *shop)
    assert "no such price of ours" in out(capsys, "remove", "ours", *shop, code=2)
