"""The level against endpoints with limits it does not know, in simulated time; rates against their schedule."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mminstruct.llm.http.limits import FIRST_LEVEL, Level, Rate

LATENCY_S = 0.2


@dataclass
class Simulation:
    """Clients that always have one more request, at an endpoint that answers after `latency_s`, or refuses.

    Both get the number in flight with this request, and the time.
    """

    level: Level
    latency_s: Callable[[int, float], float] = lambda n_in_flight, now: LATENCY_S
    refuses: Callable[[int, float], bool] = lambda n_in_flight, now: False
    demand: Callable[[float], int] = lambda now: 10_000
    dice: random.Random = field(default_factory=lambda: random.Random(7))
    now: float = 0.0
    replied_at: list[float] = field(default_factory=list)
    n_refused: int = 0

    def run(self, until_s: float) -> None:
        """Go on until this time."""
        under_way: list[tuple[float, int, float, int]] = []  # end, tie-break, start, round; a refusal has start -1
        n_sent = 0
        while True:
            level = self.level
            while level.in_flight < self.demand(self.now) and level.has_room:
                level.in_flight += 1
                n_sent += 1
                is_refused = self.refuses(level.in_flight, self.now)
                takes_s = 0.01 if is_refused else self.latency_s(level.in_flight, self.now)
                end = self.now + takes_s * self.dice.uniform(0.8, 1.2)
                heapq.heappush(under_way, (end, n_sent, -1.0 if is_refused else self.now, level.round))
            level.wanted_more = level.wanted_more or level.in_flight < self.demand(self.now)
            if not under_way or under_way[0][0] > until_s:
                level.in_flight -= len(under_way)
                self.now = until_s
                return
            self.now, _, start, sent_in = heapq.heappop(under_way)
            level.in_flight -= 1
            if start < 0:
                level.refused(sent_in)
                self.n_refused += 1
            else:
                level.replied(sent_in, self.now - start)
                self.replied_at.append(self.now)

    def throughput(self, since_s: float) -> float:
        """Return the replies a second since then."""
        return sum(at >= since_s for at in self.replied_at) / (self.now - since_s)


class TestLevel:
    def test_it_begins_with_few_and_doubles_to_the_most_where_nothing_stands_against_it(self) -> None:
        simulation = Simulation(Level(1000))
        assert simulation.level.limit == FIRST_LEVEL
        simulation.run(3.0)
        assert simulation.level.limit == 1000 and simulation.n_refused == 0

    def test_it_does_not_grow_where_nobody_wants_more(self) -> None:
        simulation = Simulation(Level(1000), demand=lambda now: 10)
        simulation.run(60.0)
        assert simulation.level.limit == FIRST_LEVEL

    @pytest.mark.parametrize("capacity", [1, 5, 48, 300])
    def test_it_finds_what_an_endpoint_takes_that_refuses_more(self, capacity: int) -> None:
        simulation = Simulation(Level(1000), refuses=lambda n_in_flight, now: n_in_flight > capacity)
        simulation.run(120.0)
        assert simulation.throughput(20.0) > 0.9 * capacity / LATENCY_S
        assert simulation.n_refused < 0.25 * len(simulation.replied_at)

    def test_it_follows_a_capacity_that_halves_and_comes_back(self) -> None:
        def refuses(n_in_flight: int, now: float) -> bool:
            return n_in_flight > (30 if 100 < now < 200 else 60)

        simulation = Simulation(Level(1000), refuses=refuses)
        simulation.run(200.0)
        assert simulation.throughput(110.0) > 0.9 * 30 / LATENCY_S
        simulation.run(400.0)
        assert simulation.throughput(260.0) > 0.9 * 60 / LATENCY_S

    @pytest.mark.parametrize("capacity", [8, 48, 200])
    def test_an_endpoint_that_queues_is_kept_busy_without_a_long_queue(self, capacity: int) -> None:
        simulation = Simulation(Level(2000), lambda n_in_flight, now: LATENCY_S * max(1.0, n_in_flight / capacity))
        simulation.run(120.0)
        assert simulation.throughput(30.0) > 0.95 * capacity / LATENCY_S
        assert simulation.level.limit < 4 * max(capacity, FIRST_LEVEL)

    def test_longer_replies_are_no_load(self) -> None:
        """Prompts of another stage take five times as long, at any number in flight: fewer would not help."""
        simulation = Simulation(Level(200), lambda n_in_flight, now: LATENCY_S * (5 if now > 30 else 1))
        simulation.run(300.0)
        assert simulation.throughput(100.0) > 0.9 * 200 / (5 * LATENCY_S)

    def test_one_echo_of_a_refusal_is_no_second_one(self) -> None:
        level = Level(1000, first=100)
        level.in_flight = 100
        for _ in range(60):  # of the hundred that were sent at once, sixty were refused
            level.in_flight -= 1
            level.refused(sent_in=0)
        assert level.limit == 50

    def test_a_collapse_leaves_one_and_the_first_reply_brings_half_back(self) -> None:
        level = Level(1000, first=100)
        level.collapse()
        assert level.limit == 1
        level.collapse()  # again and again, while the endpoint is away
        level.replied(level.round, 0.1)
        assert level.limit == 50

    def test_a_late_refusal_does_not_undo_a_collapse(self) -> None:
        level = Level(1000, first=200)
        level.in_flight = 200
        level.refused(0)
        sent_in = level.round
        level.collapse()
        level.in_flight = 150
        level.refused(sent_in)
        assert level.limit == 1

    @settings(max_examples=300)
    @given(
        st.integers(1, 300),
        st.lists(
            st.tuples(
                st.sampled_from(["send", "send", "reply", "reply", "refuse", "fail", "collapse"]),
                st.integers(0, 400),
                st.floats(0, 1000),
            ),
            max_size=400,
        ),
    )
    def test_it_stays_within_bounds_whatever_comes_in_whatever_order(
        self, most: int, events: list[tuple[str, int, float]]
    ) -> None:
        level, rounds = Level(most), [0]
        for kind, which, latency_s in events:
            before = level.limit
            if kind == "send":
                for _ in range(1 + which % 8):
                    if level.has_room:
                        level.in_flight += 1
                        rounds.append(level.round)
                level.wanted_more = level.wanted_more or not level.has_room
            elif kind == "collapse":
                level.collapse()
                assert level.limit == 1
            elif level.in_flight:
                sent_in = rounds[which % len(rounds)]
                level.in_flight -= 1
                if kind == "reply":
                    level.replied(sent_in, latency_s)
                elif kind == "refuse":
                    level.refused(sent_in)
                    assert level.limit <= before
            assert 1 <= level.limit <= most and isinstance(level.limit, int)


class TestRate:
    @given(
        st.floats(1, 100_000),
        st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 200)), min_size=1, max_size=100),
    )
    def test_never_more_than_its_schedule_and_a_seconds_worth(
        self, per_minute: float, wants: list[tuple[float, float]]
    ) -> None:
        """Each waits a while, then as long as it must; what was taken before the last one fits the time until then."""
        rate, now, taken, start = Rate(per_minute), 1000.0, 0.0, 1000.0
        for idle_s, n_units in wants:
            now += idle_s
            now += rate.wait_s(now)
            assert taken <= (now - start + 1.0) * per_minute / 60 * (1 + 1e-9) + 1e-6
            rate.take(n_units, now)
            taken += n_units

    def test_whoever_waits_as_long_as_told_may_go(self) -> None:
        rate = Rate(30)
        rate.take(1, 1000.0)
        assert rate.wait_s(1000.0) == pytest.approx(1.0)
        assert rate.wait_s(1001.0) == 0

    def test_the_schedule_is_used_up_by_who_always_wants_more(self) -> None:
        rate, now, n_taken = Rate(600), 1000.0, 0
        while (now := now + rate.wait_s(now)) < 1060.0:
            rate.take(1, now)
            n_taken += 1
        assert 600 <= n_taken <= 600 + 10 + 1

    def test_what_was_counted_too_much_is_given_back(self) -> None:
        rate = Rate(60)
        rate.take(100, 1000.0)
        assert rate.wait_s(1000.0) == pytest.approx(99.0)
        rate.take(-90, 1000.0)
        assert rate.wait_s(1000.0) == pytest.approx(9.0)

    def test_time_without_requests_saves_up_no_more_than_a_second(self) -> None:
        rate = Rate(600)
        rate.take(1, 1000.0)
        n_at_once = 0
        while rate.wait_s(2000.0) == 0:
            rate.take(1, 2000.0)
            n_at_once += 1
        assert n_at_once in (10, 11)
