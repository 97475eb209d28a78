"""What a ClickHouse error means for the data: one table (reliability section 1, "Error classes").

    passing          StoreUnavailable    nothing is wrong with the data; the outcome of an insert is unknown
    too big          StoreTooBig         the same, and a smaller block may pass
    row              RowRefused          this content is refused, whoever sends it
    deployment       StoreMisconfigured  nobody's data is at fault: an operator has to act

A code that is not in the table is taken for passing: data is not dropped for an error that nobody has looked at.
"""

from __future__ import annotations

import re
from enum import Enum

from litefuse.errors import RowRefused, StoreError, StoreMisconfigured, StoreTooBig, StoreUnavailable


class Class(Enum):
    PASSING = "passing"
    TOO_BIG = "too big"
    ROW = "row"
    DEPLOYMENT = "deployment"


_PASSING = {
    159: "TIMEOUT_EXCEEDED",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    209: "SOCKET_TIMEOUT",
    210: "NETWORK_ERROR",
    236: "ABORTED",
    242: "TABLE_IS_READ_ONLY",
    243: "NOT_ENOUGH_SPACE",
    319: "UNKNOWN_STATUS_OF_INSERT",
    394: "QUERY_WAS_CANCELLED",
    425: "SYSTEM_ERROR",
    473: "DEADLOCK_AVOIDED",
    999: "KEEPER_EXCEPTION",
}
_TOO_BIG = {241: "MEMORY_LIMIT_EXCEEDED"}
_ROW = {
    6: "CANNOT_PARSE_TEXT",
    26: "CANNOT_PARSE_QUOTED_STRING",
    27: "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
    33: "CANNOT_READ_ALL_DATA",
    38: "CANNOT_PARSE_DATE",
    41: "CANNOT_PARSE_DATETIME",
    53: "TYPE_MISMATCH",
    69: "ARGUMENT_OUT_OF_BOUND",
    72: "CANNOT_PARSE_NUMBER",
    117: "INCORRECT_DATA",
    321: "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
    349: "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN",
    395: "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO",
    407: "DECIMAL_OVERFLOW",
    469: "VIOLATED_CONSTRAINT",
}
_DEPLOYMENT = {
    16: "NO_SUCH_COLUMN_IN_TABLE",
    46: "UNKNOWN_FUNCTION",
    47: "UNKNOWN_IDENTIFIER",
    60: "UNKNOWN_TABLE",
    62: "SYNTAX_ERROR",
    73: "UNKNOWN_FORMAT",
    81: "UNKNOWN_DATABASE",
    115: "UNKNOWN_SETTING",
    164: "READONLY",
    192: "UNKNOWN_USER",
    193: "WRONG_PASSWORD",
    194: "REQUIRED_PASSWORD",
    291: "DATABASE_ACCESS_DENIED",
    452: "SETTING_CONSTRAINT_VIOLATION",
    497: "ACCESS_DENIED",
    516: "AUTHENTICATION_FAILED",
}
#: 252 TOO_MANY_PARTS is two errors: the table has too many parts (passing), or the block too many partitions (row).
TOO_MANY_PARTS = 252
_PARTITIONS = "partitions for single INSERT"

TABLE: dict[int, Class] = {
    **dict.fromkeys(_PASSING, Class.PASSING),
    **dict.fromkeys(_TOO_BIG, Class.TOO_BIG),
    **dict.fromkeys(_ROW, Class.ROW),
    **dict.fromkeys(_DEPLOYMENT, Class.DEPLOYMENT),
}
_ERRORS: dict[Class, type[StoreError]] = {
    Class.PASSING: StoreUnavailable,
    Class.TOO_BIG: StoreTooBig,
    Class.ROW: RowRefused,
    Class.DEPLOYMENT: StoreMisconfigured,
}
#: What a read answers that has reached its bounds: of time; of memory, rows or bytes. And when too many run at once.
TOO_SLOW = frozenset((159, 160))
TOO_MUCH = frozenset((158, 241, 307, 396))
BUSY = 202
#: HTTP statuses of something in front of ClickHouse, without a ClickHouse code. All others are passing.
_STATUSES = {401: Class.DEPLOYMENT, 403: Class.DEPLOYMENT, 404: Class.DEPLOYMENT, 407: Class.DEPLOYMENT}

_CODE = re.compile(r"\bCode: (\d+)\b")


def code_in(text: str) -> int:
    """The code that ClickHouse writes into its message, 0 when there is none."""
    match = _CODE.search(text)
    return int(match[1]) if match else 0


def classify(code: int, text: str, status: int = 0) -> Class:
    """What an error means; `code` 0 when it carries none, `status` that of the HTTP answer, 0 when there was none."""
    if code == TOO_MANY_PARTS:
        return Class.ROW if _PARTITIONS in text else Class.PASSING
    if code:
        return TABLE.get(code, Class.PASSING)
    return _STATUSES.get(status, Class.PASSING)


def error_for(code: int, text: str, status: int = 0) -> StoreError:
    """The error to raise, with ClickHouse's own text."""
    return _ERRORS[classify(code, text, status)](text, code)
