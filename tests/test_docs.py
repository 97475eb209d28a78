"""The documentation says what the code does: generated pages are fresh, nothing is missing, links and queries work."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from litefuse.cli.commands import TABLE as COMMANDS
from litefuse.cli.docs import PAGES
from litefuse.reasons import Reason
from litefuse.settings_load import ROWS
from litefuse.telemetry.metrics import TABLE as METRICS
from schemas.docs import EXAMPLES, tables
from tests.processes import Litefuse, litefuse, project_env
from tests.sql import Sql
from tests.waiting import eventually
from web.api.route import ANYTHING, PREFIX

REPO = Path(__file__).resolve().parents[1]
DOCS = REPO / "docs"
ALL = [REPO / "README.md", *sorted(DOCS.glob("*.md")), *sorted((REPO / "CHANGES").glob("*.md"))]


def text_of(*names: str) -> str:
    return "\n".join((DOCS / name).read_text() for name in names)


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_are_fresh(name: str) -> None:
    assert (DOCS / name).read_text() == PAGES[name](), f"docs/{name} is stale: make docs"


def test_every_setting_is_documented() -> None:
    page = text_of("settings.md")
    for row in ROWS:
        assert f"`{row.env}`" in page
        assert f"`{row.flag}`" in page


def test_every_metric_and_label_value_is_documented() -> None:
    page = text_of("metrics.md")
    for metric in METRICS:
        assert f"`{metric.name}`" in page
        for label in metric.labels.values():
            assert all(value in page for value in label.values)


def test_every_column_is_documented_with_a_comment() -> None:
    page = text_of("sql.md")
    assert {table.name for table in tables()} >= {"spans", "projects", "api_keys"}
    for table in tables():
        assert f"## {table.name}" in page
        assert table.comment
        for column in table.columns:
            assert f"| `{column.name}` | `{column.type}` |" in page
            assert column.comment, f"{table.name}.{column.name} has no comment"


async def test_every_route_is_documented() -> None:
    from ingest.app import OTLP_PREFIX, PUBLIC_PREFIX, Ingest
    from litefuse.http.routes import common
    from litefuse.settings import Settings
    from web.app import Web

    ingest = Ingest(Settings(), None, None)  # type: ignore[arg-type]
    web = Web(Settings(), None, None)  # type: ignore[arg-type]
    routes = [*common([]), *ingest.routes(PUBLIC_PREFIX), *ingest.routes(OTLP_PREFIX), *web.routes()]
    page, api = text_of("send-data.md", "operate.md"), text_of("api.md")
    for route in routes:
        path = re.sub(r"^/static/.*", "/static/…", route.path.replace(f":{ANYTHING}", ""))
        assert f"{path}`" in page or f"{path.removeprefix(PREFIX)}`" in api, route.path
    await ingest._traces.close()


def test_every_reason_is_documented() -> None:
    page = text_of("send-data.md")
    for reason in Reason:
        assert f"`{reason.value}`" in page


def test_every_command_is_in_the_readme() -> None:
    readme = (REPO / "README.md").read_text()
    for command in COMMANDS:
        assert f"`litefuse {command.name}" in readme or f"`{command.name}`" in readme


def test_only_settings_that_exist_are_mentioned() -> None:
    known = {row.env for row in ROWS} | {"LITEFUSE_CONFIG"}
    for path in ALL:
        for name in re.findall(r"\bLITEFUSE_[A-Z_]+[A-Z]\b", path.read_text()):
            assert name in known, f"{path.name}: {name}"


def test_only_metrics_that_exist_are_mentioned() -> None:
    known = {metric.name for metric in METRICS}
    for path in ALL:
        for name in re.findall(r"`(litefuse_[a-z_]+)[`{]", path.read_text()):
            assert name in known, f"{path.name}: {name}"


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", path.read_text()):
        if target.startswith("http"):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), f"{path.name}: {target}"
        if anchor:
            titles = re.findall(r"^#+ (.*)$", there.read_text(), re.M)
            assert anchor in {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_make_targets_in_the_docs_exist() -> None:
    makefile = (REPO / "Makefile").read_text()
    targets = set(re.findall(r"^(\w+):", makefile, re.M))
    for path in ALL:
        assert set(re.findall(r"\bmake (up|test|faults|bench|lint|docs|clean)\b", path.read_text())) <= targets


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Litefuse]:
    with litefuse("up", data_dir=tmp_path_factory.mktemp("docs") / "data") as process:
        yield process


@pytest.mark.parametrize(("title", "query"), EXAMPLES, ids=[title for title, _ in EXAMPLES])
def test_example_queries_run_as_the_reader(title: str, query: str, engine: Litefuse) -> None:
    Sql(engine).command(query)


def _post(engine: Litefuse, path: str, body: object) -> None:
    keys = project_env(engine.data_dir)
    pair = base64.b64encode(f"{keys['LITEFUSE_PUBLIC_KEY']}:{keys['LITEFUSE_SECRET_KEY']}".encode()).decode()
    headers = {"Content-Type": "application/json", "Authorization": f"Basic {pair}"}
    request = urllib.request.Request(f"{engine.url}{PREFIX}{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


def test_the_query_of_experiments_shows_each_item_with_its_scores(engine: Litefuse) -> None:
    trace_id, root = "e" * 32, "e" * 16
    said = {
        "langfuse.experiment.id": "run-1",
        "langfuse.experiment.name": "capitals, first run",
        "langfuse.experiment.item.id": "france",
        "langfuse.experiment.item.expected_output": "Paris",
        "langfuse.experiment.item.root_observation_id": root,
        "langfuse.observation.input": "France?",
        "langfuse.observation.output": "Lyon",
    }
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in said.items()]
    at = {"startTimeUnixNano": str(time.time_ns()), "attributes": attributes}
    spans = [
        {"traceId": trace_id, "spanId": root, "name": "experiment-item-run", **at},
        {"traceId": trace_id, "spanId": "f" * 16, "parentSpanId": root, "name": "experiment-item-task", **at},
    ]
    _post(engine, "/otel/v1/traces", {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})
    _post(engine, "/scores", {"traceId": trace_id, "observationId": root, "name": "right", "value": 0})
    query = re.findall(r"^```sql\n(.*?)^```", text_of("scores.md").partition("## Experiments")[2], re.S | re.M)[0]
    sql = Sql(engine)
    eventually(lambda: sql(query), 30)
    (row,) = sql(query)
    assert {name: row[name] for name in ("run", "input", "output", "expected")} == {
        "run": "capitals, first run",
        "input": "France?",
        "output": "Lyon",
        "expected": "Paris",
    }
    assert row["scores"] == [["right", 0]]


def curls() -> list[tuple[str, str]]:
    """(page, command) of every curl that the pages show, with its continuation lines."""
    pattern = re.compile(r"^    (curl .*\n(?:     .*\n)*)", re.M)
    return [(path.name, command) for path in ALL for command in pattern.findall(path.read_text())]


def test_every_curl_in_the_docs_is_found() -> None:
    shown = [path.name for path in ALL for _ in re.findall(r"^    curl ", path.read_text(), re.M)]
    assert [name for name, _ in curls()] == shown
    assert {"sql.md", "start.md"} <= set(shown)


@pytest.mark.parametrize(("page", "command"), curls(), ids=[f"{page}" for page, _ in curls()])
def test_curl_commands_in_the_docs_work(page: str, command: str, engine: Litefuse) -> None:
    text = command.replace("127.0.0.1:3000", f"127.0.0.1:{engine.port}").replace(":8123", f":{engine.clickhouse_port}")
    text = text.replace(".litefuse/", f"{engine.data_dir}/").replace("curl ", "curl --silent --show-error --fail ", 1)
    done = subprocess.run(
        ["sh", "-c", f"set -a; . '{engine.data_dir}/project.env'; set +a; {text}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr + done.stdout + text
    assert '"partialSuccess"' in done.stdout or "rejected" not in done.stdout


def test_both_headers_are_a_login_as_the_docs_say(engine: Litefuse) -> None:
    headers = {"X-ClickHouse-User": "reader", "X-ClickHouse-Key": Sql(engine).password}
    url = f"http://127.0.0.1:{engine.clickhouse_port}/?database=litefuse"
    request = urllib.request.Request(url, b"SELECT 40 + 2", headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.read() == b"42\n"


def test_columns_in_the_docs_are_those_of_a_migrated_database(engine: Litefuse) -> None:
    documented = {(table.name, c.name): (c.type, c.comment) for table in tables() for c in table.columns}
    rows = Sql(engine, "litefuse")(
        "SELECT table, name, type, comment FROM system.columns WHERE database = 'litefuse' AND table != 'schema_migrations' "
        "AND table NOT IN (SELECT name FROM system.tables WHERE engine = 'MaterializedView')"
    )
    found = {(row["table"], row["name"]): (row["type"], row["comment"]) for row in rows}
    assert found == documented
