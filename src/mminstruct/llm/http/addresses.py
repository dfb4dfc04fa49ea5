"""The addresses of one model: which one takes the next request, and which are left alone for a while.

A request goes to the address that is least busy for its level (`limits.py`). One that asks for a pause gets it; one
that fails everybody is set aside and tried again later, with one request, at growing intervals.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from mminstruct.llm.endpoint import Endpoint
from mminstruct.llm.http.faults import Broken, Fault, Throttled, Unreachable
from mminstruct.llm.http.limits import Level, Rate

_FAILING_REQUESTS = 8  # different ones in a row, without a good reply between: then it is the address that fails
_THROTTLED_IN_A_ROW = 3  # then all keep the pause that was asked for one; at the lowest level, one of our own
_FIRST_ASIDE_S = 0.5
_LONGEST_ASIDE_S = 15.0


class Address:
    """One address: its level, its rates, its health. Times are the event loop's."""

    def __init__(self, url: str, endpoint: Endpoint) -> None:
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        self.name = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))  # for messages: no password
        self.level = Level(endpoint.concurrency)
        self.n_landing = 0  # replies that have come and are not committed yet
        self.closed_until = 0.0
        self._requests = Rate(endpoint.requests_per_minute) if endpoint.requests_per_minute else None
        self._tokens = Rate(endpoint.tokens_per_minute) if endpoint.tokens_per_minute else None
        self.failing: set[str] = set()  # requests that failed since the last good reply
        self.failing_since: float | None = None  # when it was first set aside; None: it answers
        self.ever_replied = False
        self._n_throttled = 0  # since the last good reply
        self._aside_s = 0.0  # how long it was set aside the last time

    @property
    def has_room(self) -> bool:
        """Tell whether the level, and the number of replies that a sudden end could lose, admit one more."""
        level = self.level
        return level.has_room and level.in_flight + self.n_landing < level.most

    def opens_in_s(self, now: float) -> float:
        """Return the seconds until the next request may go to it, as far as time decides that."""
        waits = [self.closed_until - now, 0.0]
        waits += [rate.wait_s(now) for rate in (self._requests, self._tokens) if rate is not None]
        return max(waits)

    def enter(self, n_tokens: float, now: float) -> int:
        """Count a request that is sent now; returns the round that `left` and the others want to know."""
        self.level.in_flight += 1
        if self._requests is not None:
            self._requests.take(1, now)
        if self._tokens is not None:
            self._tokens.take(n_tokens, now)
        return self.level.round

    def replied(self, sent_in: int, latency_s: float, pause_s: float, n_more_tokens: float, now: float) -> None:
        """A good reply came; see `Addresses.replied`."""
        if self.failing or self._n_throttled:
            self.failing.clear()
            self._n_throttled = 0
        self.failing_since, self._aside_s, self.ever_replied = None, 0.0, True
        self.level.replied(sent_in, latency_s)
        if pause_s:
            self.closed_until = max(self.closed_until, now + pause_s)
        if self._tokens is not None:
            self._tokens.take(n_more_tokens, now)

    def failed(self, fault: Fault, request_id: str, sent_in: int, now: float) -> None:
        """A request got a fault in place of a reply; call it after the request has left `in_flight`."""
        if isinstance(fault, Throttled):
            self.level.refused(sent_in)
            self._n_throttled += 1
            if fault.pause_s is not None and self._n_throttled >= _THROTTLED_IN_A_ROW:
                self.closed_until = max(self.closed_until, now + fault.pause_s)
            elif self.level.limit == 1 and self._n_throttled >= _THROTTLED_IN_A_ROW and self._close(now):
                self.level.collapse()  # a quota that is used up: it comes back as a whole
        elif isinstance(fault, Broken | Unreachable):
            if isinstance(fault, Broken) and fault.timed_out:
                self.level.refused(sent_in)
            self.failing.add(request_id)
            is_aside = self.failing_since is not None  # no good reply since: one failure is enough
            if isinstance(fault, Unreachable) or is_aside or len(self.failing) >= _FAILING_REQUESTS:
                self._set_aside(now)

    def _set_aside(self, now: float) -> None:
        if self._close(now):
            self.failing_since = now if self.failing_since is None else self.failing_since
            self.level.collapse()

    def _close(self, now: float) -> bool:
        """Leave it alone, each time for longer; not for those sent before it was closed, which gives False."""
        if now < self.closed_until:
            return False
        self._aside_s = min(max(2 * self._aside_s, _FIRST_ASIDE_S), _LONGEST_ASIDE_S)
        self.closed_until = now + self._aside_s
        return True


class Place(NamedTuple):
    """A place at an address, and the round of its level in which it was taken."""

    address: Address
    round: int


class Addresses:
    """Hands out places at addresses, first come, first served."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.all = [Address(url, endpoint) for url in endpoint.addresses]
        self._waiting: deque[tuple[asyncio.Future[Place], float]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._throttled: set[str] = set()  # requests that were refused for load since the last good reply
        self._throttled_since = 0.0
        self._at_rest = asyncio.Event()

    @property
    def in_flight(self) -> int:
        """Requests that are being sent or answered, and replies that are being stored."""
        return sum(address.level.in_flight + address.n_landing for address in self.all)

    def failing_for_s(self, now: float) -> float:
        """Return how long no address has answered anybody; zero while one does."""
        return min(0.0 if address.failing_since is None else now - address.failing_since for address in self.all)

    def throttled_for_s(self, now: float) -> float:
        """Return how long every request was refused for load; zero while it concerns a few requests only."""
        return now - self._throttled_since if len(self._throttled) >= _FAILING_REQUESTS else 0.0

    async def enter(self, n_tokens: float) -> Place:
        """Wait for a place for a request of about so many tokens, and take it."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            now = loop.time()
            address = self._least_busy(now)
            if address is not None:
                return Place(address, address.enter(n_tokens, now))
        place: asyncio.Future[Place] = loop.create_future()
        self._waiting.append((place, n_tokens))
        self._hand_out()
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave(place.result())
            raise

    def leave(self, place: Place, fault: Fault | None = None, request_id: str = "") -> None:
        """Give a place back without a reply, with the fault that its request got; somebody else may take it at once."""
        place.address.level.in_flight -= 1
        if fault is not None:
            now = asyncio.get_running_loop().time()
            place.address.failed(fault, request_id, place.round, now)
            if isinstance(fault, Throttled):
                self._throttled_since = self._throttled_since if self._throttled else now
                self._throttled.add(request_id)
        self._go_on()

    def replied(self, place: Place, latency_s: float, pause_s: float, n_more_tokens: float) -> None:
        """The place's reply has come: the next request may go, while this reply is stored (see `landed`).

        `pause_s` is how long the endpoint says that nothing is left of its rate limit; `n_more_tokens` were used beyond
        what was thought when the request was sent.
        """
        address, now = place.address, asyncio.get_running_loop().time()
        address.level.in_flight -= 1
        address.n_landing += 1
        address.replied(place.round, latency_s, pause_s, n_more_tokens, now)
        self._throttled.clear()
        self._go_on()

    def landed(self, place: Place) -> None:
        """The reply is stored, or could not be."""
        place.address.n_landing -= 1
        self._go_on()

    def _go_on(self) -> None:
        if self._waiting:
            self._hand_out()
        if not self.in_flight:
            self._at_rest.set()

    async def at_rest(self) -> None:
        """Wait until nothing is in flight any more."""
        while self.in_flight:
            self._at_rest.clear()
            await self._at_rest.wait()

    def _least_busy(self, now: float) -> Address | None:
        best, least = None, 0.0
        for address in self.all:
            level = address.level
            if not address.has_room:
                level.wanted_more = True
            elif address.opens_in_s(now) <= 0 and (best is None or level.in_flight / level.limit < least):
                best, least = address, level.in_flight / level.limit
        return best

    def _hand_out(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._waiting:
            address = self._least_busy(now)
            if address is None:
                self._look_again(now)
                return
            place, n_tokens = self._waiting.popleft()
            if not place.done():
                place.set_result(Place(address, address.enter(n_tokens, now)))

    def _look_again(self, now: float) -> None:
        """Set a timer for the first address that time alone keeps closed."""
        waits = [address.opens_in_s(now) for address in self.all if address.has_room]
        if not waits:
            return  # the next `leave` looks
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(min(waits), self._hand_out)
