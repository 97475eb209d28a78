"""`docs/sql.md`, from the comments of the DDL: what stands there is what the tables really have.

The comments are read from the migrations' text, not from a running ClickHouse, so that the page can be made anywhere.
`tests/test_docs.py` compares them with `system.columns` of a migrated database.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files

_HEAD = """\
# SQL

<!-- Generated from schemas/migrations/*.sql by `make docs`; edit the comments there, and the text in schemas/docs.py. -->

    litefuse sql "SELECT count() FROM spans"
    litefuse sql --format JSONEachRow < query.sql

A statement is an argument, or comes through a pipe; without one, a terminal gets a prompt, where a statement ends with `;`,
Ctrl-C cancels, and Ctrl-D, `exit`, `quit` or `\\q` leaves. The table shows 1000 rows on a terminal and says on stderr how many
there are; into a file or a pipe it is complete, and so are the other formats of `--format` (all of ClickHouse's) anywhere.

`litefuse sql` runs as the login `reader`, which may only read and sees every span once. Any client of ClickHouse's HTTP
interface will do as well: the embedded engine listens on port 8123, database `litefuse`, user `reader`, password in
`<data-dir>/clickhouse.reader.password`.

    curl "http://127.0.0.1:8123/?database=litefuse" \\
        --user "reader:$(cat .litefuse/clickhouse.reader.password)" --data-binary "SELECT count() FROM spans"

With headers, both of them: `X-ClickHouse-User` and `X-ClickHouse-Key`. ClickHouse refuses a user in the URL beside a password
in a header.

A span that a client sent twice is stored twice until ClickHouse merges its parts. `final = 1`, the reader's default, shows
one of the copies, the newest in. The operator's login `litefuse` and logins of your own on a ClickHouse server have to say
`FROM spans FINAL`, or set `final = 1`.

Copies are recognised by project, trace id, span id and the five minutes that the start time lies in. A re-send has the same
start time; spans with one id and starts further apart are different spans, and both are shown.

Put a range of `start_time` into `WHERE`: it is what lets ClickHouse skip the rest. The queries below
look at the last hour, day or week (`INTERVAL`); spans with older start times, such as those of `tests/corpus`, are found with a
longer one.

`metadata` is a flat map from names to texts: `metadata['a.b']` for an object that was sent whole,
`JSONExtractString(metadata['a'], 'b')` for one that an SDK sent as JSON under the name `a`
([mapping](mapping.md#users-sessions-tags-metadata)).

`litefuse delete` deletes traces, a user's traces or a project ([how](delete.md)). Spans go by themselves when they are older
than `LITEFUSE_RETENTION_DAYS`, or than the days that their project has (`litefuse keys create --project NAME
--retention-days N`).

## Queries to begin with

More of them, about cost, tokens, speed, errors, tools, prompts and users: [queries](queries.md). Which attribute becomes which
column: [mapping](mapping.md).
"""

#: (title, query). `tests/test_docs.py` runs each of them.
EXAMPLES: tuple[tuple[str, str], ...] = (
    (
        "The newest spans",
        """\
SELECT start_time, service_name, name, duration_ns / 1e6 AS ms, status_code
FROM spans
WHERE start_time > now() - INTERVAL 1 HOUR
ORDER BY start_time DESC
LIMIT 20""",
    ),
    (
        "One trace",
        """\
SELECT span_id, parent_span_id, name, start_time, duration_ns / 1e6 AS ms
FROM spans
WHERE trace_id = '0123456789abcdef0123456789abcdef'
ORDER BY start_time""",
    ),
    (
        "Slowest operations, with errors",
        """\
SELECT name, count() AS spans, countIf(status_code = 'ERROR') AS errors,
       quantiles(0.5, 0.95)(duration_ns / 1e6) AS p50_p95_ms
FROM spans
WHERE start_time > now() - INTERVAL 1 DAY
GROUP BY name
ORDER BY spans DESC
LIMIT 20""",
    ),
    (
        "Calls, tokens and cost by model",
        """\
SELECT model, count() AS calls, sum(input_tokens) AS input, sum(output_tokens) AS output, sum(total_cost) AS usd
FROM spans
WHERE start_time > now() - INTERVAL 7 DAY AND model != ''
GROUP BY model
ORDER BY usd DESC""",
    ),
    (
        "All attributes of a span, whatever their type",
        """\
SELECT name, attributes, resource_attributes
FROM spans
WHERE start_time > now() - INTERVAL 1 HOUR
LIMIT 1
FORMAT Vertical""",
    ),
    (
        "Which attributes there are",
        """\
SELECT arrayJoin(mapKeys(attributes)) AS attribute, count() AS spans
FROM spans
WHERE start_time > now() - INTERVAL 1 DAY
GROUP BY attribute
ORDER BY spans DESC
LIMIT 50""",
    ),
    (
        "Exceptions that were recorded as events",
        """\
SELECT start_time, name, attributes['exception.type'] AS type, attributes['exception.message'] AS message
FROM (
    SELECT start_time, name, `events.name` AS event, `events.attributes` AS attributes
    FROM spans
    ARRAY JOIN `events.name`, `events.attributes`
    WHERE start_time > now() - INTERVAL 1 DAY
)
WHERE event = 'exception'
ORDER BY start_time DESC
LIMIT 20""",
    ),
)


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str
    comment: str


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    comment: str
    columns: tuple[Column, ...]


#: A materialised view has no list of columns here: it only feeds a table, which has them.
_CREATE = re.compile(r"CREATE (?:TABLE|VIEW) IF NOT EXISTS (\w+)\s*\n\((.*?)\n\)\n(.*?);\n", re.S)
_ALTER = re.compile(r"ALTER TABLE (\w+)\s+(ADD COLUMN IF NOT EXISTS .*?);\n", re.S)
_ADDED = re.compile(r"(?:^|,)\s*ADD COLUMN IF NOT EXISTS ")
_COMMENT = re.compile(r"\bCOMMENT '((?:[^'\\]|\\.|'')*)'")
_NAME = re.compile(r"(`[^`]+`|\w+)\s+")
_AFTER_TYPE = ("DEFAULT", "ALIAS", "MATERIALIZED", "COMMENT", "CODEC", "TTL", "EPHEMERAL")


def tables() -> list[Table]:
    """The tables and views in the order of the migrations, with columns that later ones add."""
    found: dict[str, Table] = {}
    for text in _migrations():
        for name, body, rest in _CREATE.findall(text + "\n"):
            columns = [_column(line.strip()) for line in body.split("\n")]
            comment = _COMMENT.findall(rest)
            made = tuple(column for column in columns if column is not None)
            found[name] = Table(name, _unquoted(comment[-1]) if comment else "", made)
        for name, definitions in _ALTER.findall(text + "\n"):
            added = [_column(" ".join(definition.split())) for definition in _ADDED.split(definitions)]
            table = found[name]
            found[name] = Table(name, table.comment, (*table.columns, *(c for c in added if c is not None)))
    return list(found.values())


def _migrations() -> list[str]:
    folder = files("schemas").joinpath("migrations")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [folder.joinpath(name).read_text("utf-8") for name in names]


def _column(line: str) -> Column | None:
    """None for what is no column: an index, a projection, an empty line."""
    match = _NAME.match(line)
    if match is None or match[1] in ("INDEX", "PROJECTION", "CONSTRAINT", "PRIMARY"):
        return None
    comment = _COMMENT.search(line)
    return Column(match[1].strip("`"), _type(line[match.end() :]), _unquoted(comment[1]) if comment else "")


def _type(rest: str) -> str:
    """The type at the start of a definition: up to a keyword outside of parentheses."""
    depth = 0
    words = []
    for word in rest.rstrip(",").split(" "):
        if depth == 0 and word in _AFTER_TYPE:
            break
        depth += word.count("(") - word.count(")")
        words.append(word)
    return " ".join(words)


def _unquoted(text: str) -> str:
    return text.replace("\\'", "'").replace("''", "'")


def markdown() -> str:
    lines = [_HEAD]
    for title, query in EXAMPLES:
        lines += [f"{title}:", "", "```sql", query, "```", ""]
    for table in tables():
        lines += [f"## {table.name}", "", f"{table.comment}.", "", "| column | type | what it is |", "|---|---|---|"]
        lines += [f"| `{c.name}` | `{c.type}` | {_cell(c.comment)} |" for c in table.columns]
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
