"""What a ClickHouse error means for the data (reliability section 1, "Error classes"). One row a code."""

from __future__ import annotations

import pytest

from litefuse.clickhouse.codes import TABLE, Class, classify, code_in, error_for
from litefuse.errors import Outcome, RowRefused, StoreError, StoreMisconfigured, StoreTooBig, StoreUnavailable, outcome

PASSING = [159, 202, 209, 210, 236, 242, 243, 319, 394, 425, 473, 999]
ROW = [6, 26, 27, 33, 38, 41, 53, 69, 72, 117, 321, 349, 395, 407, 469]
DEPLOYMENT = [16, 46, 47, 60, 62, 73, 81, 115, 164, 192, 193, 194, 291, 452, 497, 516]

ROWS: list[tuple[int, str, int, type[StoreError], Outcome]] = [
    *((code, "", 500, StoreUnavailable, Outcome.RETRY) for code in PASSING),
    (241, "", 500, StoreTooBig, Outcome.SHRINK),
    *((code, "", 400, RowRefused, Outcome.REJECT) for code in ROW),
    *((code, "", 404, StoreMisconfigured, Outcome.STOP) for code in DEPLOYMENT),
    (
        252,
        "Too many parts (3000 with average size of 1.00 MiB). Merges are slower",
        500,
        StoreUnavailable,
        Outcome.RETRY,
    ),
    (252, "Too many partitions for single INSERT block (more than 100)", 500, RowRefused, Outcome.REJECT),
    # nobody has looked at it: not the data's fault
    (12345, "", 500, StoreUnavailable, Outcome.RETRY),
    (1001, "std::exception", 500, StoreUnavailable, Outcome.RETRY),
    # no ClickHouse code: something in front of it, or nothing at all
    (0, "", 0, StoreUnavailable, Outcome.RETRY),
    *((0, "", status, StoreUnavailable, Outcome.RETRY) for status in (408, 429, 500, 502, 503, 504)),
    *((0, "", status, StoreMisconfigured, Outcome.STOP) for status in (401, 403, 404, 407)),
    # a code counts more than the status it came with
    (241, "", 503, StoreTooBig, Outcome.SHRINK),
    (516, "", 403, StoreMisconfigured, Outcome.STOP),
]


@pytest.mark.parametrize(("code", "text", "status", "kind", "then"), ROWS)
def test_classes(code: int, text: str, status: int, kind: type[StoreError], then: Outcome) -> None:
    error = error_for(code, text, status)
    assert type(error) is kind
    assert error.code == code
    assert str(error) == text
    assert outcome(error) is then


def test_every_code_of_the_table_has_a_row_here() -> None:
    assert set(TABLE) == {code for code, *_ in ROWS if code not in (0, 252, 12345, 1001)}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Code: 47. DB::Exception: Unknown", 47),
        ("while reading: Code: 241. DB::Exception: Memory", 241),
        ("no code", 0),
        ("Code: x", 0),
    ],
)
def test_codes_in_texts(text: str, code: int) -> None:
    assert code_in(text) == code


def test_unknown_is_passing() -> None:
    assert classify(0, "") is Class.PASSING
