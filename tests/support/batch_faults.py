"""What can go wrong with a call to `BatchServer`."""

from __future__ import annotations

import asyncio
import threading

from aiohttp import web

from support.batch_server import Fault, Handler, error


def refuse(code: int, message: str = "no", headers: dict[str, str] | None = None) -> Fault:
    """Return a fault: an HTTP status in place of the call."""

    async def fault(request: web.Request, handler: Handler) -> web.StreamResponse:
        await request.read()
        return error(code, message, headers)

    return fault


async def html(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 200 with a page of HTML."""
    await request.read()
    return web.Response(text="<html>We are back soon.</html>", content_type="text/html")


async def cut_off(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Close the connection before anything is done."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def answer_lost(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Do what was asked, and close the connection instead of saying so."""
    await handler(request)
    return await cut_off(request, handler)


def half_of_it(go_on: threading.Event) -> Fault:
    """Return a fault that sends the first half of what the handler would send, waits, and closes the connection."""

    async def fault(request: web.Request, handler: Handler) -> web.StreamResponse:
        whole = await handler(request)
        assert isinstance(whole, web.Response) and isinstance(whole.body, bytes)
        response = web.StreamResponse(headers={"Content-Length": str(len(whole.body))})
        await response.prepare(request)
        await response.write(whole.body[: len(whole.body) // 2])
        await asyncio.to_thread(go_on.wait)
        return await cut_off(request, handler)

    return fault


class Held:
    """A fault that does what was asked, or does not, and gives no answer: the moment to kill who asked."""

    def __init__(self, done: bool) -> None:
        self.reached = threading.Event()
        self._done = done

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._done:
            await handler(request)
        else:
            await request.read()
        self.reached.set()
        await asyncio.sleep(600)  # the server cancels it once its client is gone
        return web.Response()
