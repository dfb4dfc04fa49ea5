"""Places at addresses: who gets the next one, which address is left alone, and that no place is ever lost."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mminstruct.llm.endpoint import Endpoint
from mminstruct.llm.http.addresses import Addresses, Place
from mminstruct.llm.http.client import HttpChat
from mminstruct.llm.http.faults import Broken, Throttled, Unreachable
from mminstruct.llm.http.wire import Session
from mminstruct.llm.store.replies import ReplyStore
from support.fault_run import ask
from support.llm_server import LlmServer
from support.virtual_endpoint import clock, run_rows
from support.virtual_time import Deadlock, run_virtually

A, B = "http://a/v1", "http://b/v1"


def addresses(*urls: str, **settings: Any) -> Addresses:
    return Addresses(Endpoint(urls or (A,), "m", **settings))


def virtually(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[[Any], None]:
    """Make a test method run in virtual time, where a deadlock is an error."""

    def run(self: Any) -> None:
        run_virtually(test(self))

    run.__name__ = test.__name__
    return run


def reply(all_of_them: Addresses, place: Place, latency_s: float = 0.1, pause_s: float = 0.0) -> None:
    all_of_them.replied(place, latency_s, pause_s, 0.0)
    all_of_them.landed(place)


def failing_for_s(all_of_them: Addresses) -> float:
    return all_of_them.failing_for_s(asyncio.get_running_loop().time())


class TestPlaces:
    @virtually
    async def test_a_request_goes_to_the_address_that_is_least_busy_for_its_level(self) -> None:
        both = addresses(A, B, concurrency=8)
        both.all[1].level.limit = 2
        places = [await both.enter(1) for _ in range(10)]
        assert Counter(place.address.url for place in places) == {A: 8, B: 2}
        assert [place.address.url for place in places[:3]] == [A, B, A]
        both.leave(places[1])
        assert (await both.enter(1)).address.url == B

    @virtually
    async def test_who_came_first_is_served_first(self) -> None:
        one = addresses(concurrency=1)
        place, order = await one.enter(1), []

        async def wait(number: int) -> None:
            mine = await one.enter(1)
            order.append(number)
            await asyncio.sleep(1)
            one.leave(mine)

        tasks = [asyncio.create_task(wait(number)) for number in range(20)]
        await asyncio.sleep(1)
        one.leave(place)
        await asyncio.gather(*tasks)
        assert order == list(range(20))

    @virtually
    async def test_a_reply_frees_its_place_and_still_counts_until_it_is_stored(self) -> None:
        one = addresses(concurrency=2)
        first, _ = await one.enter(1), await one.enter(1)
        third = asyncio.create_task(one.enter(1))
        one.replied(first, 0.1, 0.0, 0.0)
        await asyncio.sleep(1)
        assert not third.done() and one.in_flight == 2  # one sent, one on its way to the disk
        one.landed(first)
        await third

    @virtually
    async def test_a_waiter_that_is_cancelled_is_passed_over(self) -> None:
        one = addresses(concurrency=1)
        place = await one.enter(1)
        first, second = asyncio.create_task(one.enter(1)), asyncio.create_task(one.enter(1))
        await asyncio.sleep(0)
        first.cancel()
        one.leave(place)
        one.leave(await second)
        await one.at_rest()

    @virtually
    async def test_a_waiter_that_is_cancelled_with_its_place_in_hand_gives_it_back(self) -> None:
        one = addresses(concurrency=1)
        place = await one.enter(1)
        first, second = asyncio.create_task(one.enter(1)), asyncio.create_task(one.enter(1))
        await asyncio.sleep(0)
        one.leave(place)  # the first has it now, and has not yet woken up
        first.cancel()
        one.leave(await second)
        await one.at_rest()

    @settings(max_examples=100)
    @given(st.integers(1, 5), st.integers(1, 3), st.integers(1, 60), st.integers(0, 2**32))
    def test_no_place_is_lost_whoever_is_cancelled_whenever(
        self, concurrency: int, n_addresses: int, n_tasks: int, seed: int
    ) -> None:
        dice = random.Random(seed)

        async def one_request(all_of_them: Addresses) -> None:
            await asyncio.sleep(dice.uniform(0, 5))
            place = await all_of_them.enter(1)
            try:
                await asyncio.sleep(dice.uniform(0, 2))
            except BaseException:
                all_of_them.leave(place)
                raise
            kind = dice.randrange(4)
            if kind == 0:
                all_of_them.leave(place, dice.choice([Throttled("busy"), Broken("no"), Unreachable("gone")]), "id")
                return
            all_of_them.replied(place, 0.1, dice.choice([0.0, 1.0]), 0.0)
            try:
                await asyncio.sleep(dice.uniform(0, 1))
            finally:
                all_of_them.landed(place)

        async def scene() -> None:
            urls = [f"http://{number}/v1" for number in range(n_addresses)]
            all_of_them = addresses(*urls, concurrency=concurrency)
            tasks = [asyncio.create_task(one_request(all_of_them)) for _ in range(n_tasks)]
            for task in tasks:
                if dice.random() < 0.4:
                    asyncio.get_running_loop().call_later(dice.uniform(0, 10), task.cancel)
            rest = asyncio.create_task(_at_rest_after(dice.uniform(0, 20), all_of_them))
            await asyncio.gather(*tasks, return_exceptions=True)
            await rest
            assert all_of_them.in_flight == 0
            place = await all_of_them.enter(1)  # and it goes on after that
            all_of_them.leave(place)

        run_virtually(scene())


async def _at_rest_after(pause_s: float, all_of_them: Addresses) -> None:
    await asyncio.sleep(pause_s)
    await all_of_them.at_rest()


class TestAtRest:
    @virtually
    async def test_it_waits_for_those_in_flight_and_those_that_are_stored(self) -> None:
        one = addresses(concurrency=4)
        first, second = await one.enter(1), await one.enter(1)
        several = [asyncio.create_task(one.at_rest()) for _ in range(3)]
        one.leave(first)
        one.replied(second, 0.1, 0.0, 0.0)
        await asyncio.sleep(10)
        assert not any(task.done() for task in several)
        one.landed(second)
        await asyncio.gather(*several)

    @virtually
    async def test_who_waits_for_a_place_or_for_time_to_pass_is_not_waited_for(self) -> None:
        one = addresses(concurrency=1)
        place = await one.enter(1)
        one.leave(place, Unreachable("refused"), "id")
        waiting = asyncio.create_task(one.enter(1))
        await asyncio.sleep(0)
        before = clock()
        await one.at_rest()
        assert clock() == before and not waiting.done()
        one.leave(await waiting)

    def test_a_place_that_is_never_given_back_would_be_told(self) -> None:
        """What the tests here rest on: nobody waits for ever without an error."""

        async def forgetful() -> None:
            one = addresses(concurrency=1)
            await one.enter(1)
            await one.enter(1)

        with pytest.raises(Deadlock):
            run_virtually(forgetful())


class TestSetAside:
    @virtually
    async def test_nobody_there_is_asked_again_by_one_at_growing_intervals(self) -> None:
        one, asked_at = addresses(concurrency=8), []
        places = [await one.enter(1) for _ in range(8)]
        for place in places:
            one.leave(place, Unreachable("refused"), "id")
        for _ in range(7):
            place = await one.enter(1)
            asked_at.append(clock())
            one.leave(place, Unreachable("refused"), "id")
        gaps = [after - before for before, after in zip([0.0, *asked_at], asked_at, strict=False)]
        assert gaps == pytest.approx([0.5, 1, 2, 4, 8, 15, 15])
        assert failing_for_s(one) == pytest.approx(clock())

    @virtually
    async def test_a_reply_ends_it(self) -> None:
        one = addresses(concurrency=8)
        one.leave(await one.enter(1), Unreachable("refused"), "id")
        place = await one.enter(1)
        assert failing_for_s(one) > 0
        reply(one, place)
        assert failing_for_s(one) == 0
        before = clock()
        places = [await one.enter(1) for _ in range(4)]  # half of the eight
        assert clock() == before and len(places) == 4

    @virtually
    async def test_one_failing_request_is_no_failing_address(self) -> None:
        one = addresses(concurrency=8)
        for _ in range(50):
            one.leave(await one.enter(1), Broken("HTTP 500"), "the same")
        assert failing_for_s(one) == 0 and clock() == 0

    @virtually
    async def test_with_another_address_nobody_waits(self) -> None:
        both = addresses(A, B, concurrency=8)
        both.leave(await both.enter(1), Unreachable("refused"), "id")
        places = [await both.enter(1) for _ in range(8)]
        assert {place.address.url for place in places} == {B} and clock() == 0
        assert failing_for_s(both) == 0
        waiting = asyncio.create_task(both.enter(1))
        await asyncio.sleep(0.4)
        assert not waiting.done()
        assert (await waiting).address.url == A and clock() == pytest.approx(0.5)

    def test_two_of_which_one_is_away_for_a_while_share_the_rows_before_and_after(self) -> None:
        async def serve(address: str, row: int) -> None:
            if address == "http://a" and 20 < clock() < 60:
                raise Unreachable("refused")
            await asyncio.sleep(0.5)

        outcome = run_virtually(run_rows(serve, 3000, (A, B), concurrency=8, max_tries=2))
        assert outcome.stopped is None and len(outcome.replies) == 3000
        shares = Counter((int(time_s // 20), address) for time_s, address, _ in outcome.sent)
        assert shares[0, "http://a"] == pytest.approx(shares[0, "http://b"], rel=0.1)
        assert shares[1, "http://a"] + shares[2, "http://a"] <= 8 + 8  # those of that moment, and one at a time
        assert shares[4, "http://a"] == pytest.approx(shares[4, "http://b"], rel=0.1)

    async def test_one_dead_address_costs_no_row(self, tmp_path: Any) -> None:
        """Both real, one of them a port where nobody listens."""
        with LlmServer() as server, LlmServer() as other, ReplyStore(tmp_path) as store:
            other.vanish()
            async with Session() as session:
                endpoint = Endpoint((other.base_url, server.base_url), "m", concurrency=8, give_up_after_s=0.1)
                chat = HttpChat(endpoint, store, session)
                replies = await asyncio.gather(*(chat.ask(ask(row)) for row in range(60)))
            assert all(found.text for found in replies) and len(server.requests) == 60


class TestPauses:
    @virtually
    async def test_an_address_whose_limit_is_used_up_is_left_alone_for_so_long(self) -> None:
        one = addresses(concurrency=8)
        reply(one, await one.enter(1), pause_s=12.5)
        await one.enter(1)
        assert clock() == pytest.approx(12.5)

    @virtually
    async def test_a_pause_asked_of_three_in_a_row_is_kept_by_all(self) -> None:
        one = addresses(concurrency=8)
        places = [await one.enter(1) for _ in range(3)]
        for number, place in enumerate(places[:2]):
            one.leave(place, Throttled("HTTP 429", 20.0), str(number))
        one.leave(await one.enter(1))
        assert clock() == 0
        one.leave(places[2], Throttled("HTTP 429", 20.0), "2")
        await one.enter(1)
        assert clock() == pytest.approx(20.0)

    def test_requests_a_minute_are_kept_at_each_address(self) -> None:
        async def serve(address: str, row: int) -> None:
            await asyncio.sleep(0.2)

        outcome = run_virtually(run_rows(serve, 600, (A, B), requests_per_minute=120.0))
        for url in ("http://a", "http://b"):
            sent_at = [time_s for time_s, address, _ in outcome.sent if address == url]
            for second in range(100):
                assert sum(time_s < second for time_s in sent_at) <= 2 * second + 3
        assert outcome.took_s == pytest.approx(600 / 4, rel=0.05)

    def test_tokens_a_minute_are_kept_by_what_replies_really_took(self) -> None:
        """A reply takes 103 tokens by the endpoint's count, some four times of what its request lets expect."""

        async def serve(address: str, row: int) -> None:
            await asyncio.sleep(0.2)

        outcome = run_virtually(run_rows(serve, 300, concurrency=4, tokens_per_minute=6180.0))
        sent_at = [time_s for time_s, _, _ in outcome.sent]
        for second in range(0, 300, 10):
            assert sum(time_s < second for time_s in sent_at) <= second + 10
        assert outcome.took_s == pytest.approx(300, rel=0.05)

    def test_tokens_that_were_counted_too_many_are_given_back(self) -> None:
        async def serve(address: str, row: int) -> None:
            await asyncio.sleep(0.2)

        outcome = run_virtually(run_rows(serve, 50, concurrency=1, tokens_per_minute=60_000.0))
        assert outcome.took_s == pytest.approx(50 * 0.202, rel=0.05)
