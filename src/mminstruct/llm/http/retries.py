"""What is done about a fault: try again and when, fail the row, or stop the run.

    Throttled    later, as often as it takes within reason; the level and the pauses do the rest (`addresses.py`);
                 where nobody is answered any more for a quarter of an hour, the run stops
    Broken       again after a growing pause, `max_tries` in all; then the row fails
    Unreachable  as soon as an address answers again; after `give_up_after_s` the run stops
    RowRefused   the row fails
    AllRefused   the run stops

A try counts against its row only while the endpoint answers others: in an outage time decides, not the number of tries.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from mminstruct.errors import EndpointError
from mminstruct.llm.chat import RequestFailed
from mminstruct.llm.endpoint import Endpoint
from mminstruct.llm.http.addresses import Address, Addresses
from mminstruct.llm.http.faults import AllRefused, Broken, Fault, RowRefused, Throttled, Unreachable
from mminstruct.rows import Reason

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
LONGEST_WAIT_S = 900.0  # with no reply; a longer Retry-After is a daily quota: nobody wants to watch that
_NEVER_REACHED_S = 5.0  # an endpoint that never answered is given up sooner: the address is wrong, or nobody is there
_THROTTLED_PER_TRY = 5  # busy endpoints refuse a request more often than broken ones fail it
_REFUSED_AT_FIRST = 20  # rows, with no good reply at all: then it is not the rows that are at fault
_GO_ON = "Then run the same command again; every reply received so far is kept."


@dataclass(slots=True)
class Tries:
    """How often one request has failed so far."""

    request_id: str
    n_failed: int = 0
    n_throttled: int = 0

    def next_pause_s(self) -> float:
        """Return a jittered pause that doubles with every failure."""
        doublings = min(self.n_failed + self.n_throttled - 1, 10)
        pause_s = min(FIRST_PAUSE_S * 2**doublings, LONGEST_PAUSE_S)
        return random.uniform(pause_s / 2, pause_s)


class Retries:
    """The rules for one endpoint."""

    def __init__(self, endpoint: Endpoint, addresses: Addresses) -> None:
        self._endpoint = endpoint
        self._addresses = addresses
        self._n_refused = 0

    def pause_s(self, fault: Fault, tries: Tries, address: Address, n_outstanding: int, now: float) -> float:
        """Return the seconds to wait before the request is tried again; `n_outstanding` requests have no reply yet.

        Raises RequestFailed where only the row is lost, EndpointError where the run must stop.
        """
        if isinstance(fault, AllRefused):
            raise self._refused_by(address, fault)
        if isinstance(fault, RowRefused):
            self._n_refused += 1
            if self._n_refused >= _REFUSED_AT_FIRST and not self._ever_replied:
                raise self._refused_by(address, fault)
            raise RequestFailed(tries.request_id, Reason.REQUEST_REFUSED, fault.detail)
        if isinstance(fault, Throttled):
            return self._after_throttling(fault, tries, address, now)
        if address.failing_since is None:
            return self._after_failure(fault, tries)
        failing_for_s = self._addresses.failing_for_s(now)
        if failing_for_s > self._patience_s:
            raise self._given_up(fault, tries, n_outstanding, failing_for_s)
        return 0.0  # the address is set aside: its own pause is waited for, or another one takes the request

    def _after_failure(self, fault: Fault, tries: Tries) -> float:
        tries.n_failed += 1
        if tries.n_failed >= self._endpoint.max_tries:
            reason = fault.reason if isinstance(fault, Broken) else Reason.REQUEST_FAILED
            raise RequestFailed(tries.request_id, reason, f"{fault.detail} (given up after {tries.n_failed} tries)")
        return tries.next_pause_s()

    def _after_throttling(self, fault: Throttled, tries: Tries, address: Address, now: float) -> float:
        tries.n_throttled += 1
        if fault.pause_s is not None and fault.pause_s > LONGEST_WAIT_S:
            minutes = f"{fault.pause_s / 60:.0f} minutes"
            raise EndpointError(
                f"{address.name} asks to wait for {minutes} ({fault.detail}). Wait, or mend it. {_GO_ON}"
            )
        throttled_for_s = self._addresses.throttled_for_s(now)
        if throttled_for_s > LONGEST_WAIT_S:
            raise EndpointError(
                f"{address.name} refused every request for {throttled_for_s / 60:.0f} minutes; the last one: "
                f"{fault.detail}. See to the server, or set `requests_per_minute`. {_GO_ON}"
            )
        if tries.n_throttled >= _THROTTLED_PER_TRY * self._endpoint.max_tries:
            detail = f"{fault.detail} (given up after {tries.n_throttled} tries)"
            raise RequestFailed(tries.request_id, Reason.REQUEST_FAILED, detail)
        return max(tries.next_pause_s(), fault.pause_s or 0.0)

    def _given_up(self, fault: Fault, tries: Tries, n_outstanding: int, failing_for_s: float) -> Exception:
        """Return the row's failure where the failing requests are all that is left, else the run's."""
        n_failing = len(set().union(*(address.failing for address in self._addresses.all)))
        few_are_left = n_outstanding <= n_failing < _REFUSED_AT_FIRST
        if isinstance(fault, Broken) and fault.by_request and few_are_left and self._ever_replied:
            detail = f"{fault.detail} (given up after {failing_for_s:.0f} s)"
            return RequestFailed(tries.request_id, fault.reason, detail)
        urls, for_s = " and ".join(address.name for address in self._addresses.all), f"for {failing_for_s:.0f} s"
        if isinstance(fault, Unreachable):
            gone = f"Nobody answers at {urls} {for_s}: {fault.detail}. Start the server, or mend `base_url`."
        else:
            gone = f"{urls} failed every request {for_s}; the last one: {fault.detail}. See to the server."
        return EndpointError(f"{gone} {_GO_ON}")

    @property
    def _ever_replied(self) -> bool:
        return any(address.ever_replied for address in self._addresses.all)

    @property
    def _patience_s(self) -> float:
        patience_s = self._endpoint.give_up_after_s
        return patience_s if self._ever_replied else min(patience_s, _NEVER_REACHED_S)

    def _refused_by(self, address: Address, fault: Fault) -> EndpointError:
        return EndpointError(
            f"The endpoint {address.name} refuses model {self._endpoint.model!r} with {fault.detail}. Check "
            f"`base_url`, `model` and the key that `api_key_env` names. {_GO_ON}"
        )
