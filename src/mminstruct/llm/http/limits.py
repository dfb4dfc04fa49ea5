"""How much one address is asked at a time: a level that is found by trying, and rates per minute.

The level grows by addition and falls by multiplication, as TCP's window does (Jacobson 1988), with two differences
that suit HTTP servers. A refusal (429, 503, 529, a timeout) lowers the level to what the server still holds, and at
most by half in one round trip: a server that takes 50 at a time is left with 50, not with 32. And where nothing is
refused and replies only take longer, Little's law (in flight = throughput × latency) tells whether more in flight
still means more throughput; where it does not, the level goes back.
"""

from __future__ import annotations

from statistics import median

FIRST_LEVEL = 64
_FEWEST_SAMPLES = 8  # replies that a round is judged by, at least
_NEEDED_GAIN = 0.25  # of the growth in flight, as growth in throughput; less is a queue that gets longer
_WORTH_JUDGING = 1.25  # growth in flight below which a change in latency is noise
_RISEN = 2.0  # times the usual latency; then fewer in flight are tried
_FEWER = 0.7
_LONGEST_REST = 8  # rounds between two tries at a level that was refused


class Level:
    """The number of requests that an address takes at a time, between 1 and `most`.

    Time goes in rounds: as many replies as there are places, all to requests that were sent in this round.
    """

    def __init__(self, most: int, first: int = FIRST_LEVEL) -> None:
        self.most = most
        self.limit = min(first, most)
        self.in_flight = 0
        self.round = 0  # requests remember the round in which they were sent
        self.wanted_more = False  # somebody had to wait in this round
        self._latencies: list[float] = []
        self._step = self.limit  # at first the level doubles every round
        self._rest = 0  # rounds until the next growth
        self._patience = 1  # rounds of rest after the next refusal
        self._lowest = 1  # of the present fall
        self._falling_since = 0  # round of its beginning
        self._settled: tuple[int, float] | None = None  # the last level that was worth it, and its latency
        self._trial: tuple[int, float] | None = None  # the level and latency before fewer were tried
        self._before_fall = 0  # the level before refusals without a good round between took it down
        self._before_collapse = 0  # the level to come back to, by half; 0: not collapsed

    @property
    def has_room(self) -> bool:
        """Tell whether one more may be sent."""
        return self.in_flight < self.limit

    def replied(self, sent_in: int, latency_s: float) -> None:
        """A request that was sent in round `sent_in` has its reply."""
        if self._before_collapse:
            self.limit, self._before_collapse, self._before_fall = max(1, self._before_collapse // 2), 0, 0
            self._begin_round()
        if sent_in != self.round:
            return
        self._latencies.append(max(latency_s, 1e-6))  # a coarse clock gives zero
        if len(self._latencies) >= max(self.limit, _FEWEST_SAMPLES):
            latency_s, full = median(self._latencies), self.wanted_more
            self._before_fall = 0
            self._begin_round()
            if full:
                self._judge(latency_s)

    def refused(self, sent_in: int) -> None:
        """A request was refused for load; call it after the request has left `in_flight`."""
        if sent_in >= self._falling_since:  # not an echo of what was sent before the level fell
            self._lowest = max(1, self.limit // 2)
            self._before_fall = max(self._before_fall, self.limit)
            self._begin_round()
            self._falling_since = self.round
            self._rest, self._step = self._patience, 1
            self._patience = min(2 * self._patience, _LONGEST_REST)
            self._settled = self._trial = None
        self.limit = min(self.limit, max(self._lowest, self.in_flight))

    def collapse(self) -> None:
        """The address is left alone for a while: only one at a time, until a reply comes."""
        self._before_collapse = max(self._before_collapse, self._before_fall, self.limit)
        self.limit, self._step, self._rest = 1, 1, 0
        self._settled = self._trial = None
        self._begin_round()
        self._falling_since = self.round

    def _begin_round(self) -> None:
        self.round += 1
        self.wanted_more = False
        self._latencies.clear()

    def _judge(self, latency_s: float) -> None:
        """Decide on the next round's level after a round at the full level without a refusal."""
        if self._trial is not None:
            self._end_trial(self._trial, latency_s)
        elif self._settled is None or self.limit >= _WORTH_JUDGING * self._settled[0]:
            if self._settled is not None and not self._is_worth_it(self._settled, latency_s):
                self.limit = self._settled[0]
                self._rest, self._step = self._patience, max(1, self.limit // 4)
                self._patience = min(2 * self._patience, _LONGEST_REST)
                return
            self._settled = (self.limit, latency_s)
        elif self.limit == self._settled[0] and latency_s > _RISEN * self._settled[1]:
            self._trial = (self.limit, latency_s)
            self.limit = max(1, int(_FEWER * self.limit))
            return
        elif self.limit == self._settled[0]:
            self._settled = (self.limit, min(latency_s, self._settled[1]))
        self._grow()

    def _is_worth_it(self, settled: tuple[int, float], latency_s: float) -> bool:
        growth = self.limit / settled[0]
        gain = growth * settled[1] / latency_s  # Little's law on both sides
        return gain >= 1 + _NEEDED_GAIN * (growth - 1)

    def _end_trial(self, before: tuple[int, float], latency_s: float) -> None:
        """Fewer in flight were tried against risen latency: keep that if it helped, else replies are just longer."""
        self._trial = None
        if latency_s > (1 + _FEWER) / 2 * before[1]:
            self.limit = before[0]
            self._settled = before
        elif self._settled is not None:
            self._settled = (self.limit, self._settled[1])  # still against the old latency: fall further if need be
            self._rest = max(self._rest, _FEWEST_SAMPLES)

    def _grow(self) -> None:
        if self._rest > 0:
            self._rest -= 1
            return
        if self.limit < self.most:
            self.limit = min(self.most, self.limit + self._step)
            self._step = min(2 * self._step, self.limit)
            if self._step > 2:  # two rounds of growth without a refusal: the old ceiling is gone
                self._patience = 1


class Rate:
    """At most `per_minute` units a minute, evenly: a second's worth may come at once, the rest waits."""

    def __init__(self, per_minute: float) -> None:
        self._unit_s = 60.0 / per_minute
        self._free_at = 0.0

    def wait_s(self, now: float) -> float:
        """Return the seconds until the next request may be sent."""
        return max(0.0, self._free_at - now)

    def take(self, n_units: float, now: float) -> None:
        """Count what is sent at `now`; a negative number gives back what was counted too much."""
        self._free_at = max(self._free_at, now - 1.0) + n_units * self._unit_s
