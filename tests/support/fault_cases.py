"""The fault matrix: what a server may do to a request, and what the run must then do.

Each case is run for real by `tests/llm/http/test_faults.py`, and by `docs/write_faults.py` for the page docs/faults.md.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from threading import Timer
from typing import Any

from aiohttp import web

from mminstruct.rows import Reason
from support.fault_run import Observed, Scene, hits, observe, short_pauses
from support.llm_faults import Huge, close, hang, redirect, refuse, reset, send, trickle
from support.llm_server import Body, Fault, LlmServer, Misdeed, completion

MAX_TRIES = 3
SETTINGS: dict[str, Any] = {"concurrency": 4, "max_tries": MAX_TRIES, "timeout_s": 5.0, "give_up_after_s": 0.3}


@dataclass(frozen=True)
class Answered:
    """The row got its reply at its `after`-th request, not sooner than `pause_s` after the first."""

    after: int | None = None  # None: it depends on the moment
    pause_s: float = 0.0
    text: str | None = None  # None: the server's usual one
    finish_reason: str = "stop"


@dataclass(frozen=True)
class Rejected:
    """The row was rejected after so many requests, with this reason and a detail that holds `told`."""

    after: int
    reason: Reason
    told: str


@dataclass(frozen=True)
class Stopped:
    """The run stopped with a message that holds `told`; every row that was answered is kept."""

    told: str
    n_rejected: int = 0  # rows at most that were rejected until it was clear that no row is at fault


@dataclass(frozen=True)
class Case:
    """One fault; ten rows, two of which it hits where it does not hit all."""

    name: str
    scene: Scene
    expected: Answered | Rejected | Stopped
    hits_all: bool = False
    n_rows: int = 10
    settings: Mapping[str, Any] = field(default_factory=dict)
    loses_replies: bool = False  # good ones, on the wire: the server has sent what never came


def _dated(request: web.Request) -> Misdeed:
    """Refuse with an HTTP date two seconds ahead, so of one to two seconds, for it has no fractions."""
    date = formatdate(time.time() + 2, usegmt=True)
    return web.json_response(_error(429, "slow down"), status=429, headers={"Retry-After": date})


_LAST = "The last one for now."


def _last_of_its_limit(request: web.Request) -> Misdeed:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "200ms"}
    return web.json_response(completion(_LAST), headers=headers)


def _not_there(back_after_s: float | None = None) -> Scene:
    def scene(server: LlmServer) -> None:
        server.vanish()
        if back_after_s is not None:
            Timer(back_after_s, server.come_back).start()

    return scene


def _gone_after(n_replies: int, back_after_s: float | None = None) -> Scene:
    """Return a scene: the server is gone once it has answered `n_replies`, with those that are under way."""

    def scene(server: LlmServer) -> None:
        async def go(request: web.Request) -> Misdeed:
            server.always = lambda body: None
            await server.break_down()
            if back_after_s is not None:
                Timer(back_after_s, server.come_back).start()
            return None

        server.always = lambda body: go if len(server.requests) >= n_replies else None

    return scene


def _after(n_replies: int, fault: Fault) -> Scene:
    """Return a scene: `fault` for everybody once the server has answered `n_replies`."""

    def scene(server: LlmServer) -> None:
        server.always = lambda body: fault if len(server.requests) >= n_replies else None

    return scene


_SOON: dict[str, Any] = {"timeout_s": 1.0, "max_tries": 2}
_PATIENT: dict[str, Any] = {"give_up_after_s": 5.0}


def _busy(after: str, header: str = "Retry-After") -> Fault:
    return refuse(429, "slow down", {header: after})


def _error(code: int, message: str) -> Body:
    return {"error": {"code": code, "message": message}}


def _failed(told: str, after: int = MAX_TRIES) -> Rejected:
    return Rejected(after, Reason.REQUEST_FAILED, told)


def _unreadable(told: str = "expected a chat completion in JSON") -> Rejected:
    return Rejected(MAX_TRIES, Reason.UNREADABLE_REPLY, told)


def _refused(told: str) -> Rejected:
    return Rejected(1, Reason.REQUEST_REFUSED, told)


_CUT = send('{"choices": [{"index": 0, "mess')
_HTML = send("<html><h1>We are back soon</h1></html>", "text/html")
_NOT_UTF8 = send(b'{"choices": [{"message": {"content": "caf\xe9"}}]}')
_NULL: Body = completion("")
_NULL["choices"][0]["message"]["content"] = None
_FILTERED = completion("", finish_reason="content_filter")
_LONG = completion("The light is", finish_reason="length")
_HALF = completion("Half a", finish_reason="error")
_HALF["choices"][0] |= _error(502, "provider gone")
_FLAGGED = {"reasons": ["violence"], "flagged_input": "…"}
_TOO_LARGE = refuse(429, "Request too large: 9,000 tokens, the limit is 8,000 a minute")
_NO_MODEL = refuse(404, "The model `m` does not exist", code="model_not_found")
_NO_MONEY = refuse(429, "You exceeded your current quota", code="insufficient_quota")
_NO_FIELD = refuse(400, "unknown field 'grammar'")

BUSY = (
    Case("429, once", hits(refuse(429, "slow down"), 1), Answered(2)),
    Case("429 with `Retry-After: 1`, once", hits(_busy("1"), 1), Answered(2, 1.0)),
    Case("429 with an HTTP date as `Retry-After`, once", hits(_dated, 1), Answered(2, 0.5)),
    Case("429 with `retry-after-ms: 200`, once", hits(_busy("200", "retry-after-ms"), 1), Answered(2, 0.2)),
    Case("429 with `Retry-After: 0`, 12 times", hits(_busy("0"), 12), Answered(13)),
    Case("503, once", hits(refuse(503, "overloaded"), 1), Answered(2)),
    Case("529, once", hits(refuse(529, "overloaded"), 1), Answered(2)),
    Case("a reply with `x-ratelimit-remaining-requests: 0`", hits(_last_of_its_limit), Answered(1, text=_LAST)),
    Case("429, always, for one row of many", hits(_TOO_LARGE), _failed("Request too large", 5 * MAX_TRIES)),
    Case("429, for every row and for ever", _after(4, refuse(429, "slow down")), Stopped("slow down"), True, 40),
    Case("503, for every row and for ever", _after(4, refuse(503, "no backend")), Stopped("no backend"), True, 40),
    Case("429 with `Retry-After: 7200`", hits(_busy("7200")), Stopped("asks to wait for 120 minutes")),
)

BROKEN = (
    Case("500, once", hits(refuse(500, "out of memory"), 1), Answered(2)),
    Case("502, once", hits(refuse(502, "bad gateway"), 1), Answered(2)),
    Case("500, always, for one row of many", hits(refuse(500, "out of memory")), _failed("HTTP 500: out of memory")),
    Case(
        "500, for every row and for ever",
        _after(4, refuse(500, "out of memory")),
        Stopped("failed every request", 19),
        True,
        100,
    ),
    Case(
        "502, for every row and for ever",
        _after(4, refuse(502, "bad gateway")),
        Stopped("failed every request"),
        True,
        100,
    ),
    Case("connection closed before a reply, once", hits(close, 1), Answered(2)),
    Case("connection reset in mid-body, once", hits(reset, 1), Answered(2)),
    Case("connection reset in mid-body, always", hits(reset), _failed("connection broken")),
    Case("no reply at all, once", hits(hang, 1), Answered(2, 0.9), settings=_SOON),  # the server's clock begins later
    Case("no reply at all, always", hits(hang), _failed("no whole reply within 1 s", 2), settings=_SOON),
    Case("a reply that trickles, always", hits(trickle), _failed("no whole reply within 1 s", 2), settings=_SOON),
    Case("HTML in place of JSON, once", hits(_HTML, 1), Answered(2)),
    Case("HTML in place of JSON, always", hits(_HTML), _unreadable("<h1>We are back soon</h1>")),
    Case("JSON that is cut off, always", hits(_CUT), _unreadable()),
    Case("text that is not UTF-8, always", hits(_NOT_UTF8), _unreadable()),
    Case("JSON without choices, always", hits(send({"choices": []})), _unreadable()),
    Case("100 MB, the length announced, always", hits(Huge(100, True)), _unreadable("over 16 MiB")),
    Case("100 MB, the length not announced, always", hits(Huge(100, False)), _unreadable("over 16 MiB")),
    Case("an error 502 inside a 200, once", hits(send(_error(502, "bad gateway")), 1), Answered(2)),
    Case("an error 429 inside a 200, once", hits(send(_error(429, "slow down")), 1), Answered(2)),
    Case("an error beside half a text, once", hits(send(_HALF), 1), Answered(2)),
)

GONE = (
    Case("connection refused, for ever", _not_there(), Stopped("Nobody answers at"), True),
    Case("connection refused, for a while", _not_there(0.2), Answered(1), True, settings=_PATIENT),
    Case("gone in mid-run, for ever", _gone_after(4), Stopped("Nobody answers at"), True, 40, loses_replies=True),
    Case("gone in mid-run, and back", _gone_after(4, 0.2), Answered(), True, 40, _PATIENT, loses_replies=True),
)

ONE_ROW = (
    Case("400", hits(refuse(400, "context length exceeded")), _refused("HTTP 400: context length exceeded")),
    Case("413", hits(refuse(413, "request entity too large")), _refused("HTTP 413: request entity too large")),
    Case("422", hits(refuse(422, "not a valid message")), _refused("HTTP 422: not a valid message")),
    Case("403 that speaks of its content", hits(refuse(403, "flagged", metadata=_FLAGGED)), _refused("403: flagged")),
)

EVERY_ROW = (
    Case("401", hits(refuse(401, "Incorrect API key provided")), Stopped("HTTP 401: Incorrect API key provided")),
    Case("402", hits(refuse(402, "Insufficient credits")), Stopped("HTTP 402: Insufficient credits")),
    Case("403", hits(refuse(403, "Country not supported")), Stopped("HTTP 403: Country not supported")),
    Case("404, no such model", hits(_NO_MODEL), Stopped("HTTP 404: The model `m` does not exist")),
    Case("429 with the code `insufficient_quota`", hits(_NO_MONEY), Stopped("You exceeded your current quota")),
    Case("an error 401 inside a 200", hits(send(_error(401, "No credentials"))), Stopped("No credentials")),
    Case("a redirect", hits(redirect("https://example.org/login")), Stopped("redirected to https://example.org")),
    Case("400, for every row from the first on", hits(_NO_FIELD, rows=None), Stopped("unknown field", 19), True, 40),
)

ODD = (
    Case("empty content", hits(send(completion(""))), Answered(1, text="")),
    Case("null content", hits(send(_NULL)), Answered(1, text="")),
    Case("`finish_reason: length`", hits(send(_LONG)), Answered(1, text="The light is", finish_reason="length")),
    Case("`finish_reason: content_filter`", hits(send(_FILTERED)), Answered(1, 0, "", "content_filter")),
)

CASES = (*BUSY, *BROKEN, *GONE, *ONE_ROW, *EVERY_ROW, *ODD)


async def observe_all(folder: Path) -> dict[str, Observed]:
    """Run every case for real, some at a time; the result of each by the case's name."""
    some = asyncio.Semaphore(6)  # fewer cases than would slow a server until rows that nothing hits time out

    async def run(number: int, case: Case) -> tuple[str, Observed]:
        async with some:
            try:
                settings = {**SETTINGS, **case.settings}
                return case.name, await observe(case.scene, folder / str(number), case.n_rows, settings)
            except Exception as error:
                error.add_note(f"in the case: {case.name}")
                raise

    with short_pauses():
        return dict(await asyncio.gather(*(run(number, case) for number, case in enumerate(CASES))))
