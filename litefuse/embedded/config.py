"""The engine's configuration files. They exist for one thing: grants without sources.

chDB has one user and makes no others, but takes its grants from a file. Left out of them are READ and WRITE on files,
URLs, S3 and every other source: the engine itself refuses `file()`, `url()`, `s3()`, `mysql()`, tables with such engines,
and `FROM '/etc/passwd'`, which chDB's database `default` would open. That holds for both logins: whoever gets hold of a
password gets at the tables and not at the machine.
"""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

from litefuse.errors import ConfigError

#: No TABLE ENGINE: engines that read nothing from outside need no grant, and with it others would need none either. No
#: CREATE DICTIONARY: its sources are not asked for grants.
_GRANTS = (
    "GRANT SHOW, SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, CREATE FUNCTION, "
    "CREATE TEMPORARY TABLE, DROP, UNDROP TABLE, TRUNCATE, OPTIMIZE, CHECK, KILL QUERY, SYSTEM, dictGet ON *.*",
)

#: No insert and no merge begins that would leave less than this on the disk: it fails with 243, and can be tried again.
#: Needed because chDB (26.9) passes over a failed write: on a full disk it has stored broken parts, reported the insert as
#: done, and let broken merges take the place of good parts. What a block needs beyond its estimate (indexes) and what
#: others write meanwhile (the SQLite log) has to fit in here.
KEEP_FREE_BYTES = 1 << 30

_USERS = """<clickhouse>
  <profiles><default><allow_introspection_functions>0</allow_introspection_functions></default></profiles>
  <quotas><default/></quotas>
  <users>
    <default>
      <password></password>
      <profile>default</profile>
      <quota>default</quota>
      <networks><ip>::/0</ip></networks>
      <grants>
{grants}
      </grants>
    </default>
  </users>
</clickhouse>
"""

_SERVER = """<clickhouse>
  <!-- Written anew at each start. -->
  <users_config>{users}</users_config>
  <remote_url_allow_hosts></remote_url_allow_hosts>
  <storage_configuration>
    <disks><default><keep_free_space_bytes>{free}</keep_free_space_bytes></default></disks>
  </storage_configuration>
</clickhouse>
"""


def connection_string(data: Path) -> str:
    """Write the files beside `data`, the engine's directory, and return what chDB is opened with."""
    data = data.absolute()
    if set("?&") & set(str(data)):
        raise ConfigError(f"LITEFUSE_DATA_DIR: {str(data)!r} has a ? or & in it, which chDB takes for an option")
    place = data.with_name(f"{data.name}.config")
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    users = place / "users.xml"
    server = place / "config.xml"
    users.write_text(_USERS.format(grants="\n".join(f"        <query>{grant}</query>" for grant in _GRANTS)), "utf-8")
    server.write_text(_SERVER.format(users=escape(str(users)), free=KEEP_FREE_BYTES), "utf-8")
    return f"{data}?config-file={server}"
