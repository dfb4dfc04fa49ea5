"""Run per-row work over shards on this machine: rows flow, and a shard's slowest row holds up nobody else.

shards of rows ──► `in_flight` workers ──► each shard's results, in input order, as soon as the shard is whole
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Generic, TypeVar

Row = TypeVar("Row")
Result = TypeVar("Result")

_MOST_OPEN_ROWS = 100_000
"""Rows of unfinished shards kept in memory; no further shard is opened beyond it, however slow some reply is."""


async def run_shards(
    shards: Iterable[tuple[int, Sequence[Row]]],
    work: Callable[[Row], Awaitable[Result]],
    finish: Callable[[int, list[Result]], None],
    in_flight: int,
) -> None:
    """Call `work` on every row, `in_flight` at a time over all shards, and `finish` once for each whole shard.

    `finish` gets the results in the order of the shard's rows. It runs in a thread, and so does the iteration over
    `shards`, one shard ahead: reading and writing files must not hold up the replies. The first exception of `work` or
    `finish` cancels everything else and is raised as it is; shards finished before it stay finished.
    """
    feed = _Feed(shards, finish)

    async def worker() -> None:
        while (item := await feed.next()) is not None:
            shard, position = item
            shard.put(position, await work(shard.rows[position]))
            if shard.is_whole:
                await feed.close(shard)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(worker())
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None  # the others are echoes of the same fault
    finally:
        feed.stop()


class _Shard(Generic[Row, Result]):
    """One shard being worked on: which rows are handed out, which results are in."""

    def __init__(self, index: int, rows: Sequence[Row]) -> None:
        self.index = index
        self.rows = rows
        self.n_handed_out = 0
        self._results: dict[int, Result] = {}

    def put(self, position: int, result: Result) -> None:
        self._results[position] = result

    @property
    def is_whole(self) -> bool:
        return len(self._results) == len(self.rows)

    def results(self) -> list[Result]:
        return [self._results[position] for position in range(len(self.rows))]


class _Feed(Generic[Row, Result]):
    """Hands out rows of one shard after another, and holds the number of open rows in bounds."""

    def __init__(
        self, shards: Iterable[tuple[int, Sequence[Row]]], finish: Callable[[int, list[Result]], None]
    ) -> None:
        self._shards = iter(shards)
        self._finish = finish
        self._current: _Shard[Row, Result] | None = None
        self._n_open_rows = 0
        self._opening = asyncio.Lock()
        self._room = asyncio.Event()
        self._room.set()
        self._ahead: asyncio.Task[tuple[int, Sequence[Row]] | None] | None = None  # the shard after the current one

    async def next(self) -> tuple[_Shard[Row, Result], int] | None:
        """Return the next row's shard and position, or None at the end; waits while too many rows are open."""
        while True:
            shard = self._current
            if shard is not None and shard.n_handed_out < len(shard.rows):
                shard.n_handed_out += 1
                return shard, shard.n_handed_out - 1
            async with self._opening:
                if self._current is shard and not await self._open_next():
                    return None

    async def _open_next(self) -> bool:
        await self._room.wait()
        while (item := await (self._ahead or self._read_ahead())) is not None:
            index, rows = item
            self._ahead = self._read_ahead()
            if not rows:
                await asyncio.to_thread(self._finish, index, [])
                continue
            self._current = _Shard(index, rows)
            self._n_open_rows += len(rows)
            if self._n_open_rows >= _MOST_OPEN_ROWS:
                self._room.clear()
            return True
        return False

    def _read_ahead(self) -> asyncio.Task[tuple[int, Sequence[Row]] | None]:
        return asyncio.create_task(asyncio.to_thread(next, self._shards, None))

    async def close(self, shard: _Shard[Row, Result]) -> None:
        """Finish a shard whose last result has just come."""
        await asyncio.to_thread(self._finish, shard.index, shard.results())
        self._n_open_rows -= len(shard.rows)
        if self._n_open_rows < _MOST_OPEN_ROWS:
            self._room.set()

    def stop(self) -> None:
        """Read no further ahead."""
        if self._ahead is not None:
            self._ahead.cancel()
