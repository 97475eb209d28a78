-- Prices that projects set for themselves (docs/prices.md). A row is never changed: a newer one of the same key replaces it.

CREATE TABLE IF NOT EXISTS prices
(
    project_id      String COMMENT 'Project whose calls it is for',
    model           String COMMENT 'Name of the model as spans have it; * in it stands for any text',
    provider        String COMMENT 'Provider as spans say it, empty for all',
    start_time      DateTime64(9, 'UTC') COMMENT 'Holds for calls from then on, until a later one; 1970 = always',
    usd_per_million Map(LowCardinality(String), Decimal(18, 6)) COMMENT 'USD per million tokens by rate: input, output, cache_read, cache_write, input_audio …; requests: per thousand calls',
    tiers           Array(Tuple(above UInt64, usd_per_million Map(LowCardinality(String), Decimal(18, 6)))) COMMENT 'Other prices for calls of more input tokens than this',
    updated_at      DateTime64(6, 'UTC') COMMENT 'When this row was written; the newest row of a price counts',
    deleted         Bool COMMENT 'The price is no more'
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY (project_id, model, provider, start_time)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Prices that projects set for themselves, over those of the catalogue; read with FINAL';
