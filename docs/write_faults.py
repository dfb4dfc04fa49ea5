"""Write faults.md: run every case of tests/support/fault_cases.py against a real server, and tell what the run did."""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from support.fault_cases import BROKEN, BUSY, EVERY_ROW, GONE, MAX_TRIES, ODD, ONE_ROW, Answered, Case, observe_all
from support.fault_run import FAULTY, Observed

PAGE = Path(__file__).with_name("faults.md")

_GO_ON = "Then run the same command again; every reply received so far is kept."

_HEAD = f"""# What a misbehaving endpoint does to a run

Short: nothing that was paid for is lost, one bad row is one reject, and a run that cannot go on stops with one
paragraph that says why. The same command goes on from there.

## Five kinds of fault

| kind | what it looks like | what is done |
|---|---|---|
| busy | 429, 503, 529 | the row is tried again later, and fewer are sent at a time |
| broken | other 5xx, 408, a connection that breaks, no reply within `timeout_s`, a reply that is no chat completion | tried again after a pause, `max_tries` times in all; then the row is rejected |
| nobody there | no connection can be made | waited for; after `give_up_after_s` the run stops |
| one row refused | 400, 413, 422 and other 4xx, 403 for the row's content | the row is rejected at once |
| every row refused | 401, 402, 403, 404, 405, a redirect, `insufficient_quota`, `model_not_found`; the first 20 rows refused and none answered | the run stops |

**Pauses.** The first pause is a quarter to half a second, each one after it up to twice as long, up to half a minute,
and random within that, so that rows do not come back all at once. `Retry-After` (seconds or a date) and
`retry-after-ms` are kept to. Where three requests in a row are told to wait, all keep that pause. Where a good reply
says that nothing is left of a limit (`x-ratelimit-remaining-requests: 0`, or `-tokens`), nothing is sent until
`x-ratelimit-reset-…`, for a minute at most. A `Retry-After` of over 15 minutes is a daily quota, and stops the run.

**When a try counts.** A try counts against its row only while the endpoint answers others. When eight different
requests in a row have failed, or no connection could be made, the address is set aside: it is tried again with one
request at a time, after half a second, then twice as long each time, up to 15 seconds. Until a reply comes, time
decides and not the number of tries: after `give_up_after_s` the run stops (after 5 seconds, where nothing was ever
answered). So a restart of the server costs no row. A few last rows that get nothing but errors 500, or nothing
readable, are rejected after that time, and do not stop the run.

**Busy endpoints** refuse more often than broken ones fail, so a row may be refused five times `max_tries` before it is
rejected. Where every request is refused, one is tried now and then, like at an address that is set aside; after 15
minutes without a reply the run stops.

**When the run stops**, nothing more is sent, and what is in flight comes home to the reply store, for `timeout_s` at
most. Then the message is printed, and the exit status is 2. A `budget` that is used up stops the run in the same way.

## Settings

All are in the section `llm` of the config ([configuration](configuration.md)).

| key | |
|---|---|
| `max_tries` | tries of one request |
| `timeout_s` | of one try, the whole reply; a slow model with long answers needs more |
| `give_up_after_s` | how long an endpoint may be away |
| `concurrency` | requests in flight at most, at each address |
| `requests_per_minute`, `tokens_per_minute` | of each address; where the provider names its limits, set them: it saves refusals |
| `base_urls` | several addresses of one model; a request goes to the one that is least busy, one that fails is set aside, and the run stops only when all do |

**How many at a time.** `concurrency` is a ceiling. Below it the client looks for the level that the endpoint can take:
it begins with 32 and doubles them as long as more in flight gives more replies. A refusal or a timeout lowers the level
to what the server still holds, by half at most in one round trip, and it then grows again by one, two, four … requests
a round. Where nothing is refused and replies only take longer, more in flight without more throughput is a queue, and
the level goes back. How near it comes to the best fixed number is measured in
[concurrency.md](../benchmarks/results/concurrency.md).

## Each fault, for real

A real HTTP server misbehaves as the first column says; a run of ten rows (40 or 100, where it takes more to see)
asks it, with `max_tries: {MAX_TRIES}` and `concurrency: 4`. Where nothing else is said, two of the ten rows are hit, and
the other eight were answered at their first request. In every case all replies that came were in the reply store
afterwards, and no failure was. Messages of a stop go on with “{_GO_ON}” This page is
written by `docs/write_faults.py` from what the runs did (with pauses shorter than usual), and `tests/llm/http/test_faults.py`
makes the same runs.
"""  # noqa: E501 - rows of tables

_SECTIONS: tuple[tuple[str, Sequence[Case]], ...] = (
    ("Busy", BUSY),
    ("Broken", BROKEN),
    ("Nobody there", GONE),
    ("One row refused", ONE_ROW),
    ("Every row refused", EVERY_ROW),
    ("Odd, but a reply: stored and handed on as it is", ODD),
)


def render(observations: Mapping[str, Observed]) -> str:
    """Return the page's text; the observations are by the cases' names."""
    return _HEAD + "".join(_section(title, cases, observations) for title, cases in _SECTIONS)


def _section(title: str, cases: Sequence[Case], observations: Mapping[str, Observed]) -> str:
    rows = [_row(case, observations[case.name]) for case in cases]
    return f"\n### {title}\n\n| the fault | requests for a row | what became of it |\n|---|---:|---|\n" + "".join(rows)


def _row(case: Case, observed: Observed) -> str:
    cells = (case.name, _requests(case, observed), _fate(case, observed))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _hit(case: Case) -> list[int]:
    return list(range(case.n_rows)) if case.hits_all else sorted(FAULTY)


def _requests(case: Case, observed: Observed) -> str:
    """Return how often the server was asked for a row, where that does not hang on the moment."""
    counts = {observed.n_asked[row] for row in _hit(case)}
    return str(counts.pop()) if len(counts) == 1 and observed.stopped is None else ""


def _fate(case: Case, observed: Observed) -> str:
    if observed.stopped is not None:
        return f"the run stopped: “{_without_moments(observed.stopped).removesuffix(_GO_ON).strip()} …”"
    if observed.rejects:
        failure = observed.rejects[_hit(case)[0]]
        return f"rejected, `{failure.reason}`: “{_without_moments(failure.detail)}”"
    reply = observed.replies[_hit(case)[0]]
    if reply.finish_reason != "stop" or not reply.text:
        return f"answered: “{reply.text}”, finish reason `{reply.finish_reason}`"
    if case in BUSY and isinstance(case.expected, Answered) and case.expected.pause_s:
        waited = all(observed.pauses_s[row] >= case.expected.pause_s for row in _hit(case))
        return "answered, after the pause that was asked for" if waited else "answered too soon"
    return "every row answered" if case.hits_all else "answered"


def _without_moments(told: str) -> str:
    """Return a message without what differs between runs, or systems: ports, seconds, numbers of errors."""
    told = re.sub(r"http://127\.0\.0\.1:\d+", "http://127.0.0.1:8000", told)
    told = re.sub(r"\('127\.0\.0\.1', \d+\)", "('127.0.0.1', 8000)", told)
    told = re.sub(r"(/v1|every request) for \d+ (s|minutes)\b", r"\1 for … \2", told)
    return re.sub(r"\[Errno \d+\] ", "", told)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as stores:
        PAGE.write_text(render(asyncio.run(observe_all(Path(stores)))), encoding="utf-8")
