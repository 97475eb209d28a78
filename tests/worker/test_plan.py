"""Plans, their text in commits, tokens, and how they are cut smaller."""

from __future__ import annotations

import pytest

from litefuse.log.base import Committed, Partition
from worker.plan import Plan, Standing, UnreadablePlan, done, fresh, halves, read, rest

TRACES_3 = Partition("litefuse.traces", 3)


@pytest.mark.parametrize(
    "plan",
    [Plan(0, 1), Plan(7, 12), Plan(7, 8, (0, 5)), Plan(7, 8, (5, 9), look=12), Plan(7, 9, look=2**40)],
)
def test_a_plan_is_read_back_from_its_commit(plan: Plan) -> None:
    assert read(Committed(plan.first, plan.metadata())) == Standing(plan, plan.look)
    assert len(plan.metadata()) < 100


def test_the_texts_are_contracts() -> None:
    assert Plan(5, 9).metadata() == "v1 end=9"
    assert Plan(5, 6, (2, 4), 9).metadata() == "v1 end=6 rows=2-4 look=9"
    assert Plan(5, 9).token(TRACES_3, "0-20240101") == "litefuse.traces/3/5-8/0-20240101"
    assert Plan(5, 6, (2, 4), 9).token(TRACES_3, "0-20240101") == "litefuse.traces/3/5-5#2-4/0-20240101"


def test_nothing_committed_means_nothing_open() -> None:
    assert read(Committed(-1, "")) == Standing()
    assert read(Committed(8, "")) == Standing()


@pytest.mark.parametrize("text", ["v2 end=9", "v1 end=x", "garbage", "v1 end=9 rows=2"])
def test_metadata_of_a_newer_version_is_refused(text: str) -> None:
    with pytest.raises(UnreadablePlan):
        read(Committed(8, text))


def test_a_carried_out_plan_still_tells_where_to_look() -> None:
    """Cut out of a larger refused range, then a crash: the range after it may be stored under the larger one's token."""
    plan = Plan(10, 15, None, 20)
    assert read(Committed(15, done(plan))) == Standing(None, 20)
    assert fresh(15, 18, 20) == Plan(15, 18, None, 20)
    assert fresh(20, 30, 20) == Plan(20, 30)
    assert done(Plan(15, 20, None, 20)) == ""


def test_halves_cover_the_whole_and_look_up_to_its_end() -> None:
    assert halves(Plan(3, 9), [3, 4, 6, 8], 0) == [Plan(3, 6, None, 9), Plan(6, 9, None, 9)]
    assert halves(Plan(3, 4), [3], 5) == [Plan(3, 4, (0, 2), 4), Plan(3, 4, (2, 5), 4)]
    assert halves(Plan(3, 4, (2, 5), 9), [3], 5) == [Plan(3, 4, (2, 3), 9), Plan(3, 4, (3, 5), 9)]
    assert halves(Plan(3, 4, (2, 3)), [3], 5) == []
    assert halves(Plan(3, 4), [3], 1) == []


def test_after_inherited_rows_the_rest_of_the_record_is_due() -> None:
    assert rest(Plan(3, 4, (0, 2), 4), 5) == Plan(3, 4, (2, 5), 4)
    assert rest(Plan(3, 4, (2, 5), 4), 5) is None
    assert rest(Plan(3, 4), 5) is None
