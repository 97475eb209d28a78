"""The HTTP server that every role uses: aiohttp, with the deadlines, bounds and error bodies that it does not have.

    server       serve(app, …) → Server: listen, bound connections, drain
    connection   deadlines of one connection: headers, idle, slow reading
    front        what happens around every handler: CORS, errors as `google.rpc.Status`, metrics
    routes       health, ready and metrics
    status       `google.rpc.Status` in the encoding of the request

Decompression is off (aiohttp answers 200 to truncated gzip): handlers inflate bodies themselves, within bounds.
"""

from litefuse.http.server import Limits, Server, serve

__all__ = ["Limits", "Server", "serve"]
