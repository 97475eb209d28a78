from __future__ import annotations

import pytest

from litefuse.clickhouse.url import Address, parse, with_login
from litefuse.errors import ConfigError
from litefuse.settings import Secret

PASSWORD = "s3cr3t/@:%"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://h", Address("http", "h", 8123, "default", Secret(""), "litefuse")),
        ("https://u:p@h:1/db", Address("https", "h", 1, "u", Secret("p"), "db")),
        ("https://h", Address("https", "h", 8443, "default", Secret(""), "litefuse")),
        ("http://u%40x:s3cr3t%2F%40%3A%25@[::1]:2/", Address("http", "::1", 2, "u@x", Secret(PASSWORD), "litefuse")),
        ("https://h/d?verify=false", Address("https", "h", 8443, "default", Secret(""), "d", verify=False)),
        ("https://h/d?ca_cert=/ca.pem", Address("https", "h", 8443, "default", Secret(""), "d", ca_cert="/ca.pem")),
    ],
)
def test_parsed(text: str, expected: Address) -> None:
    found = parse(Secret(text))
    assert found == expected
    assert found.password.reveal() == expected.password.reveal()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "clickhouse://h",
        "h:8123",
        "http://",
        f"http://u:{PASSWORD}@h:port/",
        f"http://u:{PASSWORD}x@h",
        "http://u:se#cret@h/",
        "http://h/a/b",
        "http://u:secret@h/?nope=1",
        "http://u:secret@h/?verify=maybe",
    ],
)
def test_refused_without_quoting_the_password(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(text)
    assert str(refused.value).startswith("LITEFUSE_CLICKHOUSE_URL: ")
    for part in ("s3cr3t", "secret", "cret"):
        assert part not in str(refused.value)


def test_there_and_back() -> None:
    url = with_login("http://127.0.0.1:8123", "litefuse", PASSWORD)
    assert parse(url) == Address("http", "127.0.0.1", 8123, "litefuse", Secret(PASSWORD), "litefuse")
    assert "s3cr3t" not in f"{url} {parse(url)!r} {parse(url)}"
