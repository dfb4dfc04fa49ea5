"""What is done about faults over minutes and hours: the whole client, in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mminstruct.llm.http.faults import AllRefused, Broken, RowRefused, Throttled, Unreachable
from mminstruct.llm.http.retries import FIRST_PAUSE_S, LONGEST_PAUSE_S, Tries
from mminstruct.rows import Reason
from support.virtual_endpoint import Outcome, Serve, clock, run_rows
from support.virtual_time import run_virtually

BAD_GATEWAY = Broken("HTTP 502: bad gateway")


def run(serve: Serve, n_rows: int, **options: object) -> Outcome:
    outcome = run_virtually(run_rows(serve, n_rows, **options))  # type: ignore[arg-type]
    assert outcome.in_flight_at_end == 0
    return outcome


def always(fault: Callable[[float, int], Exception | None], latency_s: float = 0.1) -> Serve:
    """Return an endpoint that asks `fault` by the second and the row what is wrong, if anything."""

    async def serve(address: str, row: int) -> None:
        wrong = fault(clock(), row)
        await asyncio.sleep(latency_s)
        if wrong is not None:
            raise wrong

    return serve


def n_sent(outcome: Outcome) -> Counter[int]:
    return Counter(row for _, _, row in outcome.sent)


class TestTries:
    def test_pauses_double_up_to_the_longest_and_are_jittered(self) -> None:
        tries, pauses = Tries("id"), []
        for tries.n_failed in range(1, 15):
            pauses.append([tries.next_pause_s() for _ in range(200)])
        for number, of_one in enumerate(pauses):
            longest_s = min(FIRST_PAUSE_S * 2**number, LONGEST_PAUSE_S)
            assert longest_s / 2 <= min(of_one) < 0.6 * longest_s and 0.9 * longest_s < max(of_one) <= longest_s


class TestBroken:
    def test_a_row_that_always_fails_is_rejected_after_max_tries(self) -> None:
        outcome = run(always(lambda now, row: Broken("HTTP 500: no") if row == 3 else None), 50, max_tries=4)
        assert outcome.stopped is None and outcome.rejects.keys() == {3} and len(outcome.replies) == 49
        assert outcome.rejects[3].detail == "HTTP 500: no (given up after 4 tries)"
        assert n_sent(outcome)[3] == 4

    def test_in_an_outage_tries_do_not_count_and_the_endpoint_is_left_alone(self) -> None:
        outcome = run(always(lambda now, row: BAD_GATEWAY if 3 < now < 50 else None), 2000, max_tries=3, concurrency=64)
        assert outcome.stopped is None and len(outcome.replies) == 2000
        assert sum(3 < time_s < 50 for time_s, _, _ in outcome.sent) < 64 + 10 + 10

    def test_an_outage_that_lasts_stops_the_run_and_rejects_nothing(self) -> None:
        outcome = run(
            always(lambda now, row: BAD_GATEWAY if now > 3 else None), 5000, concurrency=16, give_up_after_s=40
        )
        assert outcome.stopped is not None and "failed every request" in outcome.stopped and not outcome.rejects
        assert 43 < outcome.took_s < 43 + 16 + 1

    def test_an_endpoint_that_never_answered_is_given_up_sooner(self) -> None:
        outcome = run(always(lambda now, row: Unreachable("refused")), 500)
        assert outcome.stopped is not None and outcome.took_s < 10

    @pytest.mark.parametrize("concurrency", [1, 4, 64])
    def test_an_endpoint_that_answers_500_to_everybody_stops_the_run(self, concurrency: int) -> None:
        outcome = run(
            always(lambda now, row: Broken("HTTP 500: no", by_request=True) if row > 40 else None),
            100_000,
            concurrency=concurrency,
        )
        assert outcome.stopped is not None and "HTTP 500: no" in outcome.stopped
        assert len(outcome.rejects) < 20 and len(outcome.replies) == 41

    def test_the_last_failing_rows_are_rejected_and_do_not_stop_the_run(self) -> None:
        bad = set(range(88, 100))
        outcome = run(always(lambda now, row: Broken("HTTP 500: no", by_request=True) if row in bad else None), 100)
        assert outcome.stopped is None and outcome.rejects.keys() == bad and len(outcome.replies) == 88

    def test_few_rows_do_not_hammer_an_endpoint_that_starts_up(self) -> None:
        """It refuses connections, then answers 502 for a while: fewer rows are left than make an outage."""

        def starting_up(now: float, row: int) -> Exception | None:
            if row < 10 or now > 40:
                return None
            return Unreachable("refused") if now < 10 else BAD_GATEWAY

        outcome = run(always(starting_up, latency_s=0.001), 12, max_tries=3)
        assert outcome.stopped is None and len(outcome.replies) == 12
        assert max(n_sent(outcome).values()) < 15

    def test_hanging_requests_fail_their_rows_when_others_are_answered(self) -> None:
        async def serve(address: str, row: int) -> None:
            await asyncio.sleep(300 if row % 50 == 7 else 0.1)
            if row % 50 == 7:
                raise Broken("no whole reply within 300 s", timed_out=True)

        outcome = run(serve, 500, max_tries=2, concurrency=8)
        assert outcome.stopped is None and len(outcome.rejects) == 10 and len(outcome.replies) == 490


class TestThrottled:
    @pytest.mark.parametrize("tells", [True, False], ids=["Retry-After", "no Retry-After"])
    @pytest.mark.parametrize("per_minute", [3, 20, 200, 600])
    def test_a_small_quota_rejects_nothing_and_is_used_up(self, per_minute: int, tells: bool) -> None:
        """Many requests a minute are tried, few are let through, and the rest of the minute all are refused."""
        n_in_minute: Counter[int] = Counter()

        def quota(now: float, row: int) -> Exception | None:
            minute, left_s = int(now // 60), 60 - now % 60
            n_in_minute[minute] += 1
            return Throttled("HTTP 429", left_s if tells else None) if n_in_minute[minute] > per_minute else None

        n_rows = 30 * per_minute
        outcome = run(always(quota), n_rows)
        assert outcome.stopped is None and not outcome.rejects and len(outcome.replies) == n_rows
        assert outcome.took_s < 40 * 60 and len(outcome.sent) < 2 * n_rows + 40 * 30

    def test_a_refusal_of_everybody_that_lasts_stops_the_run(self) -> None:
        outcome = run(
            always(lambda now, row: Throttled("HTTP 503: no backend") if now > 3 else None), 5000, concurrency=16
        )
        assert outcome.stopped is not None and not outcome.rejects
        assert "refused every request for 15 minutes; the last one: HTTP 503: no backend" in outcome.stopped
        assert len(outcome.sent) - len(outcome.replies) < 600

    def test_a_refusal_of_everybody_that_ends_costs_no_row(self) -> None:
        outcome = run(always(lambda now, row: Throttled("HTTP 503: loading") if 3 < now < 800 else None), 500)
        assert outcome.stopped is None and len(outcome.replies) == 500

    def test_a_row_that_is_always_too_large_is_rejected(self) -> None:
        outcome = run(always(lambda now, row: Throttled("HTTP 429: too large") if row == 3 else None), 50, max_tries=2)
        assert outcome.rejects.keys() == {3} and outcome.rejects[3].reason is Reason.REQUEST_FAILED
        assert outcome.rejects[3].detail == "HTTP 429: too large (given up after 10 tries)"

    def test_a_pause_that_was_asked_for_is_kept(self) -> None:
        refused_at: dict[int, float] = {}

        async def serve(address: str, row: int) -> None:
            if row % 10 == 0 and row not in refused_at:
                refused_at[row] = clock()
                raise Throttled("HTTP 429", 7.0)
            await asyncio.sleep(0.1)

        outcome = run(serve, 100)
        second = {row: time_s for time_s, _, row in outcome.sent}
        assert len(refused_at) == 10 and all(second[row] >= refused_at[row] + 7 for row in refused_at)

    def test_a_pause_of_next_to_nothing_does_not_use_up_the_tries(self) -> None:
        outcome = run(always(lambda now, row: Throttled("HTTP 429", 0.001) if now < 20 else None), 50)
        assert outcome.stopped is None and len(outcome.replies) == 50

    def test_a_pause_of_a_day_stops_the_run(self) -> None:
        outcome = run(always(lambda now, row: Throttled("HTTP 429: daily limit", 86_400.0) if row == 40 else None), 500)
        assert (
            outcome.stopped is not None and "asks to wait for 1440 minutes (HTTP 429: daily limit)" in outcome.stopped
        )


class TestRefused:
    def test_refused_rows_are_rejected_at_once_however_many(self) -> None:
        outcome = run(always(lambda now, row: RowRefused("HTTP 400: too long") if row % 2 else None), 200)
        assert len(outcome.rejects) == 100 and len(outcome.sent) == 200
        assert {failure.reason for failure in outcome.rejects.values()} == {Reason.REQUEST_REFUSED}

    def test_twenty_at_first_and_no_reply_concern_all(self) -> None:
        outcome = run(always(lambda now, row: RowRefused("HTTP 400: unknown field")), 200)
        assert outcome.stopped is not None and "HTTP 400: unknown field" in outcome.stopped
        assert len(outcome.rejects) == 19

    def test_what_concerns_all_stops_the_run_once_those_in_flight_are_home(self) -> None:
        async def serve(address: str, row: int) -> None:
            await asyncio.sleep(30 if row < 10 else 1)
            if row == 20:
                raise AllRefused("HTTP 401: expired")

        outcome = run(serve, 500, concurrency=32)
        assert outcome.stopped is not None and "HTTP 401: expired" in outcome.stopped
        assert outcome.took_s == pytest.approx(30, abs=1) and set(range(10)) <= outcome.stored
        assert len(outcome.sent) == len(outcome.stored) + 1


KINDS = st.sampled_from(
    [
        lambda: None,
        lambda: None,
        lambda: Broken("HTTP 502"),
        lambda: Broken("HTTP 500", by_request=True),
        lambda: Broken("hang", timed_out=True),
        lambda: Broken("html", Reason.UNREADABLE_REPLY),
        lambda: Unreachable("refused"),
        lambda: Throttled("HTTP 429"),
        lambda: Throttled("HTTP 429", 0.0),
        lambda: Throttled("HTTP 429", 5.0),
        lambda: RowRefused("HTTP 400"),
    ]
)
PHASES = st.lists(st.tuples(st.floats(0.1, 120), st.lists(KINDS, min_size=1, max_size=4)), max_size=6)


class TestWhateverComes:
    @settings(max_examples=150)
    @given(PHASES, st.integers(1, 2), st.integers(1, 40), st.integers(1, 120), st.integers(0, 2**32))
    def test_the_run_ends_with_every_row_accounted_for(
        self,
        phases: list[tuple[float, list[Callable[[], Exception | None]]]],
        n_addresses: int,
        concurrency: int,
        n_rows: int,
        seed: int,
    ) -> None:
        """Phases of faults, one after another, then all is well; a deadlock would be told by `run_virtually`."""
        dice = random.Random(seed)

        async def serve(address: str, row: int) -> dict[str, str] | None:
            now = clock()
            kinds: list[Callable[[], Exception | None]] = [lambda: None]
            for length_s, of_phase in phases:
                if now < length_s:
                    kinds = of_phase
                    break
                now -= length_s
            await asyncio.sleep(dice.uniform(0, 3))
            fault = dice.choice(kinds)()
            if fault is not None:
                raise fault
            return {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2s"} if row == 5 else None

        addresses = tuple(f"http://{number}/v1" for number in range(n_addresses))
        outcome = run(serve, n_rows, addresses=addresses, concurrency=concurrency, max_tries=3)
        assert outcome.most_in_flight <= concurrency * n_addresses
        assert outcome.took_s < 3600
        if outcome.stopped is None:
            assert outcome.replies.keys() | outcome.rejects.keys() == set(range(n_rows))
        assert outcome.replies.keys() <= outcome.stored
        assert not outcome.stored & outcome.rejects.keys()
