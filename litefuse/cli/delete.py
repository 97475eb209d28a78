"""Delete traces, a user's traces or a project, for good.

Shows what would go and asks; afterwards it shows, as SQL counts, that nothing is left. It can be repeated at any time. What
lies in the log and is not stored yet, and dead letters, are not reached: see docs/delete.md.
"""

from __future__ import annotations

import asyncio
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from typing import TYPE_CHECKING

from litefuse.errors import ConfigError, StoreUnavailable
from litefuse.settings import Settings
from litefuse.telemetry.logs import escape

if TYPE_CHECKING:
    from litefuse.clickhouse.client import Store
    from litefuse.deletion import Done

#: Times that a project is deleted once more, and seconds before each: for spans that were accepted before the keys were
#: refused and lay in the log.
_AGAIN = 4
_PAUSE_S = 3.0


def arguments(parser: ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    trace = commands.add_parser("trace", help="traces, by their ids", description="Delete traces.")
    trace.add_argument("ids", nargs="+", metavar="ID", help="trace id, 32 hex digits or other text")
    user = commands.add_parser(
        "user", help="all traces of a user", description="Delete every trace that names the user in any of its spans."
    )
    user.add_argument("ids", nargs=1, metavar="ID", help="user id, as spans say it")
    project = commands.add_parser(
        "project", help="a project with its keys", description="Delete a project: revoke its keys, delete all its data."
    )
    project.add_argument("ids", nargs=1, metavar="ID", help="id or name of the project")
    for command in (trace, user):
        command.add_argument("--project", required=True, metavar="P", help="id or name of the project")
    for command in (trace, user, project):
        command.add_argument("-y", "--yes", action="store_true", default=False, help="do not ask")
        command.add_argument("--dry-run", action="store_true", default=False, help="only show what would go")


def run(options: Namespace, settings: Settings) -> int:
    return asyncio.run(_run(options, settings))


async def _run(options: Namespace, settings: Settings) -> int:
    from litefuse.cli.places import opened_store
    from schemas.runner import migrate

    if options.action == "trace":
        options.ids = [_trace_id(text) for text in options.ids]
    async with opened_store(settings) as opened:
        if opened.own:
            await migrate(opened.store)
        project_id, name = await _project(opened.store, options)
        found = await _delete(opened.store, options, project_id, dry_run=True)
        _print(found)
        if options.dry_run or found.empty:
            return 0
        if not options.yes and not _agreed(options, name):
            print("nothing was deleted", file=sys.stderr)
            return 1
        try:
            if options.action == "project":
                # With the engine opened by this command there is no ingest that could accept anything.
                done = await _delete_project(opened.store, options, project_id, found, wait=not opened.own)
            else:
                done = await _delete(opened.store, options, project_id, dry_run=False)
        except StoreUnavailable as error:
            raise StoreUnavailable(
                f"{error}\nit may be deleted in part: the same command can be run again, and does the rest"
            ) from error
    _print(done)
    if not done.complete:
        print(
            "spans came in while it was deleted, and are kept: run the same command again to delete them too",
            file=sys.stderr,
        )
        return 1
    return 0


def _trace_id(text: str) -> str:
    """As it is stored: 32 hex digits in lower case, other text, which came by POST /ingestion, as it is. Raises ConfigError."""
    found = text.strip()
    if not 0 < len(found) <= 800:
        raise ConfigError(f"{text[:100]}: no trace id, which is 32 hex digits, or text of up to 800 characters")
    return found if len(found) != 32 or found.lower().strip("0123456789abcdef") else found.lower()


async def _delete_project(store: Store, options: Namespace, project_id: str, found: Done, *, wait: bool) -> Done:
    """Revoke, wait until ingest refuses the keys, delete; again while spans come in that the log still had."""
    from litefuse import deletion

    await deletion.revoke(store, project_id)
    if wait and (seconds := await deletion.refused_in(store, project_id)) > 0:
        print(
            f"its keys are revoked; ingest may accept them for ten seconds more: waiting {seconds:.0f} s, then deleting",
            file=sys.stderr,
        )
        await asyncio.sleep(seconds)
    done = _joined(found, await _delete(store, options, project_id, dry_run=False))
    for _ in range(_AGAIN):
        if done.complete:
            break
        print("spans came in that were on their way: deleting once more", file=sys.stderr)
        await asyncio.sleep(_PAUSE_S)
        done = _joined(done, await _delete(store, options, project_id, dry_run=False))
    return done


def _joined(first: Done, then: Done) -> Done:
    """Two deletions of the same as one: rows that the first has left are not counted twice."""
    counts = []
    for one, two in zip(first.counts, then.counts, strict=True):
        left = one.before if one.after is None else one.after
        counts.append(replace(two, before=one.before + max(0, two.before - left)))
    return replace(then, counts=counts)


async def _project(store: Store, options: Namespace) -> tuple[str, str]:
    """(id, name). A project that is deleted already can be deleted again: spans may have come in since."""
    from litefuse.keys import KeyStore

    wanted = options.ids[0] if options.action == "project" else options.project
    found = await KeyStore(store).find_project(wanted)
    if found is not None:
        return found
    rows = await store.rows(
        "SELECT project_id, name FROM projects FINAL WHERE project_id = {x:String} OR name = {x:String} "
        "ORDER BY project_id != {x:String}, created_at, project_id",
        {"x": wanted},
    )
    if not rows:
        raise ConfigError(f"no project {wanted}")
    if len(rows) > 1 and rows[0][0] != wanted:
        ids = ", ".join(str(row[0]) for row in rows)
        raise ConfigError(f"{len(rows)} deleted projects were called {wanted}: say the id of one, {ids}")
    return rows[0][0], rows[0][1]


async def _delete(store: Store, options: Namespace, project_id: str, *, dry_run: bool) -> Done:
    from litefuse import deletion

    if options.action == "project":
        return await deletion.project(store, project_id, dry_run=dry_run)
    if options.action == "user":
        return await deletion.user(store, project_id, options.ids[0], dry_run=dry_run)
    # Ids that were typed are shown in the proof, however many.
    return await deletion.traces(store, project_id, options.ids, dry_run=dry_run, shown=len(options.ids))


def _agreed(options: Namespace, project_name: str) -> bool:
    """Asks on a terminal; elsewhere nobody can answer, and --yes is needed."""
    if not sys.stdin.isatty():
        raise ConfigError("delete: nobody is there to ask; --yes deletes without asking, --dry-run only shows")
    what = {
        "trace": f"{len(options.ids)} trace{'s' if len(options.ids) != 1 else ''} of project {project_name}",
        "user": f"the traces of user {options.ids[0]} of project {project_name}",
        "project": f"project {project_name} and all its data",
    }[options.action]
    print(f"Delete {escape(what)} for good? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _print(done: Done) -> None:
    """A line a table: how many rows, and the statement that counts them."""
    if done.traces is not None:
        print(f"{done.traces} trace{'s' if done.traces != 1 else ''}")
    for count in done.counts:
        of = f" {count.of}" if count.of else ""
        after = "" if count.after is None else f", now {count.after}"
        sql = f"    {escape(count.sql)}" if count.sql else ""
        print(f"{count.table}{of}: {count.before} row{'' if count.before == 1 else 's'}{after}{sql}")
