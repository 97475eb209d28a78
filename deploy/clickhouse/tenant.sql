-- A login for one project's people: they type any SQL and see rows of their project only.
-- Copy for each project; replace acme (login), ACME-PROJECT-ID (see `litefuse keys list`) and the password. After users.sql.

CREATE USER IF NOT EXISTS acme IDENTIFIED WITH sha256_password BY 'CHANGE-ME' SETTINGS PROFILE 'litefuse_reading';
GRANT SELECT ON litefuse.spans TO acme;
CREATE ROW POLICY IF NOT EXISTS acme_spans ON litefuse.spans FOR SELECT USING project_id = 'ACME-PROJECT-ID' TO acme;

-- No grant on api_keys, projects or system tables, and none for file, url, remote or other sources: nothing else is readable.
CREATE QUOTA IF NOT EXISTS acme FOR INTERVAL 1 HOUR MAX queries = 10000, execution_time = 3600 TO acme;
