"""Ten rows, a server that misbehaves, and what became of each row: the frame of every case in `fault_cases.py`."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from mminstruct.engines.local import run_shards
from mminstruct.errors import MMInstructError
from mminstruct.llm.chat import Message, Reply, Request, RequestFailed
from mminstruct.llm.endpoint import Endpoint
from mminstruct.llm.http import addresses, retries
from mminstruct.llm.http.client import HttpChat
from mminstruct.llm.http.wire import Session
from mminstruct.llm.store.replies import ReplyStore
from support.llm_server import Body, Fault, LlmServer
from support.patience import PATIENCE_S

FAULTY = frozenset({3, 7})
"""The rows that a fault hits, where it does not hit them all."""

Scene = Callable[[LlmServer], None]
"""Makes a server misbehave."""


@dataclass
class Observed:
    """What a run did, row by row."""

    replies: dict[int, Reply] = field(default_factory=dict)
    rejects: dict[int, RequestFailed] = field(default_factory=dict)
    stopped: str | None = None  # the message, where the run stopped
    n_asked: Counter[int] = field(default_factory=Counter)  # requests that the server got for each row
    pauses_s: dict[int, float] = field(default_factory=dict)  # between a row's first two requests
    answered: set[int] = field(default_factory=set)  # rows that the server says it has answered well
    stored: dict[int, Reply] = field(default_factory=dict)
    n_stored: int = 0


def ask(row: int) -> Request:
    """Return a row's request."""
    return Request((Message("user", f"Row {row}: write a haiku about the image."),))


def row_of(body: Body) -> int:
    """Return the row that a request is for."""
    found = re.match(r"Row (\d+):", body["messages"][0]["content"])
    assert found is not None
    return int(found[1])


def hits(fault: Fault, times: int | None = None, rows: frozenset[int] | None = FAULTY) -> Scene:
    """Return a scene: `fault` in place of the first `times` replies to each of these rows (None: of every; of all)."""
    met: Counter[int] = Counter()

    def always(body: Body) -> Fault | None:
        row = row_of(body)
        met[row] += 1
        return fault if (rows is None or row in rows) and (times is None or met[row] <= times) else None

    def scene(server: LlmServer) -> None:
        met.clear()
        server.always = always

    return scene


@contextmanager
def short_pauses() -> Iterator[None]:
    """Make the client impatient: a matrix of faults must not take a quarter of an hour."""
    with (
        mock.patch.object(retries, "FIRST_PAUSE_S", 0.005),
        mock.patch.object(retries, "LONGEST_PAUSE_S", 0.03),
        mock.patch.object(retries, "LONGEST_WAIT_S", 2.2),
        mock.patch.object(addresses, "_FIRST_ASIDE_S", 0.05),
        mock.patch.object(addresses, "_LONGEST_ASIDE_S", 0.1),
    ):
        yield


async def observe(scene: Scene, folder: Path, n_rows: int, settings: dict[str, Any]) -> Observed:
    """Run `n_rows` rows against a server with this scene; the store is in `folder`."""
    observed, requests = Observed(), [ask(row) for row in range(n_rows)]
    async with Session() as session, asyncio.timeout(PATIENCE_S):
        with LlmServer() as server, ReplyStore(folder) as store:
            scene(server)
            endpoint = Endpoint((server.base_url,), "m", **settings)
            chat = HttpChat(endpoint, store, session)

            async def work(row: int) -> None:
                try:
                    observed.replies[row] = await chat.ask(requests[row])
                except RequestFailed as failure:
                    observed.rejects[row] = failure

            try:
                await run_shards([(0, range(n_rows))], work, lambda index, results: None, chat.rows_at_once)
            except MMInstructError as error:
                observed.stopped = str(error)
            _read_server(server, observed)
            stored = {row: store.get(request.request_id("m")) for row, request in enumerate(requests)}
            observed.stored = {row: reply for row, reply in stored.items() if reply is not None}
            observed.n_stored = len(store)
    return observed


def _read_server(server: LlmServer, observed: Observed) -> None:
    arrivals: dict[int, list[float]] = {}
    for body, arrival in zip(server.received, server.arrivals, strict=True):
        arrivals.setdefault(row_of(body), []).append(arrival)
    observed.n_asked = Counter({row: len(times) for row, times in arrivals.items()})
    observed.pauses_s = {row: times[1] - times[0] for row, times in arrivals.items() if len(times) > 1}
    observed.answered = {row_of(body) for body in server.requests}
