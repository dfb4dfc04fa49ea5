"""A real HTTP server that speaks the OpenAI protocol, answers deterministically, and misbehaves on request."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import re
import threading
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from types import TracebackType
from typing import Any

from aiohttp import web

from support.patience import PATIENCE_S

Body = dict[str, Any]
Misdeed = web.StreamResponse | None
Fault = Callable[[web.Request], Misdeed | Awaitable[Misdeed]]
"""Looks at a request and returns what to send instead of a good reply; None closes the connection."""


class LlmServer:
    """Serves `/v1/chat/completions` on a free loopback port from a thread of its own. Use as a context manager.

    `received` holds every body (`arrivals`: its `time.monotonic`), `requests` those that were answered well;
    `faults` are used up one a request, oldest first.
    """

    def __init__(self, latency_s: float = 0.0, reply: Callable[[Body], str] | None = None) -> None:
        self.received: list[Body] = []
        self.arrivals: list[float] = []
        self.requests: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.most_in_flight = 0
        self.faults: list[Fault] = []
        self.always: Callable[[Body], Fault | None] = lambda body: None
        self._latency_s = latency_s
        self._reply = reply or plausible_reply
        self._in_flight = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.port = 0

    @property
    def n_received(self) -> int:
        return len(self.received)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def vanish(self) -> None:
        """Break every connection and refuse new ones, as a process that was killed."""
        asyncio.run_coroutine_threadsafe(self.break_down(), self._loop).result(10)

    def come_back(self) -> None:
        """Listen again, on the same port."""
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def __enter__(self) -> LlmServer:
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._loop.call_soon(self._ready.set)  # from within run_forever, or an early stop would be lost
        self._loop.run_forever()
        self._break_connections()  # or one that nobody reads from would outlive the loop
        self._loop.run_until_complete(self._runner.cleanup())
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_post("/v1/completions", self._complete)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._listen()

    async def _listen(self) -> None:
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await self._site.start()
        self.port = self._runner.addresses[0][1]

    async def break_down(self) -> None:
        """Do what `vanish` does; for faults, which run in the server's own loop."""
        await self._site.stop()
        self._break_connections()

    def _break_connections(self) -> None:
        assert self._runner.server is not None
        for connection in self._runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            return await self._answer(request)
        finally:
            self._in_flight -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.received.append(body)
        self.arrivals.append(time.monotonic())
        fault = self.faults.pop(0) if self.faults else self.always(body)
        if fault is not None:
            misdeed = fault(request)
            response = await misdeed if isawaitable(misdeed) else misdeed
            if response is None:
                assert request.transport is not None
                request.transport.close()
                return web.Response()
            return response
        if self._latency_s:
            await asyncio.sleep(self._latency_s)
        text = self._reply(body)
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        return web.json_response(completion(text, "messages" in body))


def completion(text: str, chat: bool = True, finish_reason: str = "stop") -> Body:
    """Return a body as an OpenAI-compatible endpoint sends it."""
    choice: Body = {"index": 0, "finish_reason": finish_reason}
    choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    return {"choices": [choice], "usage": {"prompt_tokens": 100, "completion_tokens": len(text.split())}}


def status(code: int, message: str = "no", headers: dict[str, str] | None = None) -> Fault:
    """Return a fault that answers with an HTTP status and an error body of the OpenAI form."""
    return lambda request: web.json_response({"error": {"message": message}}, status=code, headers=headers)


_FORMS = (
    "a short poem", "an advert", "a travel postcard", "a bedtime story", "a news report", "a safety notice",
    "a museum label", "a radio script", "a letter to a friend", "a lesson for children", "a product review",
    "a song text", "a diary entry", "a film pitch", "a weekend plan", "a shopping list", "a speech", "a riddle",
)  # fmt: skip
_READERS = (
    "tourists", "pupils", "engineers", "parents", "gardeners", "cooks", "collectors", "neighbours", "readers abroad",
    "night workers", "sailors", "painters", "doctors", "runners", "beginners", "judges", "farmers", "musicians",
)  # fmt: skip
_ABOUT = ("the mood of the image", "the main thing shown", "the place in the image", "the colours of the scene")
_PHRASES = (
    "Look first at the {0}, and then let the {1} lead you on.",
    "Nobody forgets a {0} like this beside a {1}.",
    "Between {0} and {1} there is room for a whole morning.",
    "Bring good shoes, a friend and some time for the {0}; the {1} does the rest.",
    "My grandmother would have called this {0} a gift, and the {1} a promise.",
    "Why hurry? The {0} waits, and so does the {1}.",
    "A quiet word about the {0}: it belongs with the {1} as salt belongs in bread.",
    "Everything turns on the {0} here, while the {1} keeps its secret.",
    "Take the {0} as a beginning and the {1} as the end of your tale.",
    "There stands the {0}; there, too, is the {1}, bright as a bell.",
)  # fmt: skip
_SHOWN = (
    "a striped lighthouse", "a rusty tractor", "two grey horses", "a market stall", "a child in a red coat",
    "a stone bridge", "a flock of gulls", "an open umbrella", "a green door", "a pile of oranges", "a bicycle",
    "a sleeping dog", "a paper lantern", "a wooden boat", "a snowy mountain", "a man with a violin", "a copper kettle",
)  # fmt: skip


def plausible_reply(body: Body) -> str:
    """Return an instruction, an answer, a description or a check that depends on nothing but the request."""
    asked = body["messages"][-1]["content"]
    if isinstance(asked, list):  # with pictures
        asked = asked[-1]["text"]
    dice = random.Random(hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest())
    if "Which statements of this description" in asked:
        return '{"unsupported": [], "supported": true}'
    if "Describe the image" in asked:
        shown = dice.sample(_SHOWN, 6)
        return "A photograph of {}, with {} before it and {} beside. Far behind: {}, {} and {}.".format(*shown)
    if "one new instruction" in asked or "one general instruction" in asked:
        return f"Write {dice.choice(_FORMS)} for {dice.choice(_READERS)} about {dice.choice(_ABOUT)}."
    nouns = sorted(set(re.findall(r"[a-z]{5,}", asked.lower()))) or ["image"]
    phrases = dice.sample(_PHRASES, 5)
    return " ".join(phrase.format(dice.choice(nouns), dice.choice(nouns)) for phrase in phrases)
