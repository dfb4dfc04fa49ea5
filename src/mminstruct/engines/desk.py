"""The desk between a run and its workers: hands out jobs, takes them back from the dead, gives results in order.

items ──► take ──► (a worker) ──► put ──► next_result
                       └──► give_back, where it died
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_AHEAD = 3  # results kept for want of an earlier one, for each job that may be at work: they are held in memory


@dataclass(slots=True)
class Job:
    """One item on its way; `number` is its place among all."""

    number: int
    index: int
    item: Any
    n_tries: int = 0


class Desk:
    """Everybody at it waits for what they need; nothing is handed out twice but what was given back."""

    def __init__(self, items: Iterable[tuple[int, Any]], in_order: bool, n_at_work: int) -> None:
        self._items = iter(items)
        self._in_order = in_order
        self._most_open = _AHEAD * n_at_work
        self._changed = asyncio.Condition()
        self._returned: list[Job] = []
        self._done: dict[int, tuple[int, Any]] = {}  # by number
        self._n_taken = 0  # from the items
        self._n_put = 0
        self._n_passed_on = 0
        self._is_exhausted = False
        self._failure: Exception | None = None

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to work on, and nothing that may come back."""
        return self._failure is not None or (self._is_exhausted and self._n_put == self._n_taken)

    async def take(self) -> Job | None:
        """Return a job, or None when all is over; waits where one may still come back, and while memory is full."""
        async with self._changed:
            while not self.is_over:
                job = self._returned.pop() if self._returned else await self._read()
                if job is not None:
                    job.n_tries += 1
                    return job
                if not self.is_over:
                    await self._changed.wait()
            return None

    async def put(self, job: Job, result: Any) -> None:
        """Take a job's result."""
        async with self._changed:
            self._n_put += 1
            self._done[job.number] = job.index, result
            self._changed.notify_all()

    async def give_back(self, job: Job) -> None:
        """Take back a job whose worker has died; somebody else will do it."""
        async with self._changed:
            self._returned.append(job)
            self._changed.notify_all()

    async def fail(self, error: Exception) -> None:
        """End everything with an error; the first one counts."""
        async with self._changed:
            self._failure = self._failure or error
            self._changed.notify_all()

    async def next_result(self) -> tuple[int, Any] | None:
        """Return the next index and result, or None after the last. Raises what `fail` was given."""
        async with self._changed:
            while True:
                if self._failure is not None:
                    raise self._failure
                number = self._n_passed_on if self._in_order else next(iter(self._done), -1)
                if number in self._done:
                    self._n_passed_on += 1
                    self._changed.notify_all()
                    return self._done.pop(number)
                if self.is_over:
                    return None
                await self._changed.wait()

    async def _read(self) -> Job | None:
        """Return the next item's job; None where there is none, or no room for its result."""
        if self._is_exhausted or self._n_taken - self._n_passed_on >= self._most_open:
            return None
        try:
            found = await asyncio.to_thread(next, self._items, None)
        except Exception as error:
            self._failure = self._failure or error
            self._changed.notify_all()
            return None
        if found is None:
            self._is_exhausted = True
            self._changed.notify_all()
            return None
        job = Job(self._n_taken, *found)
        self._n_taken += 1
        return job
