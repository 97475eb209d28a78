"""`litefuse prices`: without ClickHouse, and on the embedded one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
    text = out(capsys, "set", "m", "--project", "shop", *data, code=2)  # L13
    assert "prices set m: no price; --input USD and --output USD say" in text
    assert "--cached, --cache-write" in text
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
    assert "2 prices set: within ten seconds from now workers go by it." in out(capsys, "load", str(file), *shop)
    text = out(capsys, "reprice", "--dry-run", *data)
    assert "no span: " in text
    assert "0 rows would change" in text
    assert "no span of model gpt-4o*: " in out(capsys, "reprice", "--model", "gpt-4o*", *data)  # M7
    missing = str(tmp_path / "nonexist")  # L13: the path once
    assert out(capsys, "load", missing, *shop, code=2) == f"litefuse: {missing}: No such file or directory\n"
    assert "1 price removed" in out(capsys, "remove", "ours", *shop, "--provider", "x")
    assert "1 price removed" in out(capsys, "remove", "ours", *shop)
    assert "no such price of ours" in out(capsys, "remove", "ours", *shop, code=2)


def test_m6_match_says_why_a_price_is_used_for_a_dated_name(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    data = ("--data-dir", str(tmp_path / "data"))
    assert run(["keys", "create", "--project", "shop", *data], {}) == 0
    shop = ("--project", "shop", *data)
    out(capsys, "set", "gpt-4o", *shop, "--input", "1", "--output", "2")
    assert "why:    the project's price gpt-4o is for a model of this name, and" in out(
        capsys, "match", "gpt-4o", *shop
    )
    text = out(capsys, "match", "gpt-4o-2024-08-06", *shop)
    assert "price:  gpt-4o\n" in text
    assert "gpt-4o is for gpt-4o, which is this model's name without -2024-08-06 at its end, and" in text
    assert "source: genai-prices" in out(capsys, "match", "gpt-4o-mini", *shop)
    text = out(capsys, "match", "gpt-4o-2024-05-13", *shop)
    assert "price:  openai/gpt-4o-2024-05-13" in text
    assert "not the project's price gpt-4o: the catalogue has another one for the dated name" in text
    out(capsys, "set", "gpt*", *shop, "--input", "1", "--output", "2")
    assert "the project's price gpt* fits the model gpt-4o-2024-05-13, and" in out(
        capsys, "match", "gpt-4o-2024-05-13", *shop
    )


def test_l13_reprice_says_that_it_can_be_run_again_when_the_server_goes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from litefuse.clickhouse.client import Store
    from litefuse.errors import StoreUnavailable

    data = ("--data-dir", str(tmp_path / "data"))
    assert run(["keys", "create", "--project", "shop", *data], {}) == 0
    capsys.readouterr()
    rows = Store.rows

    async def gone(self: Store, sql: str, *rest: Any, **named: Any) -> Any:
        if "_partition_id" in sql:
            raise StoreUnavailable("gone")
        return [("p", "", "gpt-4o")] if "DISTINCT" in sql else await rows(self, sql, *rest, **named)

    monkeypatch.setattr(Store, "rows", gone)
    text = out(capsys, "reprice", *data, code=1)
    assert (
        text
        == "litefuse: gone\nlitefuse: what was repriced until then stays; the same command once more does the rest\n"
    )
