"""Settings of a request: which ones a client may send, and which ones the engine gets.

Every parameter of the URL that the HTTP interface does not know is a setting. The operator's all reach the engine, which
refuses what it does not know (115). The reader's are passed on when they are in the list below, the two limits up to what
is allowed; all others, unknown ones too, are left out without a word: tools send settings that they do not depend on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from litefuse.embedded.sqlerror import UNKNOWN_SETTING, SqlError


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Every session. `clickhouse-local`, which chDB is made of, takes `1+1` for a query; a server does not. The length of a
#: statement is bounded by the front. Formatting in parallel holds half a gigabyte for a client that reads slowly (64 MB
#: without).
BASE = {
    "implicit_select": "0",
    "session_timezone": "UTC",
    "max_query_size": "67108864",
    "output_format_parallel_formatting": "0",
}

#: Parameters of the HTTP interface that are no settings, or that mean nothing here.
_NOT_SETTINGS = words(
    "query user password quota_key query_id session_id session_timeout session_check close_session database default_format "
    "compress decompress buffer_size wait_end_of_query stacktrace role client_protocol_version param enable_http_compression "
    "http_zlib_compression_level send_progress_in_http_headers http_headers_progress_interval_ms add_http_cors_header "
    "cancel_http_readonly_queries_on_client_close http_write_exception_in_output_format http_wait_end_of_query "
    "http_response_buffer_size profile framed"
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")

#: What the reader may set, in the URL or in SETTINGS at the end of a query.
_READER_NAMES = words(
    "final max_threads max_result_rows max_result_bytes result_overflow_mode max_rows_to_read max_bytes_to_read "
    "read_overflow_mode limit offset extremes join_use_nulls session_timezone date_time_output_format "
    "date_time_input_format cast_string_to_dynamic_use_inference max_block_size prefer_column_name_to_alias "
    "group_by_use_nulls aggregate_functions_null_for_empty union_default_mode any_join_distinct_right_table_keys "
    "do_not_merge_across_partitions_select_final use_skip_indexes use_skip_indexes_if_final optimize_read_in_order "
    "format_csv_delimiter format_csv_null_representation format_tsv_null_representation "
    "output_format_decimal_trailing_zeros output_format_write_statistics timeout_overflow_mode"
)
_READER_PREFIXES = tuple(
    f"output_format_{name}_" for name in ("json", "pretty", "arrow", "parquet", "csv", "tsv", "native", "binary", "orc")
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a reader's query may use."""

    seconds: float = 60.0
    memory_bytes: int = 2 << 30


def sent(parameters: Mapping[str, str], *, reader: bool) -> dict[str, str]:
    """The settings among the parameters of a URL. Raises SqlError (115) for what can be no setting's name."""
    found = {
        name: value for name, value in parameters.items() if name not in _NOT_SETTINGS and not name.startswith("param_")
    }
    for name in [name for name in found if not _NAME.fullmatch(name)]:
        if not reader:
            raise SqlError(UNKNOWN_SETTING, f"Unknown setting '{name[:200]}'")
        del found[name]
    return found


def for_operator(settings: Mapping[str, str], tag: str, *, read_only: bool) -> dict[str, str]:
    """`read_only`: a GET, which may change nothing (a link could make a browser send one)."""
    chosen = {**settings, "log_comment": _tagged(settings, tag)}
    if read_only and chosen.get("readonly", "0") == "0":
        chosen["readonly"] = "2"
    return _readonly_last(chosen)


def for_reader(settings: Mapping[str, str], in_text: Mapping[str, str], limits: Limits, tag: str) -> dict[str, str]:
    """Read-only, `final` by default, within limits. What else the client sends is left out if it came in the URL; in the
    text of the query the engine refuses it, as it does everything that differs from what is set here."""
    chosen = {"final": "1", "max_execution_time": str(limits.seconds), "max_memory_usage": str(limits.memory_bytes)}
    for name, value in (*settings.items(), *in_text.items()):
        if name in _READER_NAMES or name.startswith(_READER_PREFIXES):
            chosen[name] = value
        elif name == "max_execution_time":
            chosen[name] = _at_most(value, limits.seconds)
        elif name == "max_memory_usage":
            chosen[name] = _at_most(value, limits.memory_bytes)
    chosen["log_comment"] = tag
    chosen["readonly"] = "1"
    return _readonly_last(chosen)


def _tagged(settings: Mapping[str, str], tag: str) -> str:
    """Queries are found by the end of this comment when they have to be stopped: chDB gives them ids of its own."""
    own = settings.get("log_comment", "")
    return f"{own} {tag}" if own else tag


def _at_most(value: str, limit: float) -> str:
    """The smaller of both; 0 means no limit to ClickHouse, and what is no number is not passed on."""
    try:
        number = float(value)
    except ValueError:
        return str(limit)
    return value if 0 < number <= limit else str(limit)


def _readonly_last(settings: dict[str, str]) -> dict[str, str]:
    """Once it is set, nothing else can be."""
    if "readonly" in settings:
        settings["readonly"] = settings.pop("readonly")
    return settings
