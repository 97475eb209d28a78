"""DELETE /traces and /traces/{id}: everything of a trace goes, soon (public-api.md section 3.3)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.embedded.server import Server
from tests.waiting import until
from tests.web.api.support import INGEST, PROJECTS, READ, Client, hex_id
from tests.web.queries.support import MONDAY, SECOND, Span, insert

OTHER = PROJECTS["other"]
TABLES = ("spans", "trace_parts", "scores", "ingestion_events")


def store(server: Server, ids: list[str], project: str = "p") -> None:
    """Traces of two spans with a score and an event each."""
    insert(server, [Span(id_, f"{n:016x}", MONDAY + n * SECOND, project=project) for id_ in ids for n in range(2)])
    for id_ in ids:
        told(
            server, f"INSERT INTO scores (project_id, id, name, trace_id) VALUES ('{project}', 's{id_}', 'n', '{id_}')"
        )
        told(
            server,
            "INSERT INTO ingestion_events (project_id, kind, object_id, event_id) "
            f"VALUES ('{project}', 'trace', '{id_}', 'e{id_}')",
        )


def told(server: Server, sql: str) -> str:
    answer = server.ask(sql, database="litefuse")
    assert answer.status == 200, answer.text
    return answer.text.strip()


def left(server: Server, ids: list[str], project: str = "p") -> dict[str, int]:
    """Rows of each table that are of these traces."""
    listed = ", ".join(f"'{id_}'" for id_ in ids)
    return {
        table: int(
            told(
                server,
                f"SELECT count() FROM {table} WHERE project_id = '{project}' AND "
                + (f"object_id IN ({listed})" if table == "ingestion_events" else f"trace_id IN ({listed})"),
            )
        )
        for table in TABLES
    }


async def test_a_trace_goes_with_all_that_is_its(client: Client, server: Server) -> None:
    ids = [hex_id(n) for n in range(3)]
    store(server, ids)
    store(server, ids, "other")
    before = left(server, ids[1:])
    reply = await client.call("DELETE", f"/traces/{ids[0]}")
    assert (reply.status, reply.json) == (200, {"message": "Trace deleted successfully"})
    await until(lambda: not any(left(server, ids[:1]).values()))
    assert (await client.get(f"/traces/{ids[0]}")).status == 404
    assert left(server, ids[1:]) == before
    assert all(left(server, ids[:1], "other").values())
    assert (await client.get(f"/traces/{ids[0]}", keys=OTHER)).status == 200


async def test_a_score_that_was_of_another_trace_does_not_come_back(client: Client, server: Server) -> None:
    """It is replaced by its id: without the row that hides it, the row from before would be the newest again."""
    told(server, "SYSTEM STOP MERGES scores")
    first, second, third = (hex_id(n) for n in range(20, 23))
    histories = {
        "moved": [{"traceId": first}, {"traceId": second}],
        "from-a-session": [{"sessionId": "s"}, {"traceId": first}, {"traceId": second}],
        "moved-on": [{"traceId": second}, {"traceId": third}],
        "moved-back": [{"traceId": third}, {"traceId": second}, {"traceId": third}],
    }
    for id_, subjects in histories.items():
        for subject in subjects:
            body = {"id": id_, "name": "n", "value": 1, **subject}
            assert (await client.call("POST", "/scores", body=body)).status == 200
    told(server, "SYSTEM START MERGES scores")
    assert (await client.call("DELETE", f"/traces/{second}")).status == 200
    await until(lambda: not any(left(server, [second]).values()))
    for id_ in histories:
        reply = await client.get(f"/v2/scores/{id_}")
        gone = histories[id_][-1] == {"traceId": second}
        assert (reply.status, reply.json.get("traceId")) == ((404, None) if gone else (200, third)), id_


async def test_many_traces(client: Client, server: Server) -> None:
    ids = [hex_id(100 + n) for n in range(5)]
    store(server, ids)
    unknown = [hex_id(10_000 + n) for n in range(996)]
    reply = await client.call("DELETE", "/traces", body={"traceIds": [*ids[:4], *unknown]})
    assert (reply.status, reply.json) == (200, {"message": "Traces deleted successfully"})
    await until(lambda: not any(left(server, ids[:4]).values()))
    assert all(left(server, ids[4:]).values())


async def test_spans_that_come_later_make_the_trace_anew(client: Client, server: Server) -> None:
    id_ = hex_id(200)
    store(server, [id_])
    assert (await client.call("DELETE", f"/traces/{id_}")).status == 200
    await until(lambda: not any(left(server, [id_]).values()))
    insert(server, [Span(id_, "f" * 16, MONDAY, name="later")])
    trace = (await client.get(f"/traces/{id_}")).json
    assert [o["name"] for o in trace["observations"]] == ["later"]


@pytest.mark.parametrize("id_", ["nothing", "a/b", "%27%22%5C", "%7Bids:Array(String)%7D"])
async def test_unknown_ids_are_fine(client: Client, id_: str) -> None:
    reply = await client.call("DELETE", f"/traces/{id_}")
    assert (reply.status, reply.json) == (200, {"message": "Trace deleted successfully"})


async def test_no_id_deletes_no_score_of_a_session(client: Client, server: Server) -> None:
    told(server, "INSERT INTO scores (project_id, id, name, session_id) VALUES ('p', 'of a session', 'n', 's')")
    id_ = hex_id(300)
    store(server, [id_])
    assert (await client.call("DELETE", "/traces", body={"traceIds": ["", id_]})).status == 200
    await until(lambda: not any(left(server, [id_]).values()))
    assert told(server, "SELECT count() FROM scores WHERE id = 'of a session'") == "1"


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        b"",
        b"{",
        {"traceIds": []},
        {"traceIds": "a"},
        {"traceIds": [1]},
        {"traceIds": [None]},
        {"traceIds": ["a"] * 1001},
        {"traceIds": ["a"], "projectId": "other"},
        {"traceIds": {"a": "b"}},
    ],
)
async def test_bad_bodies(client: Client, body: Any) -> None:
    reply = await client.call("DELETE", "/traces", body=body)
    assert reply.status == 400
    assert set(reply.json) == {"message", "error"}


@pytest.mark.parametrize("keys", [READ, INGEST, "pk-lf-p"])
async def test_only_a_key_for_everything_deletes(client: Client, server: Server, keys: Any) -> None:
    id_ = hex_id(400)
    store(server, [id_])
    for reply in (
        await client.call("DELETE", f"/traces/{id_}", keys=keys),
        await client.call("DELETE", "/traces", body={"traceIds": [id_]}, keys=keys),
    ):
        assert reply.status == 403
    assert all(left(server, [id_]).values())


async def test_many_requests_at_once_are_few_mutations(client: Client, server: Server) -> None:
    ids = [hex_id(500 + n) for n in range(60)]
    store(server, ids)
    count = "SELECT count() FROM system.mutations WHERE table = 'spans'"
    before = int(told(server, count))
    replies = await asyncio.gather(*(client.call("DELETE", f"/traces/{id_}") for id_ in ids))
    assert {reply.status for reply in replies} == {200}
    await until(lambda: not any(left(server, ids).values()))
    assert int(told(server, count)) - before < 20
