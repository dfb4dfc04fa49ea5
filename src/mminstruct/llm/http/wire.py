"""HTTP/1.1 for one purpose: a JSON body goes to a known path, its response comes back whole, the connection stays open.

    async with Session() as session:
        route = session.route("http://127.0.0.1:8000/v1/chat/completions", headers)
        response = await route.post(body, timeout_s=300)

A general client (aiohttp, httpx) builds a request object, a task and a stream for every exchange, and that is more than
all else that a request costs us (benchmarks/results/request_engine.md). Here a request is one write and a response is
one parse. Not here, because no endpoint of this protocol needs it: redirects, cookies, proxies, HTTP/2.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from mminstruct import __version__
from mminstruct.llm.http.response import BodyTooLarge, ConnectionBroken, Response, ResponseReader

_CONNECT_TIMEOUT_S = 30.0
# Shorter than the usual server's own limit (5 s in uvicorn, so in vLLM, and in llama.cpp): a request on a connection
# that the server drops in that moment would be lost.
_LONGEST_IDLE_S = 4.0


class NoConnection(Exception):
    """Nobody could be reached; nothing was sent."""


class Origin(NamedTuple):
    """Whom a connection leads to."""

    host: str
    port: int
    is_secure: bool


class Session:
    """Open connections, by origin. Use as an asynchronous context manager."""

    def __init__(self) -> None:
        self._idle: dict[Origin, list[Connection]] = {}
        self._open: set[Connection] = set()
        self._security: ssl.SSLContext | None = None

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in list(self._open):
            connection.close()
        await asyncio.sleep(0)  # transports close in the loop's next turn

    def route(self, url: str, headers: Mapping[str, str]) -> Route:
        """Return the way to post to a URL with these headers."""
        return Route(self, url, headers)

    async def connection(self, origin: Origin, timeout_s: float) -> Connection:
        """Return an open connection, used before or new. Raises NoConnection."""
        idle, loop = self._idle.setdefault(origin, []), asyncio.get_running_loop()
        while idle:
            connection = idle.pop()
            if connection.is_open and loop.time() - connection.idle_since < _LONGEST_IDLE_S:
                return connection
            connection.close()
        if origin.is_secure and self._security is None:
            self._security = ssl.create_default_context()
        try:
            async with asyncio.timeout(timeout_s):
                _, connection = await loop.create_connection(
                    lambda: Connection(self._open),
                    origin.host,
                    origin.port,
                    ssl=self._security if origin.is_secure else None,
                    happy_eyeballs_delay=0.25,
                )
        except TimeoutError as error:
            raise NoConnection(f"no connection to {origin.host}:{origin.port} in {timeout_s:g} s") from error
        except (OSError, UnicodeError) as error:  # refused, no such host or name, a certificate that does not hold
            raise NoConnection(str(error)) from error
        return connection

    def put_back(self, origin: Origin, connection: Connection) -> None:
        """Keep a connection for the next request, if it can serve one."""
        if connection.is_open:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle[origin].append(connection)


class Route:
    """A URL and its headers, as the bytes that every request to it begins with."""

    def __init__(self, session: Session, url: str, headers: Mapping[str, str]) -> None:
        parts = urlsplit(url)
        is_secure = parts.scheme == "https"
        self._session = session
        self._origin = Origin(parts.hostname or "", parts.port or (443 if is_secure else 80), is_secure)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        fields = {
            "Host": parts.netloc.rpartition("@")[2],
            "User-Agent": f"mminstruct/{__version__}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            **headers,
        }
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            fields["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        if any(sign in line for line in lines for sign in "\r\n\0"):
            raise ValueError(f"{url}: found a line break in the address or in the key; expected one line")
        self._head = "\r\n".join([*lines, "Content-Length: "]).encode("latin-1", "backslashreplace")

    async def post(self, body: bytes, timeout_s: float) -> Response:
        """Send a body and return the response. Raises NoConnection, ConnectionBroken, BodyTooLarge, TimeoutError."""
        connection = await self._session.connection(self._origin, min(timeout_s, _CONNECT_TIMEOUT_S))
        timer = asyncio.get_running_loop().call_later(timeout_s, connection.fail, TimeoutError())
        try:
            response = await connection.send(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))
        except BaseException:
            connection.close()
            raise
        finally:
            timer.cancel()
        self._session.put_back(self._origin, connection)
        return response


class Connection(asyncio.Protocol):
    """One connection: a request goes out, its response comes in, then the next."""

    def __init__(self, everybody: set[Connection]) -> None:
        self.idle_since = 0.0
        self.is_open = False
        self._everybody = everybody
        self._reader = ResponseReader()
        self._response: asyncio.Future[Response] | None = None

    def send(self, request: bytes) -> asyncio.Future[Response]:
        """Write a request; the future gets its response, or one of the exceptions of `Route.post`."""
        self._response = asyncio.get_running_loop().create_future()
        self._reader = ResponseReader()
        if self.is_open:
            self._transport.write(request)
        else:
            self.fail(ConnectionBroken("the connection was closed"))
        return self._response

    def close(self) -> None:
        """End the connection."""
        if self.is_open:
            self.is_open = False
            self._transport.abort()

    def fail(self, error: Exception) -> None:
        """End the connection and give the error to who waits for the response."""
        self.close()
        if self._response is not None and not self._response.done():
            self._response.set_exception(error)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.is_open = True
        self._everybody.add(self)

    def data_received(self, data: bytes) -> None:
        """Read on; the response may be whole with it."""
        if self._response is None or self._response.done():
            self.close()  # what nobody asked for
            return
        try:
            response = self._reader.read(data)
        except (ConnectionBroken, BodyTooLarge) as error:
            self.fail(error)
            return
        if response is not None:
            if not self._reader.stays_open:
                self.close()
            self._response.set_result(response)

    def connection_lost(self, error: Exception | None) -> None:
        """End a response that had no length, or fail the one that is missing."""
        self.is_open = False
        self._everybody.discard(self)
        if self._response is not None and not self._response.done():
            response = self._reader.end() if error is None else None
            if response is not None:
                self._response.set_result(response)
            else:
                self._response.set_exception(ConnectionBroken(str(error) if error else "closed before the reply's end"))
