-- Traces: what the spans of a trace say together (architecture section 7, otel-mapping.md section 16).
-- trace_parts is fed by a materialised view. A repeated insert, or a copy of a span that a client sent again, must change
-- nothing: every aggregate is idempotent, and independent of order. So there are no counts and no sums; those are made from
-- spans, which have no copies with FINAL. No deduplication window: after a crash between spans and trace_parts the repeated
-- insert has to reach trace_parts, which a window would keep from it.
--
-- "The latest that says it" is the maximum of tuples (said, value). `said` orders what spans say: rank, time, child, span id,
-- revision, from the highest bits down: the source that counts more, then the later start, of equal starts not the root, then
-- the greater span id, then the newer copy. One number instead of five columns a field: most of what it costs to look a trace
-- up is the number of columns. 3 bits rank (bitShiftRight(said, 253); 0: not said), 64 time in Unix ns, 1 child, 64 span id,
-- 124 revision: spans.version without the three highest bits of its lower half (log offsets are below 2^41) and its sign.

CREATE TABLE IF NOT EXISTS trace_parts
(
    project_id     LowCardinality(String) COMMENT 'Project of the trace' CODEC(ZSTD(1)),
    hour           DateTime('UTC') COMMENT 'Hour in which the spans of this part of the trace start' CODEC(DoubleDelta, ZSTD(1)),
    trace_id       String COMMENT 'Trace id, 32 lower-case hex digits' CODEC(ZSTD(1)),
    retention_days UInt32 COMMENT 'Days that the spans are kept; 0 = for ever' CODEC(ZSTD(1)),
    start_time     SimpleAggregateFunction(min, DateTime64(9, 'UTC')) COMMENT 'Earliest start' CODEC(DoubleDelta, ZSTD(1)),
    last_start     SimpleAggregateFunction(max, DateTime64(9, 'UTC')) COMMENT 'Latest start' CODEC(DoubleDelta, ZSTD(1)),
    first          SimpleAggregateFunction(min, Tuple(said UInt256, name String, environment String)) COMMENT 'The first span: earliest start, of equal ones the root, then the smaller span id, of its copies the newest' CODEC(ZSTD(1)),
    end_time       SimpleAggregateFunction(max, DateTime64(9, 'UTC')) COMMENT 'Latest end' CODEC(DoubleDelta, ZSTD(1)),
    name           SimpleAggregateFunction(max, Tuple(said UInt256, value String)) COMMENT 'Name. Rank 4: said to be the name of the trace; 3: name of a root; 2: a root without a name; 1: name of the root of the application''s part' CODEC(ZSTD(1)),
    user_id        SimpleAggregateFunction(max, Tuple(said UInt256, value String)) COMMENT 'User. Rank 1' CODEC(ZSTD(1)),
    session_id     SimpleAggregateFunction(max, Tuple(said UInt256, value String)) COMMENT 'Session. Rank 2; 1 when it comes from gen_ai.conversation.id' CODEC(ZSTD(1)),
    release        SimpleAggregateFunction(max, Tuple(said UInt256, value String)) COMMENT 'Release. Rank 3: attribute of a span; 2: of a root''s resource; 1: of the resource of another span that says something of its trace' CODEC(ZSTD(1)),
    version        SimpleAggregateFunction(max, Tuple(said UInt256, value String)) COMMENT 'Version of the application. Ranks as of release' CODEC(ZSTD(1)),
    input          SimpleAggregateFunction(max, Tuple(said UInt256, value String)) COMMENT 'Preview of the input. Rank 1' CODEC(ZSTD(1)),
    output         SimpleAggregateFunction(max, Tuple(said UInt256, value String)) COMMENT 'Preview of the output. Rank 1' CODEC(ZSTD(1)),
    public         SimpleAggregateFunction(max, UInt8) COMMENT '1 when a span says that the trace is public' CODEC(ZSTD(1)),
    tags           SimpleAggregateFunction(groupUniqArrayArray, Array(String)) COMMENT 'Tags of all spans, in no order' CODEC(ZSTD(1)),
    metadata       SimpleAggregateFunction(maxMap, Map(String, Tuple(said UInt256, value String))) COMMENT 'Metadata: the latest value of each key' CODEC(ZSTD(1)),

    INDEX by_trace_id trace_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_user tupleElement(user_id, 'value') TYPE bloom_filter GRANULARITY 1,
    INDEX by_session tupleElement(session_id, 'value') TYPE bloom_filter GRANULARITY 1
)
ENGINE = AggregatingMergeTree
PARTITION BY (retention_days, toMonday(hour))
ORDER BY (project_id, hour, trace_id)
TTL if(retention_days = 0, toDateTime(4294967295, 'UTC'), toDateTime(least(toUnixTimestamp(hour) + 3600 + 86400 * toUInt64(retention_days), 4294967295), 'UTC'))
SETTINGS non_replicated_deduplication_window = 0, replicated_deduplication_window = 0,
         fsync_after_insert = 1, fsync_part_directory = 1,
         ttl_only_drop_parts = 1
COMMENT 'What the spans of a trace say about it, by the hour of their start, one or more rows an hour; the view traces puts it together';

-- What one inserted block adds. Most spans have nothing to say but when they ran: the conditions keep the rest of the work away
-- from them.
CREATE MATERIALIZED VIEW IF NOT EXISTS trace_parts_from_spans TO trace_parts
AS
WITH
    NOT s.is_root AS child,
    bitShiftLeft(toUInt256(toUInt64(toUnixTimestamp64Nano(s.start_time))), 189) + bitShiftLeft(toUInt256(child), 188)
        + bitShiftLeft(toUInt256(byteSwap(reinterpretAsUInt64(unhex(s.span_id)))), 124) AS place,
    bitShiftLeft(bitAnd(bitShiftRight(s.version, 64), toUInt128(9223372036854775807)), 61)
        + bitAnd(s.version, toUInt128(2305843009213693951)) AS revision,
    place + revision AS at,
    s.is_root OR s.user_id != '' OR s.session_id != '' OR notEmpty(s.tags) OR s.trace_name != '' OR s.trace_input != ''
        OR s.trace_output != '' OR isNotNull(s.trace_public) OR notEmpty(s.trace_metadata) OR s.release_is_own
        OR s.app_version_is_own AS contributes
SELECT
    s.project_id AS project_id,
    toStartOfHour(s.start_time) AS hour,
    s.trace_id AS trace_id,
    s.retention_days AS retention_days,
    min(s.start_time) AS start_time,
    max(s.start_time) AS last_start,
    min((place + bitXor(revision, bitShiftLeft(toUInt128(1), 124) - 1), substringUTF8(s.observation_name, 1, 1000), s.environment)) AS first,
    max(s.end_time) AS end_time,
    maxIf(
        (
            bitShiftLeft(toUInt256(multiIf(s.trace_name != '', 4, child, 1, s.observation_name != '', 3, 2)), 253) + at,
            substringUTF8(if(s.trace_name != '', s.trace_name, s.observation_name), 1, 1000)
        ),
        s.trace_name != '' OR s.is_root OR (s.is_app_root AND s.observation_name != '')
    ) AS name,
    maxIf((bitShiftLeft(toUInt256(1), 253) + at, s.user_id), s.user_id != '') AS user_id,
    maxIf(
        (bitShiftLeft(toUInt256(if(s.session_is_conversation, 1, 2)), 253) + at, s.session_id), s.session_id != ''
    ) AS session_id,
    maxIf(
        (bitShiftLeft(toUInt256(multiIf(s.release_is_own, 3, s.is_root, 2, 1)), 253) + at, s.release),
        s.release != '' AND contributes
    ) AS release,
    maxIf(
        (bitShiftLeft(toUInt256(multiIf(s.app_version_is_own, 3, s.is_root, 2, 1)), 253) + at, s.app_version),
        s.app_version != '' AND contributes
    ) AS version,
    maxIf(
        (
            bitShiftLeft(toUInt256(1), 253) + at,
            if(
                s.trace_input = '' OR (s.is_root AND notEmpty(s.tool_definitions) AND NOT mapContains(s.attributes_string, 'langfuse.trace.input')),
                s.input_preview,
                trimBoth(replaceRegexpAll(substringUTF8(s.trace_input, 1, 300), '\\s+', ' '))
            )
        ),
        s.trace_input != '' OR (s.is_root AND s.input != '')
    ) AS input,
    maxIf(
        (
            bitShiftLeft(toUInt256(1), 253) + at,
            if(
                s.trace_output = '', s.output_preview,
                trimBoth(replaceRegexpAll(substringUTF8(s.trace_output, 1, 300), '\\s+', ' '))
            )
        ),
        s.trace_output != '' OR (s.is_root AND s.output != '')
    ) AS output,
    max(ifNull(s.trace_public, false)) AS public,
    groupUniqArrayArrayIf(CAST(s.tags, 'Array(String)'), notEmpty(s.tags)) AS tags,
    maxMapIf(
        mapFromArrays(
            CAST(mapKeys(s.trace_metadata), 'Array(String)'),
            arrayMap(value -> (at, value), mapValues(s.trace_metadata))
        ),
        notEmpty(s.trace_metadata)
    ) AS metadata
FROM spans AS s
GROUP BY project_id, hour, trace_id, retention_days
COMMENT 'Feeds trace_parts';

-- The spans that were there before, by the same words. Those that come in meanwhile are told twice, which changes nothing.
INSERT INTO trace_parts (project_id, hour, trace_id, retention_days, start_time, last_start, first, end_time, name, user_id, session_id, release, version, input, output, public, tags, metadata)
WITH
    NOT s.is_root AS child,
    bitShiftLeft(toUInt256(toUInt64(toUnixTimestamp64Nano(s.start_time))), 189) + bitShiftLeft(toUInt256(child), 188)
        + bitShiftLeft(toUInt256(byteSwap(reinterpretAsUInt64(unhex(s.span_id)))), 124) AS place,
    bitShiftLeft(bitAnd(bitShiftRight(s.version, 64), toUInt128(9223372036854775807)), 61)
        + bitAnd(s.version, toUInt128(2305843009213693951)) AS revision,
    place + revision AS at,
    s.is_root OR s.user_id != '' OR s.session_id != '' OR notEmpty(s.tags) OR s.trace_name != '' OR s.trace_input != ''
        OR s.trace_output != '' OR isNotNull(s.trace_public) OR notEmpty(s.trace_metadata) OR s.release_is_own
        OR s.app_version_is_own AS contributes
SELECT
    s.project_id AS project_id,
    toStartOfHour(s.start_time) AS hour,
    s.trace_id AS trace_id,
    s.retention_days AS retention_days,
    min(s.start_time) AS start_time,
    max(s.start_time) AS last_start,
    min((place + bitXor(revision, bitShiftLeft(toUInt128(1), 124) - 1), substringUTF8(s.observation_name, 1, 1000), s.environment)) AS first,
    max(s.end_time) AS end_time,
    maxIf(
        (
            bitShiftLeft(toUInt256(multiIf(s.trace_name != '', 4, child, 1, s.observation_name != '', 3, 2)), 253) + at,
            substringUTF8(if(s.trace_name != '', s.trace_name, s.observation_name), 1, 1000)
        ),
        s.trace_name != '' OR s.is_root OR (s.is_app_root AND s.observation_name != '')
    ) AS name,
    maxIf((bitShiftLeft(toUInt256(1), 253) + at, s.user_id), s.user_id != '') AS user_id,
    maxIf(
        (bitShiftLeft(toUInt256(if(s.session_is_conversation, 1, 2)), 253) + at, s.session_id), s.session_id != ''
    ) AS session_id,
    maxIf(
        (bitShiftLeft(toUInt256(multiIf(s.release_is_own, 3, s.is_root, 2, 1)), 253) + at, s.release),
        s.release != '' AND contributes
    ) AS release,
    maxIf(
        (bitShiftLeft(toUInt256(multiIf(s.app_version_is_own, 3, s.is_root, 2, 1)), 253) + at, s.app_version),
        s.app_version != '' AND contributes
    ) AS version,
    maxIf(
        (
            bitShiftLeft(toUInt256(1), 253) + at,
            if(
                s.trace_input = '' OR (s.is_root AND notEmpty(s.tool_definitions) AND NOT mapContains(s.attributes_string, 'langfuse.trace.input')),
                s.input_preview,
                trimBoth(replaceRegexpAll(substringUTF8(s.trace_input, 1, 300), '\\s+', ' '))
            )
        ),
        s.trace_input != '' OR (s.is_root AND s.input != '')
    ) AS input,
    maxIf(
        (
            bitShiftLeft(toUInt256(1), 253) + at,
            if(
                s.trace_output = '', s.output_preview,
                trimBoth(replaceRegexpAll(substringUTF8(s.trace_output, 1, 300), '\\s+', ' '))
            )
        ),
        s.trace_output != '' OR (s.is_root AND s.output != '')
    ) AS output,
    max(ifNull(s.trace_public, false)) AS public,
    groupUniqArrayArrayIf(CAST(s.tags, 'Array(String)'), notEmpty(s.tags)) AS tags,
    maxMapIf(
        mapFromArrays(
            CAST(mapKeys(s.trace_metadata), 'Array(String)'),
            arrayMap(value -> (at, value), mapValues(s.trace_metadata))
        ),
        notEmpty(s.trace_metadata)
    ) AS metadata
FROM spans AS s
GROUP BY project_id, hour, trace_id, retention_days
SETTINGS max_partitions_per_insert_block = 0, max_bytes_before_external_group_by = 500000000, final = 0;

CREATE VIEW IF NOT EXISTS traces
(
    project_id     LowCardinality(String) COMMENT 'Project of the trace',
    trace_id       String COMMENT 'Trace id, 32 lower-case hex digits',
    name           String COMMENT 'Name: as a span says it (langfuse.trace.name), else of the root, else of the root of the application''s part, else of the first span',
    user_id        String COMMENT 'User: the latest that a span says, empty for none',
    session_id     String COMMENT 'Session: the latest that a span says, empty for none',
    tags           Array(String) COMMENT 'Tags of all its spans, sorted',
    environment    String COMMENT 'Deployment environment of its first span',
    release        String COMMENT 'Release of the application, empty for none',
    version        String COMMENT 'Version of the application, empty for none',
    public         Bool COMMENT 'Whether a span says that it is public',
    metadata       Map(String, String) COMMENT 'What is noted on it, flat; of each key the latest value',
    input_preview  String COMMENT 'One line of its input',
    output_preview String COMMENT 'One line of its output',
    start_time     DateTime64(9, 'UTC') COMMENT 'Earliest start of a span',
    end_time       DateTime64(9, 'UTC') COMMENT 'Latest end of a span',
    duration_ns    UInt64 COMMENT 'end_time - start_time in nanoseconds'
)
AS
SELECT
    p.project_id AS project_id,
    p.trace_id AS trace_id,
    if(max(p.name).said = 0, min(p.first).name, max(p.name).value) AS name,
    max(p.user_id).value AS user_id,
    max(p.session_id).value AS session_id,
    arraySort(groupUniqArrayArray(p.tags)) AS tags,
    min(p.first).environment AS environment,
    max(p.release).value AS release,
    max(p.version).value AS version,
    toBool(max(p.public)) AS public,
    mapApply((key, said) -> (key, tupleElement(said, 'value')), maxMap(p.metadata)) AS metadata,
    max(p.input).value AS input_preview,
    max(p.output).value AS output_preview,
    min(p.start_time) AS start_time,
    max(p.end_time) AS end_time,
    toUInt64(toUnixTimestamp64Nano(max(p.end_time)) - toUnixTimestamp64Nano(min(p.start_time))) AS duration_ns
FROM trace_parts AS p
GROUP BY p.project_id, p.trace_id
SETTINGS final = 0
COMMENT 'One row a trace, put together from its spans in whatever order they came; sums (tokens, cost) come from spans';
