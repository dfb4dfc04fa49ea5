"""Shards of rows through workers."""

from __future__ import annotations

import asyncio
import random

import pytest

from mminstruct.engines import local
from mminstruct.engines.local import run_shards


async def double(row: int) -> int:
    await asyncio.sleep(random.random() / 1000)
    return 2 * row


async def test_each_shard_is_finished_once_in_input_order() -> None:
    shards = [(0, [1, 2, 3]), (1, []), (2, [4]), (5, list(range(100)))]
    finished: dict[int, list[int]] = {}
    await run_shards(shards, double, finished.__setitem__, in_flight=7)
    assert finished == {0: [2, 4, 6], 1: [], 2: [8], 5: [2 * row for row in range(100)]}


async def test_no_more_than_in_flight_rows_are_worked_on_at_once() -> None:
    running = most = 0

    async def work(row: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        return row

    await run_shards([(k, [1, 2, 3]) for k in range(20)], work, lambda index, results: None, in_flight=5)
    assert most == 5


async def test_a_slow_row_does_not_hold_up_later_shards() -> None:
    gate, loop = asyncio.Event(), asyncio.get_running_loop()
    finished: list[int] = []

    async def work(row: int) -> int:
        if row == 0:
            await gate.wait()
        return row

    def finish(index: int, results: list[int]) -> None:
        finished.append(index)
        if len(finished) == 9:
            loop.call_soon_threadsafe(gate.set)

    await run_shards([(k, [k, k + 1]) for k in range(0, 20, 2)], work, finish, in_flight=2)
    assert finished[-1] == 0 and sorted(finished) == list(range(0, 20, 2))


async def test_the_first_failure_is_raised_as_it_is_and_finished_shards_stay() -> None:
    finished: list[int] = []

    async def work(row: int) -> int:
        if row == 3:
            raise LookupError("row 3")
        return row

    with pytest.raises(LookupError, match="row 3"):
        await run_shards([(k, [k]) for k in range(10)], work, lambda index, _: finished.append(index), in_flight=1)
    assert finished == [0, 1, 2]


@pytest.mark.parametrize("most_open", [1, 3, 10])
async def test_open_rows_stay_in_bounds_without_a_deadlock(most_open: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_MOST_OPEN_ROWS", most_open)
    finished: dict[int, list[int]] = {}
    await run_shards([(k, list(range(7))) for k in range(8)], double, finished.__setitem__, in_flight=20)
    assert sorted(finished) == list(range(8))
