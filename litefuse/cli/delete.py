"""Delete traces, a user's traces or a project, for good.

Shows what would go and asks; afterwards it shows, as SQL counts, that nothing is left. What lies in the log and is not
stored yet, and dead letters, are not reached: see docs/delete.md.
"""

from __future__ import annotations

import asyncio
import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from litefuse.errors import ConfigError
from litefuse.settings import Settings
from litefuse.telemetry.logs import escape

if TYPE_CHECKING:
    from litefuse.clickhouse.client import Store
    from litefuse.deletion import Done


def arguments(parser: ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    trace = commands.add_parser("trace", help="traces, by their ids", description="Delete traces.")
    trace.add_argument("ids", nargs="+", metavar="ID", help="trace id, 32 hex digits")
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
        done = await _delete(opened.store, options, project_id, dry_run=False)
    _print(done)
    if not done.complete:
        print("spans came in while it was deleted: once more, please", file=sys.stderr)
        return 1
    return 0


async def _project(store: Store, options: Namespace) -> tuple[str, str]:
    """(id, name). A project that is deleted already can be deleted again, by its id: spans may have come in since."""
    from litefuse.keys import KeyStore

    wanted = options.ids[0] if options.action == "project" else options.project
    found = await KeyStore(store).find_project(wanted)
    if found is None:
        rows = await store.rows(
            "SELECT project_id, name FROM projects FINAL WHERE project_id = {x:String}", {"x": wanted}
        )
        if not rows:
            raise ConfigError(f"no project {wanted}")
        found = (rows[0][0], rows[0][1])
    return found


async def _delete(store: Store, options: Namespace, project_id: str, *, dry_run: bool) -> Done:
    from litefuse import deletion

    if options.action == "project":
        return await deletion.project(store, project_id, dry_run=dry_run)
    if options.action == "user":
        return await deletion.user(store, project_id, options.ids[0], dry_run=dry_run)
    return await deletion.traces(store, project_id, options.ids, dry_run=dry_run)


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
    """A line a table: the statement that counts, and its answers."""
    if done.traces is not None:
        print(f"{done.traces} trace{'s' if done.traces != 1 else ''}")
    for count in done.counts:
        after = "" if count.after is None else f", now {count.after}"
        print(f"{count.table}: {count.before} rows{after}    {escape(count.sql)}")
