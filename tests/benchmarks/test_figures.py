"""Figures, tables and the report: what is printed is what was measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import figures, ratios, report
from benchmarks.figures import AIMS, Series, Table, short
from benchmarks.visible import percentile


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1234, "0.123"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123"), (1234567.0, "1 234 567"), (-0.5, "-0.500")],
)
def test_three_figures_that_count(value: float, text: str) -> None:
    assert short(value) == text


def test_a_series_is_its_median_with_lowest_and_highest() -> None:
    assert Series((3.0, 1.0, 2.0), "µs").text == "2.00 (1.00–3.00)"
    assert Series((2.0,), "µs").text == "2.00"


def test_ratios_are_made_round_by_round() -> None:
    # The second round was twice as slow for both: the ratio does not see it.
    assert Series((2.0, 4.0), "µs").over(Series((1.0, 2.0), "µs")).samples == (2.0, 2.0)


def test_a_table_is_markdown() -> None:
    table = Table("key", "Title", ("what", "µs"), [("first", Series((1.0,), "µs")), ("second", None)], "Note.")
    lines = table.markdown().splitlines()
    assert lines[0] == "### Title"
    assert lines[2] == "Note."
    assert lines[4:] == ["| what   | µs   |", "|--------|------|", "| first  | 1.00 |", "| second |      |"]


def test_aims_say_whether_they_are_met() -> None:
    aim = AIMS[0]
    met = figures.aims({aim.keys[0]: Series((aim.limit,), "")})
    missed = figures.aims({aim.keys[0]: Series((aim.limit * 1.5,), "")})
    assert [row[-1] for row in met.rows] == ["met"]
    assert [row[-1] for row in missed.rows] == ["missed by 50%"]


def test_only_ratios_of_which_both_sides_were_measured() -> None:
    both = {"worker/kafka/http-512/sink": Series((3.0,), ""), "worker/sqlite/http-512/sink": Series((2.0,), "")}
    assert len(ratios.ratios(both).rows) == 1
    assert not ratios.ratios({"worker/kafka/http-512/sink": Series((3.0,), "")}).rows


@pytest.mark.parametrize(("share", "value"), [(0.5, 5.0), (0.99, 10.0), (0.1, 1.0), (1.0, 10.0)])
def test_percentiles_are_values_that_were_measured(share: float, value: float) -> None:
    assert percentile([float(n) for n in range(10, 0, -1)], share) == value


@pytest.mark.parametrize("marks", [report.MARKS, report.LLM_MARKS, report.API_MARKS])
def test_the_report_goes_between_the_marks_and_nowhere_else(tmp_path: Path, marks: tuple[str, str]) -> None:
    page = tmp_path / "README.md"
    begin, end = marks
    other, other_end = next(m for m in (report.MARKS, report.LLM_MARKS) if m != marks)
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n{other}\nkept\n{other_end}\n")
    report.write(page, {"cores": "2"}, [Table("key", "Title", ("a",), [("b",)])], marks)
    text = page.read_text()
    assert text.startswith(f"before\n{begin}\n")
    assert text.endswith(f"\n{end}\nafter\n{other}\nkept\n{other_end}\n")
    assert "- cores: 2" in text
    assert "### Title" in text
    assert "old" not in text


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("no marks")
    with pytest.raises(ValueError, match="has no"):
        report.write(page, {}, [])
    assert page.read_text() == "no marks"


def test_the_readme_has_the_marks_and_names_every_part() -> None:
    from benchmarks.__main__ import API_PARTS, LLM_PARTS, PARTS

    text = report.README.read_text()
    for mark in (*report.MARKS, *report.LLM_MARKS, *report.API_MARKS):
        assert text.count(mark) == 1
    for part in (*PARTS, *LLM_PARTS, *API_PARTS):
        assert f"| `{part}` |" in text
