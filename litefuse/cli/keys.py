"""Create, list and revoke API keys.

A key belongs to a project, and the project of a span is that of the key it was sent with. Its scope says what it may do:
`all`, `ingest` (send spans and scores), or `read`. Of a secret only a salted hash is kept: `create` is the one moment at
which it can be read.
"""

from __future__ import annotations

import asyncio
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace

from litefuse.keys import Scope
from litefuse.settings import Settings
from litefuse.settings_load import BY_NAME as SETTINGS
from litefuse.telemetry.logs import escape


def arguments(parser: ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = commands.add_parser(
        "create",
        help="make a key, and its project if there is none",
        description="Make a key. The project is found by id or name, and made when there is none.",
    )
    create.add_argument("--project", required=True, metavar="NAME", help="id or name of the project")
    create.add_argument(
        "--retention-days",
        type=_days,
        default=None,
        metavar="DAYS",
        help="how long the project's spans are kept, from now on; 0 = as LITEFUSE_RETENTION_DAYS says",
    )
    create.add_argument(
        "--scope",
        choices=[scope.value for scope in Scope],
        default=Scope.ALL.value,
        metavar="SCOPE",
        help="what the key may do: all, ingest or read\ndefault all; deletes need all",
    )
    create.add_argument("--note", default="", metavar="TEXT", help="what the key is for, shown by `keys list`")
    commands.add_parser("list", help="all keys, revoked ones too", description="List all keys, oldest first.")
    revoke = commands.add_parser(
        "revoke", help="refuse a key from now on", description="Refuse a key; ingest notices within ten seconds."
    )
    revoke.add_argument("public_key", metavar="PK", help="pk-lf-…")


def _days(text: str) -> int:
    row = SETTINGS["retention_days"]
    if not text.isascii() or not text.isdigit() or not int(text[:9]) <= (row.high or 0):
        raise ArgumentTypeError(f"{text[:50]!r} must be a whole number of days between 0 and {row.high:.0f}")
    return int(text[:9])


def run(options: Namespace, settings: Settings) -> int:
    return asyncio.run(_run(options, settings))


async def _run(options: Namespace, settings: Settings) -> int:
    from litefuse.cli.places import opened_store
    from litefuse.keys import KeyStore
    from schemas.runner import migrate

    async with opened_store(settings, make=options.action == "create") as opened:
        if opened.own:
            await migrate(opened.store)
        keys = KeyStore(opened.store)
        if options.action == "create":
            made = await keys.create(
                options.project,
                note=options.note,
                scope=Scope(options.scope),
                retention_days=options.retention_days,
            )
            print(f"LITEFUSE_PUBLIC_KEY={made.pair.public_key}")
            print(f"LITEFUSE_SECRET_KEY={made.pair.secret_key.reveal()}")
            # A mistyped name makes a project: the word `new` is how that is noticed.
            new = "new " if made.project_made else ""
            print(f"{new}project {escape(made.project_name)} ({escape(made.project_id)})", file=sys.stderr)
        elif options.action == "revoke":
            await keys.revoke(options.public_key)
            print(f"{escape(options.public_key)} is revoked", file=sys.stderr)
        else:
            await _list(keys)
    return 0


async def _list(keys: object) -> None:
    from litefuse.keys import KeyStore

    assert isinstance(keys, KeyStore)
    rows = [("public key", "project", "project id", "scope", "made", "state", "note")]
    for key in await keys.list():
        made = key.created_at.strftime("%Y-%m-%d %H:%M") if hasattr(key.created_at, "strftime") else str(key.created_at)
        state = "revoked" if key.revoked else "valid"
        texts = (key.public_key, key.project_name, key.project_id, key.scope, made, state, key.note)
        rows.append(tuple(map(escape, texts)))  # type: ignore[arg-type]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
