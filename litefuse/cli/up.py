"""Run everything in one process: ingest, worker, web, log and ClickHouse, on this machine's disk.

Prints where it listens and what to tell an OpenTelemetry exporter, then `ready http://host:port` when it is. The first
start makes a project and writes its keys to <data-dir>/project.env. Ctrl-C or SIGTERM finishes what was begun and ends
it; a second one does not wait. LITEFUSE_LOG_URL and LITEFUSE_CLICKHOUSE_URL put Kafka or a ClickHouse server in place
of the embedded ones.
"""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from typing import TYPE_CHECKING

from litefuse import __version__
from litefuse.cli import project_file
from litefuse.cli.calling import command
from litefuse.errors import ConfigError
from litefuse.settings import Secret, Settings
from litefuse.telemetry.logs import escape

if TYPE_CHECKING:
    from litefuse.cli.process import Process
    from litefuse.clickhouse.client import Store
    from litefuse.keys import KeyStore, Pair

ROLES = frozenset(("ingest", "worker", "web"))


def arguments(parser: ArgumentParser) -> None:
    """Settings only."""


def run(options: Namespace, settings: Settings) -> int:
    from litefuse.cli import process
    from litefuse.cli.ports import need_ports
    from litefuse.embedded.embedded import need_installed

    first = First(settings)
    # All of it before anything is made: a start that fails leaves the next one the first, with its secret and text.
    if not settings.clickhouse_url:
        need_installed()
    need_ports("up", settings)
    make_data_dir(settings)
    if settings.clickhouse_url:
        return process.run(process.Process(settings, ROLES, first.prepare, announce=first.announce))
    from litefuse.embedded import open_embedded

    return process.run(process.Process(settings, ROLES, first.prepare, open_embedded, first.announce))


def make_data_dir(settings: Settings) -> None:
    """It holds keys and spans: for its owner alone when it is made here. Raises ConfigError."""
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"LITEFUSE_DATA_DIR: cannot make {settings.data_dir}: {error.strerror or error}") from error
    if not os.access(settings.data_dir, os.W_OK | os.X_OK):
        raise ConfigError(f"LITEFUSE_DATA_DIR: cannot write to {settings.data_dir}")


@dataclass
class First:
    """Schema and first project, and what is said about them."""

    settings: Settings
    made: bool = False
    #: Why the key of the first project is of no use any more; empty while it is valid.
    gone: str = ""

    async def prepare(self, store: Store) -> None:
        from litefuse.keys import KeyStore
        from schemas.runner import migrate

        await migrate(store)
        pair, written = self._pair()
        new = await KeyStore(store).ensure_init_project(self.settings, pair)
        self.made = new is not None
        if written and new is None:
            # There is a project already, of which this directory has no keys: those just written are of no use.
            (self.settings.data_dir / project_file.NAME).unlink(missing_ok=True)
        self.gone = await _gone(KeyStore(store), pair.public_key)

    def _pair(self) -> tuple[Pair, bool]:
        """The keys of the first project, in project.env before they are in ClickHouse: a crash in between must not leave
        a key whose secret nobody has. The flag tells that the file was written now."""
        from litefuse.keys import Pair, generate_pair

        settings = self.settings
        known = project_file.read(settings.data_dir)
        public, secret = known.get("LITEFUSE_PUBLIC_KEY", ""), known.get("LITEFUSE_SECRET_KEY", "")
        if settings.init_project_public_key:
            pair = Pair(settings.init_project_public_key, settings.init_project_secret_key)
            if (public, secret) != (pair.public_key, pair.secret_key.reveal()):
                self._write(pair, self._endpoint())
            return pair, False
        if public and secret:
            return Pair(public, Secret(secret)), False
        pair = generate_pair()
        self._write(pair, self._endpoint())
        return pair, True

    def _endpoint(self) -> str:
        """Where it will listen, as far as that is known before it does."""
        from litefuse.embedded.embedded import base_url

        return base_url(self.settings.host, self.settings.port) if self.settings.port else ""

    def _write(self, pair: Pair, endpoint: str) -> None:
        try:
            project_file.write(self.settings.data_dir, project_file.Project(endpoint, pair.public_key, pair.secret_key))
        except OSError as error:
            raise ConfigError(
                f"LITEFUSE_DATA_DIR: cannot write {self.settings.data_dir}/project.env: {error}"
            ) from error

    def announce(self, process: Process) -> None:
        """Called when the ports are known: the file gets the endpoint, people get the text."""
        from litefuse.keys import Pair

        data_dir = self.settings.data_dir
        known = project_file.read(data_dir)
        project = None
        if known.get("LITEFUSE_PUBLIC_KEY") and known.get("LITEFUSE_SECRET_KEY"):
            pair = Pair(known["LITEFUSE_PUBLIC_KEY"], Secret(known["LITEFUSE_SECRET_KEY"]))
            if known.get("LITEFUSE_ENDPOINT") != process.url:
                self._write(pair, process.url)
            project = project_file.Project(process.url, pair.public_key, pair.secret_key)
        print(text(self.settings, process, project, self.made, self.gone), flush=True)


async def _gone(keys: KeyStore, public_key: str) -> str:
    """Why the key is refused, in a sentence; empty for one that is valid, or that nobody knows."""
    key = next((key for key in await keys.list() if key.public_key == public_key), None)
    if key is None or not key.revoked:
        return ""
    if await keys.find_project(key.project_id) is None:
        return f"project {key.project_name} was deleted, and its key {public_key} is refused"
    return f"{public_key} of project {key.project_name} was revoked"


def text(settings: Settings, process: Process, project: project_file.Project | None, made: bool, gone: str = "") -> str:
    """What a start prints. The secret is in it only when its key was made by this start; a key that is `gone` is not
    recommended."""
    from litefuse.embedded.embedded import base_url

    path = settings.data_dir / project_file.NAME
    lines = [f"Litefuse {__version__}", "", f"  UI          {process.url}"]
    lines.append(f"  OTLP        {process.url}/api/public/otel/v1/traces")
    if process.otlp_port:
        lines.append(f"              {base_url(settings.host, process.otlp_port)}/v1/traces")
    where = "" if str(settings.data_dir) == ".litefuse" else f"--data-dir {settings.data_dir} "
    lines.append(f'  SQL         {command()} sql {where}"SELECT count() FROM spans"')
    if process.sql_port:
        sql = base_url(settings.host, process.sql_port)
        lines.append(f"              {sql}, user reader, password in {settings.data_dir}/clickhouse.reader.password")
    lines.append(f"  data        {settings.data_dir}")
    if project is None or gone:
        words = [*([escape(gone)] if gone else []), f"`{command()} keys create --project NAME` makes a key"]
        lines += [f"  {label:<12}{word}" for label, word in zip(("keys", ""), words, strict=False)]
        return "\n".join([*lines, ""])
    lines.append(f"  public key  {project.public_key}")
    if made:
        lines.append(f"  secret key  {project.secret_key.reveal()}")
        lines.append(f"              shown this once; both are in {path}")
    else:
        lines.append(f"  secret key  in {path}")
    lines += ["", "Tell any OpenTelemetry exporter:", ""]
    if made:
        variables = project_file.exporter_variables(project.endpoint, project.public_key, project.secret_key)
        lines += [f'export {name}="{value}"' for name, value in variables.items()]
    else:
        lines.append(f"set -a; . {path}; set +a")
    return "\n".join([*lines, ""])
