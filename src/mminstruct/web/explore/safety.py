"""What stands before every view: who may ask, how much they may send, and what the browser may do with the answer.

    request ─► Host ours? ─► token (where others can reach us) ─► same origin (where it changes something) ─► view
    answer  ─► Content-Security-Policy and kin on all

A page of any other site can send requests to a server on this machine (and with a DNS name of its own that points here,
read the answers): that is what Host and Origin are checked against.
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
import secrets
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mminstruct.web.explore.replies import refusal

_LARGEST_BODY = 32 * 2**20  # bytes; a lasso around a million samples has 19 a sample
_POLICY = (
    "default-src 'none'; script-src 'self'{eval}; style-src 'self'; img-src 'self' data:{blob}; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_STRICT = _POLICY.format(eval="", blob="")
_OF_MAP = (
    _POLICY.format(eval=" 'unsafe-eval'", blob=" blob:") + "; worker-src 'self' blob:"
)  # regl compiles its draw calls
_SAFE_METHODS = {"GET", "HEAD"}

_log = logging.getLogger(__name__)


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine's own, which nobody else can reach.

    >>> is_loopback("localhost"), is_loopback("127.0.0.2"), is_loopback("[::1]"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    if host.lower() in ("localhost", "localhost."):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return host == ""


class Guard:
    """Which hosts the server answers as, and the token that it asks for where others can reach it.

    `host` is what the server listens on. Loopback alone needs no token.
    """

    def __init__(self, host: str = "127.0.0.1", token: str | None = None) -> None:
        self.host = host
        self.token = token or ("" if is_loopback(host) else secrets.token_urlsafe(24))

    def knows(self, host_header: str) -> bool:
        """Tell whether a request's Host header names us; the port may be another, as through an SSH tunnel."""
        name = _host_name(host_header)
        if not name:
            return False
        # Who listens on all addresses cannot know its names; there the token alone keeps other sites out.
        return is_loopback(name) or _is_wildcard(self.host) or name == self.host.strip("[]").lower()

    def accepts(self, token: str) -> bool:
        """Compare a token in constant time."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode())


class Guarded:
    """The guard as ASGI middleware, around the whole app."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer it with why not."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:  # nothing here speaks WebSocket
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _add_headers(MutableHeaders(scope=message), scope["path"])
            await send(message)

        answer = self._refusal(HTTPConnection(scope)) or self._app
        try:
            await answer(scope, _bounded(receive), send_guarded)
        except _TooLong:
            await refusal(413, f"The request has more than {_LARGEST_BODY:,} bytes.")(scope, receive, send_guarded)
        except Exception:  # a bug in one view must not close the others
            _log.exception("A request failed: %s %s", scope["method"], scope["path"])
            if started:
                raise
            why = "The server met a fault of its own; its terminal shows the trace. Everything else goes on."
            await refusal(500, why)(scope, receive, send_guarded)

    def _refusal(self, asked: HTTPConnection) -> ASGIApp | None:
        """Return the answer to a request that is not let through; None for one that is."""
        headers = asked.headers
        if not self._guard.knows(headers.get("host", "")):
            return refusal(
                403, "This server answers under its own address alone; open the one that the terminal shows."
            )
        if self._guard.token and (response := self._without_token(asked)):
            return response
        if asked.scope["method"] in _SAFE_METHODS:
            return None
        if not _is_same_origin(headers):
            return refusal(403, "Changes are taken from the explorer's own pages alone.")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return refusal(403, "Changes are taken as application/json alone.")
        return None

    def _without_token(self, asked: HTTPConnection) -> ASGIApp | None:
        """Return None for who has the cookie; else the redirect that sets it, or a refusal."""
        name = f"mminstruct_{(asked.scope.get('server') or ('', 0))[1]}"  # cookies know no ports
        if self._guard.accepts(asked.cookies.get(name, "")):
            return None
        if asked.scope["method"] == "GET" and self._guard.accepts(asked.query_params.get("token", "")):
            rest = [(key, value) for key, value in parse_qsl(asked.url.query, True) if key != "token"]
            # Slashes at the start would name another host.
            place = "/" + asked.url.path.lstrip("/\\") + (f"?{urlencode(rest)}" if rest else "")
            response = RedirectResponse(place, 303)
            response.set_cookie(name, self._guard.token, httponly=True, samesite="strict", path="/")
            return response
        return refusal(401, "This server needs its token: open the whole address that the terminal shows.")


class _TooLong(Exception):
    """A request's body is longer than any of ours."""


def _bounded(receive: Receive) -> Receive:
    """Return `receive`, raising _TooLong once the body is over the limit, whatever its headers say."""
    n_bytes = 0

    async def receive_bounded() -> Message:
        nonlocal n_bytes
        message = await receive()
        n_bytes += len(message.get("body", b""))
        if n_bytes > _LARGEST_BODY:
            raise _TooLong
        return message

    return receive_bounded


def _is_same_origin(headers: Headers) -> bool:
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site") == "same-origin"
    return urlsplit(origin).netloc.lower() == headers.get("host", "").lower() != ""


def _host_name(host_header: str) -> str:
    """Return the name or address of a Host header, without its port; "" where it is malformed."""
    try:
        parts = urlsplit(f"//{host_header}")
        _ = parts.port
    except ValueError:
        return ""
    return (parts.hostname or "") if parts.netloc == host_header and "@" not in host_header else ""


def _add_headers(headers: MutableHeaders, path: str) -> None:
    headers["Content-Security-Policy"] = _OF_MAP if path == "/map" else _STRICT
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if "cache-control" not in headers:
        headers["Cache-Control"] = "no-cache"
