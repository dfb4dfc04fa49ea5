"""The client whole, in virtual time: only the socket and the disk are stood in for, so that hours take no time.

What goes over the wire for real is tested with `LlmServer`; here it is what the client does about it, and when.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast
from unittest import mock

from mminstruct.errors import MMInstructError
from mminstruct.llm.chat import Reply, RequestFailed
from mminstruct.llm.endpoint import Endpoint
from mminstruct.llm.http import client
from mminstruct.llm.http.client import HttpChat
from mminstruct.llm.http.wire import Session
from mminstruct.llm.store.replies import ReplyStore
from support.fault_run import ask, row_of
from support.llm_server import Body, completion
from support.virtual_time import VirtualLoop

Serve = Callable[[str, int], Awaitable[dict[str, str] | None]]
"""Takes an address and a row; waits as long as the reply takes; returns its headers, or raises a Fault."""


class MemoryStore:
    """A store whose commits take two milliseconds."""

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {}

    async def find(self, request_id: str) -> Reply | None:
        return self.replies.get(request_id)

    async def put(self, reply: Reply, *_: object) -> None:
        await asyncio.sleep(0.002)
        self.replies[reply.request_id] = reply


class Wires:
    """A session whose routes are just their addresses."""

    def route(self, url: str, headers: object) -> str:
        return url


@dataclass
class Outcome:
    """What a run did, and when; times are seconds after its start."""

    replies: dict[int, Reply] = field(default_factory=dict)
    rejects: dict[int, RequestFailed] = field(default_factory=dict)
    stopped: str | None = None
    sent: list[tuple[float, str, int]] = field(default_factory=list)  # time, address, row
    took_s: float = 0.0
    most_in_flight: int = 0
    in_flight_at_end: int = 0
    stored: set[int] = field(default_factory=set)  # rows whose reply is in the store


def clock() -> float:
    """Return the seconds since the virtual loop began."""
    return asyncio.get_running_loop().time() - VirtualLoop.BEGIN_S


async def run_rows(
    serve: Serve,
    n_rows: int,
    addresses: tuple[str, ...] = ("http://a/v1",),
    until_s: float = 7 * 86_400.0,
    **settings: Any,
) -> Outcome:
    """Run so many rows against `serve`; call it within `run_virtually`."""
    outcome, in_flight, store = Outcome(), 0, MemoryStore()

    async def exchange(url: str, data: bytes, timeout_s: float) -> tuple[Body, dict[str, str]]:
        nonlocal in_flight
        address, row = url.removesuffix("/v1/chat/completions"), row_of(json.loads(data))
        outcome.sent.append((clock(), address, row))
        in_flight += 1
        outcome.most_in_flight = max(outcome.most_in_flight, in_flight)
        try:
            headers = await serve(address, row)
        finally:
            in_flight -= 1
        return completion(f"Reply to {row}"), headers or {}

    endpoint = Endpoint(addresses, "m", **settings)
    chat = HttpChat(endpoint, cast(ReplyStore, store), cast(Session, Wires()))

    rows = iter(range(n_rows))

    async def worker() -> None:
        for row in rows:
            try:
                outcome.replies[row] = await chat.ask(ask(row))
            except RequestFailed as failure:
                outcome.rejects[row] = failure

    with mock.patch.object(client, "exchange", exchange):
        try:
            async with asyncio.timeout(until_s), asyncio.TaskGroup() as group:
                for _ in range(chat.rows_at_once):
                    group.create_task(worker())
        except* MMInstructError as errors:
            outcome.stopped = str(errors.exceptions[0])
    outcome.took_s = clock()
    outcome.stored = {row for row in range(n_rows) if ask(row).request_id("m") in store.replies}
    outcome.in_flight_at_end = chat._addresses.in_flight
    return outcome
