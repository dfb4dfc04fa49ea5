"""What can go wrong with a request to `LlmServer`: each is a `Fault`, or gives one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from typing import Any

from aiohttp import web

from support.llm_server import Fault, Misdeed, completion

_MEBIBYTE = b"a" * 2**20
_GOOD = json.dumps(completion("Half of this never comes.")).encode()


def refuse(status: int, message: str = "no", headers: dict[str, str] | None = None, /, **fields: Any) -> Fault:
    """Return a fault: an HTTP status with an error object of the OpenAI form, and `fields` in that object."""
    body = {"error": {"message": message, **fields}}
    return lambda request: web.json_response(body, status=status, headers=headers)


def send(body: bytes | str | object, content_type: str = "application/json", **headers: str) -> Fault:
    """Return a fault: a 200 with these bytes, this text, or this object as JSON."""
    data = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    return lambda request: web.Response(body=data, content_type=content_type, headers=headers)


def redirect(place: str) -> Fault:
    """Return a fault: 307 to another place."""
    return lambda request: web.Response(status=307, headers={"Location": place})


def close(request: web.Request) -> Misdeed:
    """Close the connection before anything is sent."""
    return None


async def hang(request: web.Request) -> Misdeed:
    """Send nothing for longer than anybody waits."""
    await asyncio.sleep(600)  # the server cancels it once its client is gone
    return None


async def trickle(request: web.Request) -> Misdeed:
    """Send a good reply so slowly that it never ends: no pause is long, the whole is."""
    response = web.StreamResponse(headers={"Content-Length": str(len(_GOOD))})
    await response.prepare(request)
    for place in range(len(_GOOD)):
        await response.write(_GOOD[place : place + 1])
        await asyncio.sleep(0.1)
    return response


async def reset(request: web.Request) -> Misdeed:
    """Send half of a good reply, then reset the connection (RST, not FIN)."""
    response = web.StreamResponse(headers={"Content-Length": str(len(_GOOD))})
    await response.prepare(request)
    await response.write(_GOOD[: len(_GOOD) // 2])
    await asyncio.sleep(0.02)  # or the client sees the reset before the half
    assert request.transport is not None
    connection = request.transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()
    return response


class Huge:
    """A fault: a reply of `n_mebibytes`, its length announced or not; `n_sent` tells how much of each was taken."""

    def __init__(self, n_mebibytes: int, announced: bool) -> None:
        self.n_sent: list[int] = []
        self._n_mebibytes = n_mebibytes
        self._announced = announced

    async def __call__(self, request: web.Request) -> Misdeed:
        """Send it, until the client has had enough."""
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        if self._announced:
            response.content_length = self._n_mebibytes * len(_MEBIBYTE)
        await response.prepare(request)
        self.n_sent.append(0)
        with contextlib.suppress(ConnectionError):
            for _ in range(self._n_mebibytes):
                await response.write(_MEBIBYTE)
                self.n_sent[-1] += len(_MEBIBYTE)
        return response
