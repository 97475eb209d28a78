"""What the `reader` login may run: SELECT, SHOW, DESCRIBE, EXPLAIN and EXISTS, on tables of the engine alone.

Three locks, each of which holds without the others where it can (reliability section 1, tried on 26.9):

1. The engine's own grants (`litefuse.embedded.config`): no login has READ ON FILE, URL, S3 and so on. This refuses files
   and addresses as table functions, table engines and names of tables.
2. The session is `readonly=1`: nothing is written or created, and no setting changes. The engine refuses SETTINGS of a query
   that differ, and passes over those of a subquery.
3. This module, for what those two let through: the scalar function `file`, functions that call a service, table functions
   that reach into the process (`python`), KILL and SET. It looks at the syntax tree that the engine's parser made, and
   for names of functions also at the canonical text, since a name can be used without a call: `arrayMap(file, …)`,
   `* APPLY(file)`.

Pure functions on what the engine printed. A new line in somebody's identifier can add lines to the printed tree, so
what is added can only refuse more.
"""

from __future__ import annotations

import re

from litefuse.clickhouse.sql import tokens
from litefuse.embedded.limits import words
from litefuse.embedded.sqlerror import ACCESS_DENIED, SqlError

#: First word of the printed tree → allowed.
_ROOTS = re.compile(
    rb"(?:SelectWithUnionQuery|SelectQuery|SelectIntersectExceptQuery|DescribeQuery|Exists(?:Table|View|Dictionary|Database)Query"
    rb"|ShowTables|ShowColumns|ShowIndexes|ShowFunctions|ShowEngineQuery|ShowSetting|ShowProcesslistQuery|ShowGrantsQuery"
    rb"|ShowCreate(?:Table|View|Dictionary|Database)Query|Explain)\b"
)
_EXPLAINED = re.compile(
    rb"Explain[^\n]*\n(?: Set\n)? (?:SelectWithUnionQuery|SelectQuery|SelectIntersectExceptQuery)\b"
)

#: Scalar functions that read files or speak to services. Not allowed as a name either: see above.
_FUNCTIONS = words(
    "file showcertificate catboostevaluate getclienthttpheader "
    "airedact aisimilarity aifilter aiclassify aiembed aiextract aigenerate aitranslate"
)
#: Table functions that read nothing but tables, or nothing at all. All others are refused.
_TABLE_FUNCTIONS = words(
    "numbers numbers_mt zeros zeros_mt primes generate_series generateseries values sqlstandardvalues null view merge "
    "generaterandom dictionary mergetreeindex mergetreeprojection"
)
_TABLE_FUNCTION = re.compile(rb"^ *TableExpression[^\n]*\n *Function ([^\n(]*)", re.MULTILINE)
_NAMED = re.compile(rb"^ *(?:Function|Identifier|TableIdentifier) ([^\n(]*)", re.MULTILINE)


def check(canonical: bytes, tree: bytes) -> None:
    """Raises SqlError (497) for what the reader may not run. `tree` is what EXPLAIN AST prints for `canonical`, with the
    query's parameters filled in."""
    if not _ROOTS.match(tree):
        raise SqlError(
            ACCESS_DENIED, "reader: only SELECT, SHOW, DESCRIBE, EXPLAIN and EXISTS are allowed with this login"
        )
    if tree.startswith(b"Explain") and not _EXPLAINED.match(tree):
        raise SqlError(ACCESS_DENIED, "reader: only a SELECT can be explained with this login")
    for match in _TABLE_FUNCTION.finditer(tree):
        name = _plain(match[1])
        if name not in _TABLE_FUNCTIONS:
            raise SqlError(ACCESS_DENIED, f"reader: the table function `{name}` is not allowed with this login")
    names = {_plain(match[1]) for match in _NAMED.finditer(tree)}
    names.update(t.name.lower() for t in tokens(canonical) if t.kind in ("word", "quoted"))
    for name in sorted(names & _FUNCTIONS):
        raise SqlError(
            ACCESS_DENIED, f"reader: `{name}` is not allowed with this login, as a name neither: choose another alias"
        )


def _plain(printed: bytes) -> str:
    return printed.strip().decode("utf-8", "replace").lower()
