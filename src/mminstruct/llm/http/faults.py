"""What can go wrong with one HTTP exchange, sorted by what helps.

Throttled    the endpoint is busy: fewer at a time, and this one later
Broken       an error that a retry may mend: 500, a reset connection, a reply that is no JSON
Unreachable  nobody is there: wait for it, or stop the run
RowRefused   this request alone is at fault: its row is rejected
AllRefused   every request would fail like this: the run stops
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

from mminstruct.rows import Reason

_THROTTLED = {429, 503, 529}
_CONCERNS_ALL = {401, 402, 403, 404, 405}
_WORTH_A_RETRY = {408, 409, 425}  # and 5xx
_LONGEST_HINT_S = 60.0
_CODES_THAT_CONCERN_ALL = {
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "account_deactivated",
    "invalid_api_key",
    "model_not_found",
}


class Fault(Exception):
    """Base of the five; `detail` says what was found, for the user."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Throttled(Fault):
    """Too much at once; `pause_s` is what the endpoint asked for, if it did."""

    def __init__(self, detail: str, pause_s: float | None = None) -> None:
        super().__init__(detail)
        self.pause_s = pause_s


class Broken(Fault):
    """A failure that a retry may mend; `reason` is the row's if none does.

    `by_request`: this very request may be what the endpoint stumbles over (500, an unreadable reply).
    """

    def __init__(
        self,
        detail: str,
        reason: Reason = Reason.REQUEST_FAILED,
        *,
        timed_out: bool = False,
        by_request: bool = False,
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.timed_out = timed_out
        self.by_request = by_request or reason is Reason.UNREADABLE_REPLY


class Unreachable(Fault):
    """No connection could be made."""


class RowRefused(Fault):
    """A request that cannot be answered while others can."""


class AllRefused(Fault):
    """No request can be answered."""


def refusal(status: int, data: bytes, headers: Mapping[str, str]) -> Fault:
    """Return the fault that an HTTP status other than 200 stands for."""
    error = _error_object(data)
    detail = f"HTTP {status}: {_message(error, data)}"
    if _codes(error) & _CODES_THAT_CONCERN_ALL:
        return AllRefused(detail)
    if status in _THROTTLED:
        return Throttled(detail, asked_pause_s(headers) or exhausted_for_s(headers) or None)
    if status == 403 and _is_moderation(error):
        return RowRefused(detail)
    if status in _CONCERNS_ALL or 300 <= status < 400:
        place = headers.get("location")
        return AllRefused(f"{detail} (redirected to {place})" if place else detail)
    if status in _WORTH_A_RETRY or status >= 500:
        return Broken(detail, by_request=status == 500)
    return RowRefused(detail)


def asked_pause_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that `retry-after-ms` or `Retry-After` (seconds, or an HTTP date) ask for."""
    milliseconds, after = headers.get("retry-after-ms", ""), headers.get("retry-after", "")
    try:
        return max(0.0, float(milliseconds) / 1000 if milliseconds else float(after))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(after).timestamp() - time())
    except (ValueError, OverflowError):
        return None


def exhausted_for_s(headers: Mapping[str, str]) -> float:
    """Return how long nothing is left of a rate limit, from `x-ratelimit-remaining-*` and `x-ratelimit-reset-*`.

    It is at most a minute: what a longer one means is not agreed on (some send a date), and a refusal would tell.

    >>> exhausted_for_s({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "12.5s"})
    12.5
    """
    pauses = [0.0]
    for kind in ("requests", "tokens"):
        if headers.get(f"x-ratelimit-remaining-{kind}") == "0":
            pauses.append(duration_s(headers.get(f"x-ratelimit-reset-{kind}", "")))
    return min(max(pauses), _LONGEST_HINT_S)


_UNITS_S = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd]|)")


def duration_s(text: str) -> float:
    """Return the seconds of a duration such as `20ms`, `1.5s`, `6m0s` or `12`; zero where it is none.

    >>> [duration_s(text) for text in ("20ms", "6m0s", "1h2m", "12", "soon")]
    [0.02, 360.0, 3720.0, 12.0, 0.0]
    """
    parts = _DURATION_PART.findall(text)
    if "".join(number + unit for number, unit in parts) != text.strip():
        return 0.0
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


def _error_object(data: bytes) -> dict[str, Any]:
    """Return the `error` of a body in the OpenAI form, as an object; an empty one where there is none."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    error = content.get("error", content) if isinstance(content, dict) else content
    return error if isinstance(error, dict) else {"message": error}


def _message(error: dict[str, Any], data: bytes) -> str:
    message = error.get("message") or error.get("detail")
    return str(message)[:500] if message else data[:300].decode("utf-8", "replace")


def _codes(error: dict[str, Any]) -> set[str]:
    return {str(error.get(key)) for key in ("code", "type")}


def _is_moderation(error: dict[str, Any]) -> bool:
    """Tell whether a 403 speaks of this request's content, as OpenRouter's do, and not of the key."""
    metadata = error.get("metadata")
    return isinstance(metadata, dict) and "flagged_input" in metadata
