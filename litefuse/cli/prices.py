"""What models cost: look a price up, set prices of a project, work out the cost of stored spans anew.

Prices are those of the package genai-prices, offline; a project's own prices win from their start on. Changed prices hold
for spans that come ten seconds later; `reprice` brings stored ones up to date. docs/prices.md says more.
"""

from __future__ import annotations

import asyncio
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from litefuse.errors import ConfigError, StoreUnavailable
from litefuse.settings import Settings
from litefuse.telemetry.logs import escape

if TYPE_CHECKING:
    from litefuse.clickhouse.client import Store
    from litefuse.prices.book import Book
    from litefuse.prices.overrides import Override

#: Option → rate.
_RATES = {
    "input": "input",
    "output": "output",
    "cached": "cache_read",
    "cache-write": "cache_write",
    "cache-write-1h": "cache_write_1h",
    "reasoning": "output_reasoning",
    "input-audio": "input_audio",
    "output-audio": "output_audio",
    "requests": "requests",
}
_PATTERN = "* in it stands for any text; a name without * is for its dated names too (gpt-4o: gpt-4o-2024-08-06)"


def arguments(parser: ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    match = commands.add_parser("match", help="what a model costs, and why", description="Show which price is used.")
    match.add_argument("model", metavar="MODEL", help="as spans have it")
    match.add_argument("--provider", default="", metavar="NAME", help="as spans have it")
    match.add_argument("--project", default=None, metavar="NAME", help="with the prices of this project")
    match.add_argument("--at", type=_moment, default=None, metavar="DATE", help="default: now")
    match.add_argument("--usage", type=_usage, default=None, metavar="KIND=COUNT,…", help="and what such a call costs")

    listed = commands.add_parser("list", help="prices of projects", description="List the prices of projects.")
    listed.add_argument("--project", default=None, metavar="NAME", help="only of this one")

    put = commands.add_parser(
        "set",
        help="set a model's price for a project",
        description="Set what a model costs a project: USD per million tokens.",
    )
    put.add_argument("model", metavar="MODEL", help=_PATTERN)
    put.add_argument("--project", required=True, metavar="NAME", help="id or name")
    for option, rate in _RATES.items():
        unit = "USD per 1000 calls" if rate == "requests" else "USD per million tokens"
        put.add_argument(f"--{option}", dest=f"rate_{rate}", default=None, metavar="USD", help=unit)
    put.add_argument("--start", default=None, metavar="DATE", help="holds from then on (UTC); default: always")
    put.add_argument("--provider", default="", metavar="NAME", help="only for this provider, as spans say it")
    put.add_argument(
        "--tier",
        action="append",
        default=[],
        type=_tier,
        metavar="ABOVE:RATE=USD,…",
        help="prices of calls with more input tokens, such as 200000:input=2.5,output=15; may be repeated",
    )

    load = commands.add_parser("load", help="set prices from a file", description="Set all prices of a JSON file.")
    load.add_argument("file", metavar="FILE", help="docs/prices.md has its form; - for stdin")
    load.add_argument("--project", required=True, metavar="NAME", help="id or name")

    remove = commands.add_parser("remove", help="take prices of a project back", description="Remove prices.")
    remove.add_argument("model", metavar="MODEL", help="as `prices list` shows it")
    remove.add_argument("--project", required=True, metavar="NAME", help="id or name")
    remove.add_argument("--provider", default=None, metavar="NAME", help="only the one for this provider")
    remove.add_argument("--start", type=_moment, default=None, metavar="DATE", help="only the one with this start")

    again = commands.add_parser(
        "reprice",
        help="work out the cost of stored spans anew",
        description="Work out the cost of stored spans anew. Costs that spans state themselves stay as they are.",
    )
    again.add_argument("--project", default=None, metavar="NAME", help="only of this project")
    again.add_argument("--model", default=None, metavar="MODEL", help=f"only with this model; {_PATTERN}")
    again.add_argument("--from", dest="start", type=_moment, default=None, metavar="DATE", help="started then or later")
    again.add_argument("--to", dest="end", type=_moment, default=None, metavar="DATE", help="started before")
    again.add_argument("--dry-run", action="store_true", default=False, help="only count the rows that would change")


def run(options: Namespace, settings: Settings) -> int:
    return asyncio.run(_run(options, settings))


async def _run(options: Namespace, settings: Settings) -> int:
    if options.action == "match" and options.project is None:
        from litefuse.prices.book import Book
        from litefuse.prices.catalogue import catalogue

        return _match(options, Book(catalogue()), "")
    from litefuse.cli.places import opened_store
    from litefuse.keys import KeyStore
    from schemas.runner import migrate

    async with opened_store(settings) as opened:
        if opened.own:
            await migrate(opened.store)
        project_id = None
        if options.project is not None:
            found = await KeyStore(opened.store).find_project(options.project)
            if found is None:
                raise ConfigError(f"no project {escape(options.project)}: `litefuse keys list` shows them")
            project_id = found[0]
        return await _with_store(options, opened.store, project_id)


async def _with_store(options: Namespace, store: Store, project_id: str | None) -> int:
    from litefuse.prices import table
    from litefuse.prices.book import Book

    if options.action == "reprice":
        return await _reprice(options, store, project_id)
    if options.action in ("set", "load"):
        assert project_id is not None
        new = _given(options, project_id) if options.action == "set" else _loaded(options.file, project_id)
        await table.write(store, new)
        return _done(new, "set")
    overrides = [o for o in await table.read(store) if project_id is None or o.project_id == project_id]
    if options.action == "match":
        from litefuse.prices.catalogue import catalogue

        return _match(options, Book(catalogue(), overrides), project_id or "")
    if options.action == "list":
        return _list(overrides)
    gone = [
        o
        for o in overrides
        if o.match == options.model
        and (options.provider is None or o.provider == options.provider)
        and (options.start is None or o.start_ns == options.start)
    ]
    if not gone:
        raise ConfigError(f"no such price of {escape(options.model)}: `litefuse prices list` shows them")
    await table.write(store, gone, deleted=True)
    return _done(gone, "removed")


def _match(options: Namespace, book: Book, project_id: str) -> int:
    from litefuse.prices import show
    from litefuse.prices.catalogue import catalogue, data_date, data_version
    from litefuse.prices.price import priced

    at = time.time_ns() if options.at is None else options.at
    timeline = book.timeline(project_id, options.provider, options.model)
    price = timeline.at(at)
    data = f"genai-prices {data_version()}, data of {data_date()}"
    if price is None:
        print(f"{escape(options.model)}: no price, so calls of it have no cost")
        print(f"looked in: {data}{', and the prices of the project' if project_id else ''}")
        return 1
    who = catalogue().provider(options.provider)
    period = price.period(at)
    print(f"price:  {escape(period.tiers[0].name)}")
    print(f"source: {'the project' if price.source == 'project' else data}")
    if price.source == "prices" and options.provider:
        said = f"is {who}" if who else "is not one that the catalogue knows: found by the model's name"
        print(f"why:    provider {escape(options.provider)} {said}")
    elif price.source == "prices":
        print("why:    no provider is given: found by the model's name")
    else:
        print(f"why:    {escape(show.why(book.overrides, project_id, options.provider, options.model, price))}")
    if price.source == "prices":
        for name in show.passed_over(book.overrides, project_id, options.provider, options.model, at):
            print(f"        not the project's price {escape(name)}: the catalogue has another one for the dated name")
    print(f"holds:  {show.when(period) if price.source == 'prices' else 'from its start on'}")
    print("\n" + escape_lines(show.period(period)))
    if others := show.other_times(timeline, price):
        print("\nat other times\n" + escape_lines(f"  {line}" for line in others))
    if options.usage is not None:
        print("\n" + escape_lines(show.cost(priced(price, options.usage, at), options.usage)))
    return 0


def escape_lines(lines: object) -> str:
    assert hasattr(lines, "__iter__")
    return "\n".join(escape(line) for line in lines)


def _list(overrides: list[Override]) -> int:
    from litefuse.prices import show
    from litefuse.prices.dates import day

    if not overrides:
        print("no prices of projects", file=sys.stderr)
        return 0
    rows = [("project id", "model", "provider", "start", "USD per million tokens")]
    for o in overrides:
        start = day(o.start_ns) if o.start_ns else "always"
        rows.append((o.project_id, o.match, o.provider or "-", start, show.override(o)))
    print(escape_lines(show.table(rows)))
    return 0


def _done(overrides: list[Override], what: str) -> int:
    for o in overrides:
        print(escape(o.name))
    plural = "" if len(overrides) == 1 else "s"
    print(
        f"{len(overrides)} price{plural} {what}: within ten seconds from now workers go by it. Spans stored before keep their "
        "cost until `litefuse prices reprice`",
        file=sys.stderr,
    )
    return 0


def _given(options: Namespace, project_id: str) -> list[Override]:
    from litefuse.prices.given import override

    rates = {rate: value for rate in _RATES.values() if (value := getattr(options, f"rate_{rate}")) is not None}
    if not rates:
        flags = ", ".join(f"--{option}" for option in _RATES if option not in ("input", "output"))
        raise ConfigError(
            f"prices set {escape(options.model)}: no price; --input USD and --output USD say what a million tokens cost, "
            f"there are also {flags}"
        )
    return [
        override(
            project_id,
            options.model,
            rates,
            provider=options.provider,
            start=options.start,
            tiers=options.tier,
            where=options.model,
        )
    ]


def _loaded(file: str, project_id: str) -> list[Override]:
    from litefuse.prices.given import from_file

    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
    except OSError as error:  # its own text has the path once more
        raise ConfigError(f"{file}: {error.strerror or type(error).__name__}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not UTF-8: {error}") from error
    return from_file(text, project_id)


async def _reprice(options: Namespace, store: Store, project_id: str | None) -> int:
    from litefuse.prices import Book, table
    from litefuse.prices.catalogue import catalogue
    from litefuse.prices.reprice import Which, models, reprice

    book = Book(catalogue(), await table.read(store))
    which = Which(project_id, options.model, options.start, options.end)
    keys = await models(store, which)
    if not keys:
        of = "" if options.model is None else f" of model {options.model}"
        print(escape(f"no span{of}: spans count that have usage and do not state their cost"), file=sys.stderr)
    rows = 0
    try:
        async for step in reprice(store, book, which, dry_run=options.dry_run, keys=keys):
            rows += step.rows
            names = sorted({model for _, _, model in step.keys})
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            print(f"{step.rows:>10}  partition {step.partition}  {escape(', '.join(names[:3]))}{more}")
    except StoreUnavailable as error:
        raise StoreUnavailable(
            f"{error}\nwhat was repriced until then stays; the same command once more does the rest"
        ) from error
    done = "would change" if options.dry_run else "changed"
    print(f"{rows} row{'' if rows == 1 else 's'} {done}", file=sys.stderr)
    return 0


def _moment(text: str) -> int:
    from litefuse.prices.dates import parse

    try:
        return parse(text)
    except (ValueError, OverflowError) as error:
        raise ArgumentTypeError(f"{text} is not a day such as 2026-03-01") from error


def _usage(text: str) -> dict[str, int]:
    found = {}
    for part in text.split(","):
        kind, mark, count = part.partition("=")
        if not mark or not count.strip().isdecimal() or not kind.strip():
            raise ArgumentTypeError(f"{part} is not like input=1000")
        found[kind.strip()] = int(count)
    return found


def _tier(text: str) -> tuple[int, dict[str, str]]:
    above, mark, rates = text.partition(":")
    if not mark or not above.strip().isdecimal():
        raise ArgumentTypeError(f"{text} is not like 200000:input=2.5,output=15")
    pairs = [part.partition("=") for part in rates.split(",")]
    if not all(mark for _, mark, _ in pairs):
        raise ArgumentTypeError(f"{text} is not like 200000:input=2.5,output=15")
    names = {**_RATES, **{rate: rate for rate in _RATES.values()}}
    return int(above), {names.get(name.strip(), name.strip()): value.strip() for name, _, value in pairs}
