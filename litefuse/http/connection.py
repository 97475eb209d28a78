"""One HTTP connection, with the deadlines that aiohttp lacks (reliability rows 38 and 39).

A connection only notes when a phase began; one sweep a second over all of them closes those that are late, so that
a deadline costs a request next to nothing:

    headers     from the start of a new connection, and from the first byte of a later request, to the end of its headers
    body        from the end of the headers to the end of the body; whoever reads it then gets BodyTooSlow (408)
    idle        between two requests on a kept connection (aiohttp's own timer)
    slow reader the peer takes nothing of what we have to send
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, cast

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong

from litefuse.errors import RequestError
from litefuse.http.status import JSON, unrouted_body

if TYPE_CHECKING:
    from litefuse.http.server import Limits

logger = logging.getLogger("litefuse.http")

#: Bytes of one header line, and of the request line; more is answered with 431. Filters of the API are JSON in the URL.
MAX_FIELD = 8190
MAX_LINE = 65536
MAX_HEADERS = 128
#: Seconds in which an unread body is thrown away after the answer. Closing at once would reset the connection, and the
#: client might lose the answer (a 413, say) that tells it not to try again.
LINGER_S = 5.0

_BUSY_BODY = unrouted_body(503, "too many connections", "ServiceUnavailableError")
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 5\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_BUSY_BODY), _BUSY_BODY)
)


class BodyFailed(RequestError, TimeoutError):
    """The rest of a body will not come. A TimeoutError too: what aiohttp expects where it reads the rest of a body that its
    handler left."""


class BodyTooSlow(BodyFailed):
    """408: it did not arrive in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(408, f"the body did not arrive within {seconds:g} seconds", close=True)


class BodyBroken(BodyFailed):
    """400: its framing is broken. aiohttp tells only whoever reads the next request, which there is none of."""

    def __init__(self) -> None:
        super().__init__(400, "malformed HTTP body", close=True)


class Connection(web.RequestHandler):
    """aiohttp's protocol of one connection; what is ours is time and bounds."""

    __slots__ = ("_body", "_body_since", "_headers_since", "_limits", "_stuck_since")

    def __init__(self, manager: Any, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            manager,
            loop=loop,
            keepalive_timeout=limits.idle_s,
            access_log=cast(Any, None),
            auto_decompress=False,
            lingering_time=LINGER_S,
            max_line_size=limits.line,
            max_field_size=MAX_FIELD,
            max_headers=MAX_HEADERS,
        )
        self._limits = limits
        self._headers_since: float | None = None
        self._stuck_since: float | None = None
        self._body: StreamReader | None = None
        self._body_since = 0.0

    # -- what the transport calls --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        manager = self._manager
        if manager is None or len(manager.connections) >= self._limits.connections:
            self._force_close = True
            stream = cast(asyncio.Transport, transport)
            stream.write(_BUSY)
            stream.close()
            return
        self._headers_since = self._loop.time()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        parsed = self._request_count
        super().data_received(data)
        if self._request_count != parsed:
            self._headers_since = None
            if self._body is not None and not self._body.is_eof():
                self._body.set_exception(BodyBroken())  # a next request before its end: that is how errors come
            self._body = None
            # Only the last of several requests in one read can lack a part of its body.
            body = self._messages[-1][1]
            if not body.is_eof():
                self._body, self._body_since = body, self._loop.time()
        elif data and self._headers_since is None and self._waiter is not None:
            self._headers_since = self._loop.time()  # the first bytes of headers, not all of them

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stuck_since = self._loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stuck_since = None

    # -- what the sweep and the drain call -----------------------------------------------------------------------------

    def close_if_late(self, now: float) -> None:
        """Close when a deadline has passed. What a late client would be answered it would hardly read: no answer."""
        body = self._body
        if body is not None:
            if body.is_eof():
                self._body = None
            elif now - self._body_since >= self._limits.body_s:
                self._body = None
                body.set_exception(BodyTooSlow(self._limits.body_s))
        late = (
            self._headers_since is not None
            and self._waiter is not None
            and now - self._headers_since >= self._limits.header_s
        )
        if self._stuck_since is not None and now - self._stuck_since >= self._limits.idle_s:
            late = True
            if self.transport is not None:
                self.transport.abort()  # `close` would wait for the peer to read
        if late:
            self.force_close()

    def close_if_idle(self) -> None:
        """Close when no request is being received or answered."""
        if self._waiter is not None and not self._messages and self._current_request is None:
            self.force_close()

    # -- answers to what is not HTTP -----------------------------------------------------------------------------------

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Malformed HTTP. The texts are ours and fixed: aiohttp's quote the line, which may hold an Authorization header,
        to the log."""
        if isinstance(exc, LineTooLong) or (isinstance(exc, BadHttpMessage) and "Too many headers" in str(exc)):
            status = 431
            text = (
                f"the request line is longer than {self._limits.line} bytes, a header line longer than {MAX_FIELD}, "
                f"or there are more than {MAX_HEADERS} headers"
            )
        elif status == 400:
            text = "malformed HTTP request"
        else:
            text = "internal error"
            logger.error("request failed outside of its handler", exc_info=exc)
        logger.debug("malformed request", extra={"fields": {"status": status, "error": type(exc).__name__}})
        word = "InternalServerError" if status == 500 else "InvalidRequestError"
        response = web.Response(status=status, body=unrouted_body(status, text, word), content_type=JSON)
        response.force_close()
        return response
