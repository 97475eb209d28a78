-- Logins on a ClickHouse server. Run once, as a user that may manage access, after `litefuse migrate`; set passwords first.
-- Everything may run again.

-- The login of ingest, worker, web and migrate (LITEFUSE_CLICKHOUSE_URL).
CREATE USER IF NOT EXISTS litefuse IDENTIFIED WITH sha256_password BY 'CHANGE-ME';
GRANT SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW, TRUNCATE, OPTIMIZE ON litefuse.* TO litefuse;
GRANT SELECT ON system.parts TO litefuse;

-- What people get who may see every project: read only, bounded, and each span once.
CREATE SETTINGS PROFILE IF NOT EXISTS litefuse_reading SETTINGS
    final = 1,
    max_execution_time = 60 MAX 600,
    max_memory_usage = 4000000000 MAX 16000000000,
    max_result_rows = 1000000,
    readonly = 2;
CREATE ROLE IF NOT EXISTS litefuse_reader SETTINGS PROFILE 'litefuse_reading';
GRANT SELECT ON litefuse.spans TO litefuse_reader;
GRANT SELECT ON litefuse.projects TO litefuse_reader;

CREATE USER IF NOT EXISTS reader IDENTIFIED WITH sha256_password BY 'CHANGE-ME' DEFAULT ROLE litefuse_reader;
GRANT litefuse_reader TO reader;

-- A table with row policies shows nothing to those that no policy names, if the server is configured so
-- (users_without_row_policies_can_read_rows = false, which is recommended with tenants).
CREATE ROW POLICY IF NOT EXISTS litefuse_all_spans ON litefuse.spans FOR SELECT USING 1 TO litefuse, litefuse_reader;
CREATE ROW POLICY IF NOT EXISTS litefuse_all_projects ON litefuse.projects FOR SELECT USING 1 TO litefuse, litefuse_reader;
