from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from mminstruct.engines.desk import Desk
from support.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio


async def at_work(desk: Desk, delays: dict[int, float] | None = None) -> None:
    """Work as one feeder does: a job's result is ten times its item."""
    while (job := await desk.take()) is not None:
        await asyncio.sleep((delays or {}).get(job.item, 0.0))
        await desk.put(job, 10 * job.item)


async def results(desk: Desk) -> list[tuple[int, int]]:
    found = []
    while (result := await desk.next_result()) is not None:
        found.append(result)
    return found


def numbered(n: int) -> list[tuple[int, int]]:
    return [(100 + number, number) for number in range(n)]


async def test_results_come_in_the_items_order() -> None:
    desk = Desk(numbered(6), in_order=True, n_at_work=3)
    workers = [asyncio.create_task(at_work(desk, {0: 0.05, 3: 0.02})) for _ in range(3)]
    assert await results(desk) == [(100 + number, 10 * number) for number in range(6)]
    await asyncio.gather(*workers)


async def test_without_order_a_slow_one_holds_up_nobody() -> None:
    desk = Desk(numbered(6), in_order=False, n_at_work=2)
    slow = await desk.take()
    assert slow is not None
    worker = asyncio.create_task(at_work(desk))
    found = [await desk.next_result() for _ in range(5)]
    assert sorted(each for each in found if each) == [(100 + number, 10 * number) for number in range(1, 6)]
    await desk.put(slow, 0)
    assert await results(desk) == [(100, 0)]
    await worker


async def test_what_is_given_back_is_done_by_who_waits() -> None:
    desk = Desk(numbered(2), in_order=True, n_at_work=2)
    lost = await desk.take()
    assert lost is not None
    worker = asyncio.create_task(at_work(desk))
    await asyncio.sleep(0.02)
    assert not worker.done()  # the other one is done, but the lost one may come back
    await desk.give_back(lost)
    assert await results(desk) == [(100, 0), (101, 10)]
    assert lost.n_tries == 2
    await worker


async def test_items_are_read_only_so_far_ahead_as_results_are_taken() -> None:
    n_read = 0

    def items() -> Iterator[tuple[int, int]]:
        nonlocal n_read
        for item in numbered(1000):
            n_read += 1
            yield item

    desk = Desk(items(), in_order=True, n_at_work=2)
    worker = asyncio.create_task(at_work(desk))
    async with asyncio.timeout(PATIENCE_S):
        while n_read < 6:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert n_read == 6
    assert len(await results(desk)) == 1000
    await worker


async def test_an_error_ends_it_for_all() -> None:
    desk = Desk(numbered(5), in_order=True, n_at_work=1)
    await desk.take()
    waiting = asyncio.create_task(desk.next_result())
    await desk.fail(ValueError("the first"))
    await desk.fail(ValueError("the second"))
    with pytest.raises(ValueError, match="the first"):
        await waiting
    assert await desk.take() is None


async def test_items_that_cannot_be_read_are_an_error() -> None:
    def items() -> Iterator[tuple[int, int]]:
        yield 0, 0
        raise OSError("gone")

    desk = Desk(items(), in_order=True, n_at_work=1)
    worker = asyncio.create_task(at_work(desk))
    with pytest.raises(OSError, match="gone"):
        await results(desk)
    await worker


async def test_nothing_to_do_is_over_at_once() -> None:
    desk = Desk([], in_order=True, n_at_work=1)
    assert await desk.take() is None
    assert await desk.next_result() is None
