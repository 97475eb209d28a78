"""Dead letters on a real SQLite log: what is open, replay, discard, copies."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from litefuse.cli.main import run
from litefuse.cli.payload import readable
from litefuse.dead import LetterId, put_back, read_open
from litefuse.errors import ConfigError
from litefuse.log import open_log
from litefuse.log.base import DEAD, TRACES, Log, Record
from litefuse.settings import Settings

HEADERS: list[tuple[str, bytes]] = [
    ("project_id", b"p1"),
    ("content_type", b"application/x-protobuf"),
    ("received_at", b"1700000000000000000"),
]


def with_log(data_dir: Path, work: Callable[[Log], Awaitable[object]]) -> object:
    async def main() -> object:
        log = open_log(Settings(data_dir=data_dir))
        await log.start()
        try:
            return await work(log)
        finally:
            await log.close()

    return asyncio.run(main())


def bury(data_dir: Path, value: bytes, offset: int, reason: str = "undecodable", row: str = "", at: int = 1) -> None:
    headers = [*HEADERS, ("reason", reason.encode()), ("error", b"bad\x1b[31m"), ("topic", TRACES.encode())]
    headers += [("partition", b"0"), ("offset", str(offset).encode()), ("failed_at", str(at * 10**9).encode())]
    if row:
        headers.append(("row", row.encode()))
    with_log(data_dir, lambda log: log.publish(DEAD, value, headers))


def records(data_dir: Path, topic: str) -> list[Record]:
    async def work(log: Log) -> list[Record]:
        return [record async for record in log.read(topic)]

    found = with_log(data_dir, work)
    assert isinstance(found, list)
    return found


def dead(data_dir: Path, *words: str) -> int:
    return run(["dead", *words, "--data-dir", str(data_dir)], {})


def listed(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    assert dead(data_dir, "list") == 0
    rows = capsys.readouterr().out.splitlines()
    return rows


def test_one_line_each_oldest_first_with_the_id_in_front(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bury(tmp_path, b"b", 8, at=1_700_000_002)
    bury(tmp_path, b"a", 7, reason="refused_by_clickhouse", row="3", at=1_700_000_001)
    assert listed(tmp_path, capsys) == [
        "0-1  2023-11-14T22:13:21Z  p1  refused_by_clickhouse  litefuse.traces/0@7#3",
        "0-0  2023-11-14T22:13:22Z  p1  undecodable            litefuse.traces/0@8",
    ]


def test_a_terminal_gets_a_header_and_a_pipe_one_line_a_letter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bury(tmp_path, b"a", 7)
    assert len(listed(tmp_path, capsys)) == 1
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    header, letter = listed(tmp_path, capsys)
    assert header.split() == ["id", "failed", "at", "project", "reason", "place"]
    assert letter.startswith("0-0 ")


def test_copies_of_a_letter_are_one_and_are_resolved_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for at in (1, 2):
        bury(tmp_path, b"same", 7, at=at)
    bury(tmp_path, b"other", 7, at=3)  # the same place of a topic that was made anew
    bury(tmp_path, b"same", 7, row="1", at=4)
    assert [line.split()[0] for line in listed(tmp_path, capsys)] == ["0-0", "0-2", "0-3"]
    assert dead(tmp_path, "discard", "0-0") == 0
    assert [line.split()[0] for line in listed(tmp_path, capsys)] == ["0-2", "0-3"]


def test_replay_puts_the_record_back_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bury(tmp_path, b"payload", 7)
    bury(tmp_path, b"second", 8)
    assert dead(tmp_path, "replay", "0-0") == 0
    (back,) = records(tmp_path, TRACES)
    assert (back.value, list(back.headers)) == (b"payload", HEADERS)
    resolution = records(tmp_path, DEAD)[-1]
    assert (resolution.header("resolves"), resolution.header("action")) == ("0-0", "replay")
    assert [line.split()[0] for line in listed(tmp_path, capsys)] == ["0-1"]
    assert dead(tmp_path, "replay") == 0
    assert [record.value for record in records(tmp_path, TRACES)] == [b"payload", b"second"]
    assert listed(tmp_path, capsys) == []


def test_a_letter_is_resolved_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bury(tmp_path, b"payload", 7)
    assert dead(tmp_path, "discard", "0-0") == 0
    assert dead(tmp_path, "replay", "0-0") == 1
    assert "0-0: no open dead letter has this id" in capsys.readouterr().err
    assert records(tmp_path, TRACES) == []


def test_show_prints_headers_and_content_with_nothing_that_acts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(trace_id=bytes(range(16)), span_id=b"12345678")
    span.name = "evil \x1b[2J\u202e"
    bury(tmp_path, request.SerializeToString(), 7)
    capsys.readouterr()
    assert dead(tmp_path, "show", "0-0") == 0
    out = capsys.readouterr().out
    assert "000102030405060708090a0b0c0d0e0f" in out
    assert "undecodable" in out
    assert "litefuse.traces/0@7" in out
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_show_says_whether_the_letter_is_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bury(tmp_path, b"a", 7)
    bury(tmp_path, b"b", 8)
    bury(tmp_path, b"c", 9)
    assert dead(tmp_path, "replay", "0-1") == 0
    assert dead(tmp_path, "discard", "0-2") == 0
    for id, state in (("0-0", "open"), ("0-1", "put back into the log"), ("0-2", "discarded")):
        capsys.readouterr()
        assert dead(tmp_path, "show", id) == 0
        assert re.search(rf"^state +{state}$", capsys.readouterr().out, re.M)


@pytest.mark.parametrize(("answer", "code", "left"), [("n", 1, 2), ("y", 0, 0)])
def test_replay_of_all_asks_on_a_terminal(
    answer: str, code: int, left: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bury(tmp_path, b"a", 7)
    bury(tmp_path, b"b", 8)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "litefuse", "dead", "replay", "--data-dir", str(tmp_path)]
    with subprocess.Popen(
        command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        os.write(ours, f"{answer}\n".encode())
        assert process.wait(60) == code
        assert process.stdout is not None
        assert "put 2 dead letters back into the log? [y/N]" in process.stdout.read()
    os.close(ours)
    os.close(theirs)
    assert len(listed(tmp_path, capsys)) == left


def test_show_raw_writes_the_bytes(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    bury(tmp_path, b"\x00\xff\x1b", 7)
    capfdbinary.readouterr()
    assert dead(tmp_path, "show", "0-0", "--raw") == 0
    assert capfdbinary.readouterr().out == b"\x00\xff\x1b"


def test_ids_that_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bury(tmp_path, b"x", 1)
    assert dead(tmp_path, "show", "seven") == 2
    assert dead(tmp_path, "show", "0-99") == 1
    assert "0-99: no such dead letter" in capsys.readouterr().err


def test_no_log_at_all_is_said_and_none_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dead(tmp_path / "nowhere", "list") == 2
    assert "no log at" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


def test_works_beside_the_owner_of_the_log(tmp_path: Path) -> None:
    async def main() -> None:
        settings = Settings(data_dir=tmp_path)
        owner = open_log(settings)
        await owner.start()
        await owner.publish(DEAD, b"x", HEADERS)
        guest = open_log(settings, guest=True)
        await guest.start()
        assert [letter.id for letter in await read_open(guest)] == [LetterId(0, 0)]
        await guest.close()
        await owner.close()

    asyncio.run(main())


def test_a_record_without_a_topic_goes_back_to_the_traces() -> None:
    record = Record(DEAD, 0, 0, 0, None, b"", (("reason", b"x"), ("project_id", b"p")))
    assert put_back(record) == (TRACES, [("project_id", b"p")])


@pytest.mark.parametrize("text", ["", "0", "-1", "0-", "0-1-2", "a-b", "0-１"])
def test_what_is_no_id(text: str) -> None:
    with pytest.raises(ConfigError):
        LetterId.parse(text)


@pytest.mark.parametrize(
    ("value", "content_type", "encoding", "said"),
    [
        (b"", "application/x-protobuf", "", "(empty)"),
        (b"\xff\xff", "application/x-protobuf", "", "ff ff"),
        (b"abc", "application/x-protobuf", "gzip", "(not decompressed: "),
        (b"abc", "application/x-protobuf", "br", "(not decompressed: "),
        (b'{"a": "\\u001b"}', "application/json", "", '"a": "\\u001b"'),
        (b"\xff{", "application/json", "", "{"),
        (b"[" * 100_000, "application/json", "", "[["),
    ],
)
def test_whatever_is_in_a_letter_can_be_shown(value: bytes, content_type: str, encoding: str, said: str) -> None:
    assert said in readable(value, content_type, encoding)
