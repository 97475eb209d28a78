-- Projects, API keys and spans (architecture section 7).
-- One statement ends at each semicolon at the end of a line. Additive, and idempotent: every statement may run twice.

CREATE TABLE IF NOT EXISTS projects
(
    project_id     String COMMENT 'Identifies the project; every span carries it',
    name           String COMMENT 'What people call it',
    retention_days UInt32 COMMENT 'Days its spans are kept; 0 = as LITEFUSE_RETENTION_DAYS says',
    created_at     DateTime64(3, 'UTC') COMMENT 'When it was made',
    updated_at     DateTime64(3, 'UTC') COMMENT 'When this row was written; the newest row of a project counts',
    deleted        Bool COMMENT 'The project is no more'
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY project_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Projects, one row each; read with FINAL';

CREATE TABLE IF NOT EXISTS api_keys
(
    public_key  String COMMENT 'pk-lf-…, the user of HTTP Basic',
    project_id  String COMMENT 'The project that spans sent with this key belong to',
    salt        String COMMENT 'Random text that the secret is hashed with',
    secret_hash String COMMENT 'SHA-256 of salt and secret key, hex; the secret itself is stored nowhere',
    note        String COMMENT 'What its maker wrote about it',
    created_at  DateTime64(3, 'UTC') COMMENT 'When it was made',
    updated_at  DateTime64(3, 'UTC') COMMENT 'When this row was written; the newest row of a key counts',
    revoked     Bool COMMENT 'The key is refused'
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY public_key
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'API keys, one row each; read with FINAL';

CREATE TABLE IF NOT EXISTS spans
(
    project_id     LowCardinality(String) COMMENT 'Project of the API key the span was sent with' CODEC(ZSTD(1)),
    trace_id       String COMMENT 'Trace id, 32 lower-case hex digits' CODEC(ZSTD(1)),
    span_id        String COMMENT 'Span id, 16 lower-case hex digits' CODEC(ZSTD(1)),
    parent_span_id String COMMENT 'Span id of the parent, empty for none' CODEC(ZSTD(1)),
    name           String COMMENT 'Name of the span, as sent' CODEC(ZSTD(1)),
    kind           LowCardinality(String) COMMENT 'UNSPECIFIED, INTERNAL, SERVER, CLIENT, PRODUCER or CONSUMER; a number OTLP does not know stays a number' CODEC(ZSTD(1)),
    start_time     DateTime64(9, 'UTC') COMMENT 'Start, mended: a missing start is the end, or the earliest time of the request' CODEC(DoubleDelta, ZSTD(1)),
    end_time       DateTime64(9, 'UTC') COMMENT 'End, mended: never before the start' CODEC(DoubleDelta, ZSTD(1)),
    duration_ns    UInt64 ALIAS toUInt64(toUnixTimestamp64Nano(end_time) - toUnixTimestamp64Nano(start_time)) COMMENT 'end_time - start_time in nanoseconds',
    start_time_unix_nano UInt64 COMMENT 'Start exactly as sent, Unix nanoseconds, 0 = not sent' CODEC(DoubleDelta, ZSTD(1)),
    end_time_unix_nano   UInt64 COMMENT 'End exactly as sent, Unix nanoseconds, 0 = not sent' CODEC(DoubleDelta, ZSTD(1)),
    status_code    LowCardinality(String) COMMENT 'UNSET, OK or ERROR; a number OTLP does not know stays a number' CODEC(ZSTD(1)),
    status_message String COMMENT 'Status message, as sent' CODEC(ZSTD(1)),
    trace_state    String COMMENT 'W3C trace state, as sent' CODEC(ZSTD(1)),
    flags          UInt32 COMMENT 'Span flags, as sent' CODEC(ZSTD(1)),

    attributes_string Map(LowCardinality(String), String) COMMENT 'Attributes whose value is a string' CODEC(ZSTD(1)),
    attributes_int    Map(LowCardinality(String), Int64) COMMENT 'Attributes whose value is an integer' CODEC(ZSTD(1)),
    attributes_float  Map(LowCardinality(String), Float64) COMMENT 'Attributes whose value is a double' CODEC(ZSTD(1)),
    attributes_bool   Map(LowCardinality(String), Bool) COMMENT 'Attributes whose value is a boolean' CODEC(ZSTD(1)),
    attributes_json   Map(LowCardinality(String), String) COMMENT 'Attributes whose value is a list, a map, bytes or empty, as JSON text; bytes are {"bytesValue":"<base64>"}' CODEC(ZSTD(1)),
    attributes        Map(String, String) ALIAS mapConcat(CAST(attributes_string, 'Map(String, String)'), CAST(attributes_int, 'Map(String, String)'), CAST(attributes_float, 'Map(String, String)'), CAST(attributes_bool, 'Map(String, String)'), CAST(attributes_json, 'Map(String, String)')) COMMENT 'All attributes as text, for SQL typed by hand',

    resource_string Map(LowCardinality(String), String) COMMENT 'Resource attributes whose value is a string' CODEC(ZSTD(1)),
    resource_int    Map(LowCardinality(String), Int64) COMMENT 'Resource attributes whose value is an integer' CODEC(ZSTD(1)),
    resource_float  Map(LowCardinality(String), Float64) COMMENT 'Resource attributes whose value is a double' CODEC(ZSTD(1)),
    resource_bool   Map(LowCardinality(String), Bool) COMMENT 'Resource attributes whose value is a boolean' CODEC(ZSTD(1)),
    resource_json   Map(LowCardinality(String), String) COMMENT 'Resource attributes whose value is a list, a map, bytes or empty, as JSON text' CODEC(ZSTD(1)),
    resource_attributes Map(String, String) ALIAS mapConcat(CAST(resource_string, 'Map(String, String)'), CAST(resource_int, 'Map(String, String)'), CAST(resource_float, 'Map(String, String)'), CAST(resource_bool, 'Map(String, String)'), CAST(resource_json, 'Map(String, String)')) COMMENT 'All resource attributes as text',
    resource_schema_url LowCardinality(String) COMMENT 'Schema URL of the resource' CODEC(ZSTD(1)),
    service_name    LowCardinality(String) DEFAULT resource_string['service.name'] COMMENT 'Resource attribute service.name, empty for none' CODEC(ZSTD(1)),

    scope_name       LowCardinality(String) COMMENT 'Name of the instrumentation scope' CODEC(ZSTD(1)),
    scope_version    LowCardinality(String) COMMENT 'Version of the instrumentation scope' CODEC(ZSTD(1)),
    scope_attributes Map(LowCardinality(String), String) COMMENT 'Attributes of the scope as text; see scope_attribute_types' CODEC(ZSTD(1)),
    scope_attribute_types Map(LowCardinality(String), LowCardinality(String)) COMMENT 'Type of each scope attribute that is not a string: int, float, bool or json' CODEC(ZSTD(1)),
    scope_schema_url LowCardinality(String) COMMENT 'Schema URL of the scope' CODEC(ZSTD(1)),

    `events.time_unix_nano` Array(UInt64) COMMENT 'Time of each event, Unix nanoseconds' CODEC(ZSTD(1)),
    `events.name`           Array(LowCardinality(String)) COMMENT 'Name of each event' CODEC(ZSTD(1)),
    `events.attributes`     Array(Map(LowCardinality(String), String)) COMMENT 'Attributes of each event as text; see events.attribute_types' CODEC(ZSTD(1)),
    `events.attribute_types` Array(Map(LowCardinality(String), LowCardinality(String))) COMMENT 'Type of each event attribute that is not a string: int, float, bool or json' CODEC(ZSTD(1)),
    `events.dropped_attributes_count` Array(UInt32) COMMENT 'Attributes that the SDK dropped from each event' CODEC(ZSTD(1)),

    `links.trace_id`    Array(String) COMMENT 'Trace id of each linked span, hex' CODEC(ZSTD(1)),
    `links.span_id`     Array(String) COMMENT 'Span id of each linked span, hex' CODEC(ZSTD(1)),
    `links.trace_state` Array(String) COMMENT 'Trace state of each link' CODEC(ZSTD(1)),
    `links.flags`       Array(UInt32) COMMENT 'Flags of each link' CODEC(ZSTD(1)),
    `links.attributes`  Array(Map(LowCardinality(String), String)) COMMENT 'Attributes of each link as text; see links.attribute_types' CODEC(ZSTD(1)),
    `links.attribute_types` Array(Map(LowCardinality(String), LowCardinality(String))) COMMENT 'Type of each link attribute that is not a string: int, float, bool or json' CODEC(ZSTD(1)),
    `links.dropped_attributes_count` Array(UInt32) COMMENT 'Attributes that the SDK dropped from each link' CODEC(ZSTD(1)),

    dropped_attributes_count UInt32 COMMENT 'Attributes that the SDK dropped from the span' CODEC(ZSTD(1)),
    dropped_events_count     UInt32 COMMENT 'Events that the SDK dropped from the span' CODEC(ZSTD(1)),
    dropped_links_count      UInt32 COMMENT 'Links that the SDK dropped from the span' CODEC(ZSTD(1)),
    resource_dropped_attributes_count UInt32 COMMENT 'Attributes that the SDK dropped from the resource' CODEC(ZSTD(1)),
    scope_dropped_attributes_count    UInt32 COMMENT 'Attributes that the SDK dropped from the scope' CODEC(ZSTD(1)),

    public_key    LowCardinality(String) COMMENT 'Public key the span was sent with' CODEC(ZSTD(1)),
    sdk_name      LowCardinality(String) COMMENT 'Name of the sending SDK, from its request header' CODEC(ZSTD(1)),
    sdk_version   LowCardinality(String) COMMENT 'Version of the sending SDK, from its request header' CODEC(ZSTD(1)),
    received_at   DateTime64(9, 'UTC') COMMENT 'When the request arrived; of several copies of a span the newest counts' CODEC(DoubleDelta, ZSTD(1)),
    retention_days UInt32 COMMENT 'Days this span is kept after its start; 0 = for ever' CODEC(ZSTD(1)),
    log_topic     LowCardinality(String) COMMENT 'Topic of the log record the span came in' CODEC(ZSTD(1)),
    log_partition UInt32 COMMENT 'Its partition' CODEC(ZSTD(1)),
    log_offset    UInt64 COMMENT 'Its offset' CODEC(Delta, ZSTD(1)),
    log_row       UInt32 COMMENT 'Place of the span within its record' CODEC(ZSTD(1)),
    version       UInt128 DEFAULT bitShiftLeft(toUInt128(toUInt64(toUnixTimestamp64Nano(received_at))), 64) + bitShiftLeft(toUInt128(log_offset), 20) + log_row COMMENT 'Orders copies of a span: received_at, then offset and place' CODEC(ZSTD(1)),

    INDEX by_trace_id trace_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_log_offset log_offset TYPE minmax GRANULARITY 1,
    INDEX by_received_at received_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY (retention_days, toMonday(start_time))
ORDER BY (project_id, toStartOfFiveMinutes(start_time), trace_id, span_id)
TTL if(retention_days = 0, toDateTime(4294967295, 'UTC'), toDateTime(least(toUnixTimestamp(start_time) + 86400 * toUInt64(retention_days), 4294967295), 'UTC'))
SETTINGS non_replicated_deduplication_window = 1000000,
         fsync_after_insert = 1, fsync_part_directory = 1,
         ttl_only_drop_parts = 1
COMMENT 'One row a span. Copies of a span (re-sends) collapse with FINAL, which is the default of the login reader';
