-- The public API: what keys may do, scores, and the events of the older SDKs (public-api.md sections 1.1, 6 and 8).

ALTER TABLE api_keys
    ADD COLUMN IF NOT EXISTS scope LowCardinality(String) DEFAULT 'all' COMMENT 'What the key may do: all, ingest or read';

-- A score is found by its id: sent again it replaces the older one, whatever time either names. So there are no partitions,
-- and ClickHouse keeps one row for each id. Bloom filters find those of a trace, an observation or a session.
CREATE TABLE IF NOT EXISTS scores
(
    project_id     LowCardinality(String) COMMENT 'Project of the score' CODEC(ZSTD(1)),
    id             String COMMENT 'Id, as its maker gave it or made by us; the same id again replaces the score' CODEC(ZSTD(1)),
    timestamp      DateTime64(9, 'UTC') COMMENT 'When it was given' CODEC(ZSTD(1)),
    name           LowCardinality(String) COMMENT 'What is scored' CODEC(ZSTD(1)),
    data_type      LowCardinality(String) COMMENT 'NUMERIC, BOOLEAN, CATEGORICAL, TEXT or CORRECTION' CODEC(ZSTD(1)),
    value          Float64 COMMENT 'The number; of BOOLEAN 0 or 1, of all others but NUMERIC 0' CODEC(ZSTD(1)),
    string_value   String COMMENT 'The text; of BOOLEAN True or False, empty for NUMERIC' CODEC(ZSTD(3)),
    source         LowCardinality(String) COMMENT 'API, EVAL or ANNOTATION' CODEC(ZSTD(1)),
    trace_id       String COMMENT 'Trace that is scored, empty for none' CODEC(ZSTD(1)),
    observation_id String COMMENT 'Observation of that trace, empty for the trace itself' CODEC(ZSTD(1)),
    session_id     String COMMENT 'Session that is scored, empty for none' CODEC(ZSTD(1)),
    dataset_run_id String COMMENT 'Run of an experiment that is scored, empty for none' CODEC(ZSTD(1)),
    environment    LowCardinality(String) DEFAULT 'default' COMMENT 'Environment, default when none is said' CODEC(ZSTD(1)),
    comment        String COMMENT 'Comment, empty for none' CODEC(ZSTD(3)),
    metadata       String COMMENT 'Metadata as JSON text of an object, empty for none' CODEC(ZSTD(3)),
    config_id      String COMMENT 'Id of its configuration, empty for none' CODEC(ZSTD(1)),
    queue_id       String COMMENT 'Id of an annotation queue, empty for none' CODEC(ZSTD(1)),
    author_user_id String COMMENT 'Who gave it, empty for not said' CODEC(ZSTD(1)),
    created_at     DateTime64(3, 'UTC') COMMENT 'When it was first received' CODEC(ZSTD(1)),
    updated_at     DateTime64(3, 'UTC') COMMENT 'When this row was received' CODEC(ZSTD(1)),
    retention_days UInt32 COMMENT 'Days it is kept after its timestamp; 0 = for ever' CODEC(ZSTD(1)),
    version        UInt64 COMMENT 'Orders rows of an id: when it was received, Unix nanoseconds' CODEC(ZSTD(1)),
    deleted        UInt8 COMMENT '1: the score was deleted; FINAL leaves it out' CODEC(ZSTD(1)),

    INDEX by_trace_id trace_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_session_id session_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_timestamp timestamp TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version, deleted)
ORDER BY (project_id, id)
TTL if(retention_days = 0, toDateTime(4294967295, 'UTC'), toDateTime(least(toUnixTimestamp(timestamp) + 86400 * toUInt64(retention_days), 4294967295), 'UTC'))
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Scores, one row each; read with FINAL, which is the default of the login reader';

-- SDKs from before OpenTelemetry tell a trace or an observation in several events, each of which may change a part of it. The
-- events are kept as sent; what they say together goes through the log as a span, anew with each of them.
CREATE TABLE IF NOT EXISTS ingestion_events
(
    project_id     LowCardinality(String) COMMENT 'Project of the key it was sent with' CODEC(ZSTD(1)),
    kind           LowCardinality(String) COMMENT 'What it tells of: trace or observation' CODEC(ZSTD(1)),
    object_id      String COMMENT 'Id of that trace or observation' CODEC(ZSTD(1)),
    event_id       String COMMENT 'Id of the event; the same id again is the same event' CODEC(ZSTD(1)),
    trace_id       String COMMENT 'Trace, empty when the event does not name it' CODEC(ZSTD(1)),
    type           LowCardinality(String) COMMENT 'Type of the event, such as generation-create' CODEC(ZSTD(1)),
    timestamp      DateTime64(9, 'UTC') COMMENT 'Time of the event, as sent' CODEC(ZSTD(1)),
    body           String COMMENT 'Body of the event as sent, JSON' CODEC(ZSTD(3)),
    received_at    DateTime64(9, 'UTC') COMMENT 'When the request arrived' CODEC(ZSTD(1)),
    retention_days UInt32 COMMENT 'Days it is kept after it was received; 0 = for ever' CODEC(ZSTD(1)),

    INDEX by_trace_id trace_id TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(received_at)
ORDER BY (project_id, kind, object_id, event_id)
TTL if(retention_days = 0, toDateTime(4294967295, 'UTC'), toDateTime(least(toUnixTimestamp(received_at) + 86400 * toUInt64(retention_days), 4294967295), 'UTC'))
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What POST /api/public/ingestion was sent about traces and observations, as sent; read with FINAL';
