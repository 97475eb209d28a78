"""Reaching Kafka: addresses, TLS, passwords."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    NodeNotReadyError,
    RequestTimedOutError,
    TopicAuthorizationFailedError,
)

from litefuse.errors import ConfigError, LogUnavailable
from litefuse.log import is_sqlite, open_log
from litefuse.log.base import TRACES
from litefuse.log.kafka_connect import cluster, said
from litefuse.settings import Secret, Settings
from tests.log.kit import Member, until
from tests.servers.kafka import KafkaServer


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[tuple[KafkaServer, Path]]:
    """A broker that speaks TLS and wants a user and a password."""
    key, cert, both = tmp_path / "key.pem", tmp_path / "cert.pem", tmp_path / "both.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    both.write_text(key.read_text() + cert.read_text())
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    server = KafkaServer(
        listener="SASL_SSL",
        properties={
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(both),
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": f'{module} required user_litefuse="p@ss:w/rd";',
        },
    )
    with server:
        yield server, cert


async def test_tls_and_password(locked: tuple[KafkaServer, Path]) -> None:
    server, cert = locked
    values: dict[str, Any] = {"kafka_ssl_cafile": str(cert), "kafka_partitions": 1, "publish_timeout_s": 5.0}
    url = f"kafka+ssl://litefuse:p%40ss%3Aw%2Frd@{server.bootstrap}"
    log = open_log(Settings(log_url=Secret(url), **values))
    try:
        await until(lambda: _started(log))
        await log.publish(TRACES, b"secret", [])
        assert [r.value async for r in log.read(TRACES)] == [b"secret"]
        member = await Member(log, TRACES, "g").join()
        await member.read(1)
        await member.consumer.commit(member.partition, 1)
    finally:
        await log.close()
    for wrong, settings in (
        ("password", Settings(log_url=Secret(url.replace("p%40ss", "guess")), **values)),
        ("authority", Settings(log_url=Secret(url), **{**values, "kafka_ssl_cafile": ""})),
    ):
        log = open_log(settings)
        with pytest.raises(LogUnavailable) as caught:
            await log.start()
        assert "guess" not in str(caught.value), wrong
        await log.close()


async def _started(log: Any) -> bool:
    await log.start()
    return True


@pytest.mark.parametrize(
    ("url", "servers", "user", "password", "tls"),
    [
        ("kafka://h:9092", ("h:9092",), None, None, False),
        ("kafka://h", ("h:9092",), None, None, False),
        ("kafka://a:1,b:2,c/", ("a:1", "b:2", "c:9092"), None, None, False),
        ("kafka://[::1]:19092,[fe80::1]", ("[::1]:19092", "[fe80::1]:9092"), None, None, False),
        ("kafka://u:p@h", ("h:9092",), "u", "p", False),
        ("kafka+ssl://u%40corp:p%3A%2F%40@h:1,i:2", ("h:1", "i:2"), "u@corp", "p:/@", True),
        ("kafka+ssl://u:p@ss@h", ("h:9092",), "u", "p@ss", True),
    ],
)
def test_addresses(url: str, servers: tuple[str, ...], user: str | None, password: str | None, tls: bool) -> None:
    settings = Settings(log_url=Secret(url))
    assert not is_sqlite(settings)
    found = cluster(settings)
    assert (found.servers, found.user, found.password, found.tls) == (servers, user, password, tls)
    protocol = ("SASL_" if user else "") + ("SSL" if tls else "PLAINTEXT")
    assert found.client()["security_protocol"] == protocol


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "kafka:h",
        "kafka://",
        "kafka://h:0",
        "kafka://h:99999",
        "kafka://h:port",
        "kafka://h:",
        "kafka://a,,b",
        "kafka://::1",
        "kafka://[::1",
        "kafka://secret@h",
        "kafka://:secret@h",
        "kafka://user:@h",
        "kafka://u:secret@h/topic",
        "kafka://u:secret@h?x=1",
    ],
)
def test_wrong_addresses_are_refused_and_tell_no_password(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^log_url: ") as caught:
        open_log(Settings(log_url=Secret(url)))
    assert "secret" not in str(caught.value)


def test_a_wrong_authority_file_is_a_wrong_setting(tmp_path: Path) -> None:
    wrong = tmp_path / "ca.pem"
    for text in (None, "no certificate"):
        if text:
            wrong.write_text(text)
        with pytest.raises(ConfigError, match="kafka_ssl_cafile"):
            open_log(Settings(log_url=Secret("kafka+ssl://h"), kafka_ssl_cafile=str(wrong)))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            KafkaConnectionError("Unable to bootstrap from [('h', 1, <AddressFamily.AF_UNSPEC: 0>)]"),
            "no broker answers there, or none takes this login",
        ),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (TimeoutError(), "no answer in time"),
        (RequestTimedOutError(), "no answer in time"),
        (TopicAuthorizationFailedError("litefuse.traces"), "TopicAuthorizationFailedError (litefuse.traces)"),
        (NodeNotReadyError("node 1"), "NodeNotReadyError: node 1"),
    ],
)
def test_a_client_s_error_is_readable(error: Exception, text: str) -> None:
    assert said(error) == text
