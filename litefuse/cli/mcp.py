"""Let an agent read traces: a server of the Model Context Protocol (MCP) on standard input and output.

It is started by the agent's program, which is told this command; docs/mcp.md has the texts for common ones. Traces are those
of the project whose key is in <data-dir>/project.env, or of --project. SQL runs as the reader, within its limits, and sees
all projects; --no-sql leaves it out. Nothing can be written. Litefuse has to run, or LITEFUSE_CLICKHOUSE_URL to be set; it may
be started and stopped meanwhile.
"""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser, Namespace

from litefuse.errors import ConfigError
from litefuse.settings import Settings


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--project",
        default=None,
        metavar="NAME",
        help="id or name of the project\ndefault: that of the key in project.env",
    )
    parser.add_argument("--no-sql", action="store_true", default=False, help="leave out the tools for SQL")


def run(options: Namespace, settings: Settings) -> int:
    try:
        import mcp  # noqa: F401 - to tell whether it is there
    except ImportError as error:
        raise ConfigError(f"`litefuse mcp` needs the package mcp ({error}): pip install 'litefuse[mcp]'") from error
    from litefuse.mcp.reading import Reading
    from litefuse.mcp.server import server
    from litefuse.telemetry import logs

    logs.setup("error" if settings.log_level == "info" else settings.log_level, settings.log_format)
    made = server(Reading(settings, options.project), with_sql=not options.no_sql)
    asyncio.run(made.run_stdio_async())
    return 0
