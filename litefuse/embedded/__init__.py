"""The embedded ClickHouse: chDB behind an HTTP front of ours (architecture sections 1 and 3).

    files       what it keeps in the data directory; the lock
    config      the engine's configuration: grants without sources
    engine      sessions in threads; running: one statement under way, and its wait for a thread
    writes      writes that fail, which chDB passes over
    statement   one statement: its kind, where its data begins
    gate        what the reader may run
    limits      settings of a request
    protocol    ClickHouse's HTTP protocol, pure; blocks: its compressed stream; sqlerror: its errors
    body, front the server
    embedded    open all of it

chDB is imported by `open_embedded` alone: a plain install has everything else.
"""

from litefuse.embedded.embedded import Embedded, open_embedded

__all__ = ["Embedded", "open_embedded"]
