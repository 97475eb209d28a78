"""All settings, in one typed table (architecture section 3).

A setting is a field of `Settings`: its name gives the environment variable (`LITEFUSE_` + upper case), the flag
(`--` + dashes) and the key in the TOML file named by `--config`. Flags win over the environment, the
environment over the file, the file over the default. `litefuse.settings_load.load` checks everything and raises
ConfigError with key, value and reason. `docs/settings.md` is generated from this table (`make docs`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ALL = ("up", "ingest", "worker", "web", "clickhouse", "cli")


class Secret(str):
    """A text that prints as stars. `reveal()` gives it away, on purpose and findable."""

    def __new__(cls, value: str = "") -> Secret:
        # Of a Secret too: str() of one gives stars, which would silently become the secret.
        return super().__new__(cls, value.reveal() if isinstance(value, Secret) else value)

    def __repr__(self) -> str:
        return "'***'"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return "***"

    def reveal(self) -> str:
        return str.__str__(self)


def setting(
    default: Any,
    help: str,
    *,
    unit: str = "",
    roles: tuple[str, ...] = ALL,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """One row of the table. `unit` is shown in help and docs; `low`/`high`/`choices` bound the value."""
    return field(
        default=default,
        metadata={"help": help, "unit": unit, "roles": roles, "low": low, "high": high, "choices": choices},
    )


_FRONT = ("up", "ingest")
_READ = ("up", "web")
_WORK = ("up", "worker")
_ENGINE = ("up", "clickhouse", "cli")
_KAFKA = ("up", "ingest", "worker", "web", "cli")


@dataclass(frozen=True, kw_only=True)
class Settings:
    # -- where things are ------------------------------------------------------------------------------------------
    host: str = setting("127.0.0.1", "address to listen on", roles=("up", "ingest", "worker", "web", "clickhouse"))
    port: int = setting(
        3000,
        "UI, public API, OTLP under /api/public/otel, health and metrics; 0 picks a free one",
        roles=("up", "ingest", "worker", "web", "clickhouse"),
        low=0,
        high=65535,
    )
    otlp_port: int = setting(4318, "OTLP under /v1/traces; 0 turns it off", roles=_FRONT, low=0, high=65535)
    clickhouse_port: int = setting(
        8123,
        "the embedded ClickHouse's HTTP port; 0 picks a free one; used only when embedded",
        roles=_ENGINE,
        low=0,
        high=65535,
    )
    data_dir: Path = setting(
        Path(".litefuse"), "directory of keys, SQLite log and embedded ClickHouse", roles=(*ALL, "send")
    )
    log_url: Secret = setting(
        Secret(""),
        "sqlite:///PATH, or kafka://[user:password@]host:9092,host2:9092, or kafka+ssl://…; "
        "default: sqlite:///<data-dir>/log.db",
    )
    clickhouse_url: Secret = setting(
        Secret(""),
        "http[s]://user:password@host:8123/litefuse; default: the embedded engine",
    )

    # -- the first project ---------------------------------------------------------------------------------------
    init_project_id: str = setting("", "id of a project made at first start; default: generated", roles=_FRONT)
    init_project_name: str = setting("default", "its name", roles=_FRONT)
    init_project_public_key: str = setting("", "its public key (pk-lf-…); default: generated", roles=_FRONT)
    init_project_secret_key: Secret = setting(Secret(""), "its secret key (sk-lf-…); default: generated", roles=_FRONT)

    # -- ingest ----------------------------------------------------------------------------------------------------
    max_body_bytes: int = setting(
        67108864, "largest request body, before and after decompression", unit="bytes", roles=_FRONT, low=1024
    )
    retention_days: int = setting(
        0,
        "how long spans are kept; 0 = for ever; a project can have its own",
        unit="days",
        roles=("up", "ingest", "worker", "web"),
        low=0,
        high=36500,
    )
    header_timeout_s: float = setting(
        15.0, "time a client has for the request's headers", unit="seconds", roles=_FRONT, low=0.1
    )
    body_timeout_s: float = setting(60.0, "time a client has for the whole body", unit="seconds", roles=_FRONT, low=0.1)
    idle_timeout_s: float = setting(
        75.0, "time an idle keep-alive connection stays open", unit="seconds", roles=_FRONT, low=0.1
    )
    inflight_bytes: int = setting(
        268435456,
        "bytes of requests being read, checked or published at once; beyond it 503 with Retry-After",
        unit="bytes",
        roles=_FRONT,
        low=1048576,
    )
    publish_timeout_s: float = setting(
        10.0,
        "time the log has to confirm a record; then 503",
        unit="seconds",
        roles=("up", "ingest", "worker"),
        low=0.1,
    )
    key_refresh_s: float = setting(
        5.0,
        "how often the API keys are read anew; a revoked key is refused within twice this",
        unit="seconds",
        roles=("up", "ingest", "web"),
        low=0.1,
        high=5.0,
    )

    # -- public API ------------------------------------------------------------------------------------------------
    api_timeout_s: float = setting(
        10.0, "time ClickHouse has for one query of the API; then 422", unit="seconds", roles=_READ, low=0.1
    )
    api_memory_bytes: int = setting(
        2147483648, "memory of one query of the API; beyond it 422", unit="bytes", roles=_READ, low=16777216
    )
    api_result_bytes: int = setting(
        134217728, "size of a query's result for the API; beyond it 422", unit="bytes", roles=_READ, low=1048576
    )

    # -- worker ----------------------------------------------------------------------------------------------------
    default_project_id: str = setting(
        "",
        "project of records that carry none (topics written by other producers); default: dead letters",
        roles=_WORK,
    )
    worker_buffer_bytes: int = setting(
        268435456,
        "bytes read from the log and not yet committed; beyond it partitions are paused",
        unit="bytes",
        roles=_WORK,
        low=1048576,
    )
    block_bytes: int = setting(
        33554432, "decoded bytes after which a block is cut", unit="bytes", roles=_WORK, low=1024
    )
    block_rows: int = setting(100000, "rows after which a block is cut", unit="rows", roles=_WORK, low=1, high=1000000)
    block_age_s: float = setting(
        0.5,
        "age of its oldest record after which a block is cut",
        unit="seconds",
        roles=_WORK,
        low=0.0,
        high=1.0,
    )
    insert_timeout_s: float = setting(60.0, "time ClickHouse has for one insert", unit="seconds", roles=_WORK, low=0.1)
    plan_bound_s: float = setting(
        20.0,
        "no insert starts later than this after its plan was committed; the plan is committed anew instead",
        unit="seconds",
        roles=_WORK,
        low=0.1,
    )
    drain_timeout_s: float = setting(
        20.0,
        "time for finishing started work after SIGTERM",
        unit="seconds",
        roles=("up", "ingest", "worker", "web", "clickhouse"),
        low=0.0,
    )

    # -- Kafka -----------------------------------------------------------------------------------------------------
    kafka_partitions: int = setting(6, "partitions of topics made at start", roles=_KAFKA, low=1)
    kafka_replication: int = setting(
        -1, "replicas of topics made at start; -1 = the broker's default", roles=_KAFKA, low=-1
    )
    kafka_max_message_bytes: int = setting(
        8388608,
        "max.message.bytes of topics made at start, and the producer's limit",
        unit="bytes",
        roles=_KAFKA,
        low=65536,
    )
    kafka_compression: str = setting(
        "snappy", "codec of what we produce", roles=_KAFKA, choices=("none", "gzip", "snappy", "zstd", "lz4")
    )
    kafka_linger_ms: int = setting(5, "how long a batch waits for more", unit="milliseconds", roles=_KAFKA, low=0)
    kafka_buffer_bytes: int = setting(
        134217728, "bytes waiting in the producer; beyond it 503", unit="bytes", roles=_KAFKA, low=1048576
    )
    kafka_group: str = setting("litefuse-worker", "consumer group of the workers", roles=_KAFKA)
    kafka_instance_id: str = setting("", "static membership: an id that outlives restarts of this worker", roles=_WORK)
    kafka_session_timeout_s: float = setting(
        30.0, "a worker silent for longer loses its partitions", unit="seconds", roles=_WORK, low=1.0
    )
    kafka_sasl_mechanism: str = setting(
        "PLAIN",
        "used when the URL has a user",
        roles=_KAFKA,
        choices=("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
    )
    kafka_ssl_cafile: str = setting("", "CA certificates for kafka+ssl; default: the system's", roles=_KAFKA)

    # -- embedded ClickHouse ---------------------------------------------------------------------------------------
    sql_connections: int = setting(
        4, "queries of people at once, and as many of the API", roles=_ENGINE, low=1, high=64
    )
    insert_connections: int = setting(2, "inserts and operator's queries at once", roles=_ENGINE, low=1, high=64)
    sql_timeout_s: float = setting(60.0, "time limit of a reader's query", unit="seconds", roles=_ENGINE, low=0.1)
    sql_memory_bytes: int = setting(
        2147483648, "memory limit of a reader's query", unit="bytes", roles=_ENGINE, low=16777216
    )

    # -- its own telemetry -----------------------------------------------------------------------------------------
    log_level: str = setting("info", "what is logged", choices=("debug", "info", "warning", "error"))
    log_format: str = setting("text", "form of log lines", choices=("text", "json"))

    # -- sending -----------------------------------------------------------------------------------------------------
    endpoint: str = setting(
        "",
        "where `litefuse send` posts to, a base such as http://127.0.0.1:3000; default: from <data-dir>/project.env",
        roles=("send",),
    )
    public_key: str = setting("", "public key of the project; default: from <data-dir>/project.env", roles=("send",))
    secret_key: Secret = setting(
        Secret(""), "secret key of the project; default: from <data-dir>/project.env", roles=("send",)
    )
