"""Replies that another process keeps: what workers on other machines write to, so that there is one store.

RemoteReplies (a worker's) ──(some at a time)──► Door ──► ReplyStore (beside the run's driver)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from mminstruct.llm.chat import Reply
from mminstruct.llm.usage import Account

_GATHERING_S = 0.002  # a call waits so long for company: a call for each reply would keep both sides busy with calls
_MOST_AT_ONCE = 500

Item = TypeVar("Item")
Found = TypeVar("Found")


class Replies(Protocol):
    """Where a language model's client looks replies up and leaves them."""

    async def find(self, request_id: str) -> Reply | None:
        """Return the stored reply, marked as cached, or None."""
        ...

    async def put(self, reply: Reply, request: str, account: Account, cost: float | None) -> None:
        """Store a reply with its request's JSON text and book its cost; returns once it is on disk."""
        ...


class Paid(NamedTuple):
    """A reply on its way to the store."""

    reply: Reply
    request: str
    account: Account
    cost: float | None


class Door(Protocol):
    """What the process that keeps the replies offers to the others."""

    async def find_many(self, request_ids: Sequence[str]) -> list[Reply | None]:
        """Return each stored reply, or None."""
        ...

    async def put_many(self, paid: Sequence[Paid]) -> list[None]:
        """Return once all of them are on disk."""
        ...


class RemoteReplies:
    """`Replies` behind a door."""

    def __init__(self, door: Door) -> None:
        self._finding = _Gathered(door.find_many)
        self._putting = _Gathered(door.put_many)

    async def find(self, request_id: str) -> Reply | None:
        """Return the stored reply, or None."""
        return await self._finding.ask(request_id)

    async def put(self, reply: Reply, request: str, account: Account, cost: float | None) -> None:
        """Return once the reply is on disk."""
        await self._putting.ask(Paid(reply, request, account, cost))


class _Gathered(Generic[Item, Found]):
    """Puts what is asked within some milliseconds into one call."""

    def __init__(self, call: Callable[[Sequence[Item]], Awaitable[list[Found]]]) -> None:
        self._call = call
        self._waiting: list[tuple[Item, asyncio.Future[Found]]] = []
        self._calls: set[asyncio.Task[None]] = set()  # the loop itself holds tasks but weakly

    async def ask(self, item: Item) -> Found:
        future: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if len(self._waiting) == 1:
            task = asyncio.create_task(self._send())
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)
        return await future

    async def _send(self) -> None:
        await asyncio.sleep(_GATHERING_S)
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), _MOST_AT_ONCE):
            some = waiting[start : start + _MOST_AT_ONCE]
            try:
                found = await self._call([item for item, _ in some])
            except Exception as error:
                for _, future in some:
                    if not future.done():
                        future.set_exception(error)
            else:
                for (_, future), result in zip(some, found, strict=True):
                    if not future.done():  # its row was cancelled meanwhile
                        future.set_result(result)
