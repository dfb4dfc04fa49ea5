"""A stub endpoint with a limit that its clients do not know, and that can be changed while it serves.

    python benchmarks/hidden_limit_server.py --kind refuse --limit 48
    http://127.0.0.1:43127                      the address, printed once it listens

`refuse`: beyond `limit` requests in flight the answer is 429, without Retry-After. `queue`: `limit` are worked on at
a time, and the others wait their turn. `rate`: `limit` a second, in a bucket of a tenth of a second; beyond it 429.
`POST /limit/N` changes the limit, `GET /stats` tells `replies` and `refused` so far.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time

from aiohttp import web

LATENCY_S = 0.05  # plus or minus a fifth
REPLY = {"choices": [{"message": {"content": "Fine."}, "finish_reason": "stop"}], "usage": {}}


class Limited:
    """The endpoint and its counts."""

    def __init__(self, kind: str, limit: int) -> None:
        self._kind = kind
        self._limit = limit
        self._in_flight = 0
        self._room = asyncio.Condition()
        self._tokens, self._filled = 0.0, time.monotonic()
        self._replies = self._refused = 0

    async def complete(self, request: web.Request) -> web.Response:
        """Answer one request, or refuse it."""
        await request.read()
        if not self._admit():
            self._refused += 1
            return web.json_response({"error": {"message": "too many requests"}}, status=429)
        async with self._room:
            await self._room.wait_for(lambda: self._kind != "queue" or self._in_flight < self._limit)
            self._in_flight += 1
        await asyncio.sleep(LATENCY_S * random.uniform(0.8, 1.2))
        async with self._room:
            self._in_flight -= 1
            self._room.notify()
        self._replies += 1
        return web.json_response(REPLY)

    def _admit(self) -> bool:
        if self._kind == "refuse":
            return self._in_flight < self._limit
        if self._kind == "rate":
            now = time.monotonic()
            self._tokens = min(self._limit / 10, self._tokens + (now - self._filled) * self._limit)
            self._filled = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
        return True

    async def change(self, request: web.Request) -> web.Response:
        """Set another limit."""
        self._limit = int(request.match_info["limit"])
        return web.Response()

    async def stats(self, request: web.Request) -> web.Response:
        """Tell the counts."""
        return web.json_response({"replies": self._replies, "refused": self._refused})


async def serve(kind: str, limit: int) -> None:
    """Listen on loopback, print the address, and go on until the process is ended."""
    limited = Limited(kind, limit)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", limited.complete)
    app.router.add_post("/limit/{limit}", limited.change)
    app.router.add_get("/stats", limited.stats)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    sys.stdout.write(f"http://127.0.0.1:{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=["refuse", "queue", "rate"], required=True)
    parser.add_argument("--limit", type=int, required=True)
    options = parser.parse_args()
    asyncio.run(serve(options.kind, options.limit))


if __name__ == "__main__":
    main()
