"""`<data-dir>/project.env`: the first project's keys and where to send, for people, `litefuse send` and shells.

Made at the first start with mode 0600. The file is read back by shells too (`set -a; . project.env`), so a value is
quoted as a shell needs it.
"""

from __future__ import annotations

import base64
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from litefuse.errors import ConfigError
from litefuse.settings import Secret

NAME = "project.env"


@dataclass(frozen=True, slots=True)
class Project:
    """`endpoint` is the base URL, without a path; empty while it is not known, and then not written either."""

    endpoint: str
    public_key: str
    secret_key: Secret


def exporter_variables(endpoint: str, public_key: str, secret_key: Secret) -> dict[str, str]:
    """What an OpenTelemetry SDK needs to know to send to `endpoint`."""
    basic = base64.b64encode(f"{public_key}:{secret_key.reveal()}".encode()).decode()
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"{endpoint}/api/public/otel",
        "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization=Basic {basic}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    }


def read(data_dir: Path) -> Mapping[str, str]:
    """The file's variables; none when there is no file. Raises ConfigError when it cannot be read."""
    path = data_dir / NAME
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    found = {}
    for line in text.splitlines():
        name, mark, value = line.strip().partition("=")
        if mark and not name.startswith("#"):
            try:
                found[name] = "".join(shlex.split(value)[:1])
            except ValueError as error:
                raise ConfigError(f"{path}: {name}: {error}") from error
    return found


def write(data_dir: Path, project: Project) -> Path:
    """Write the file anew, in one step: a crash leaves the old one or the new one. Mode 0600 from its first byte."""
    values = {
        "LITEFUSE_PUBLIC_KEY": project.public_key,
        "LITEFUSE_SECRET_KEY": project.secret_key.reveal(),
    }
    if project.endpoint:
        values = {"LITEFUSE_ENDPOINT": project.endpoint, **values}
        values |= exporter_variables(project.endpoint, project.public_key, project.secret_key)
    path = data_dir / NAME
    new = data_dir / f".{NAME}.{os.getpid()}"
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.writelines(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    return path
