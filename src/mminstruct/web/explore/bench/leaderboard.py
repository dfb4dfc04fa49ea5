"""The leaderboard's part of the API: the figures of `bench report`, for the benchmark as it is now.

    GET /api/leaderboard → {state: "ready" | "computing", report | null, matrices: {judge: {models, rows} | null}}

A large benchmark takes seconds to summarize, so that is done in a thread of its own; until it is done the answer is
`computing`, with the report of the files' state before where there is one.
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mminstruct.bench.report.by_judge import judge_views
from mminstruct.bench.report.contents import Report
from mminstruct.bench.report.summary import summarize
from mminstruct.web.explore.bench.explorer import BenchExplorer
from mminstruct.web.explore.bench.kept import Stamp, stamp_of
from mminstruct.web.explore.bench.told import Told

_PATIENCE_S = 0.5  # a small benchmark is done by then, and the page needs no second request


def routes(explorer: BenchExplorer) -> list[Route]:
    """Return the leaderboard's routes."""
    summary = Summary(explorer)

    def leaderboard(request: Request) -> Response:
        report, is_current = summary.newest(_PATIENCE_S)
        return Told(
            {
                "state": "ready" if is_current else "computing",
                "report": None if report is None else asdict(report),
                "matrices": {} if report is None else _matrices(report),
            }
        )

    return [Route("/api/leaderboard", leaderboard)]


@dataclass
class _Work:
    """A summary in the making, or made."""

    stamp: Stamp
    done: threading.Event
    report: Report | None = None
    error: Exception | None = None


class Summary:
    """A benchmark's report, made anew in a thread when a file has changed; one at a time."""

    def __init__(self, explorer: BenchExplorer) -> None:
        self._explorer = explorer
        self._lock = threading.Lock()
        self._last: Report | None = None
        self._work: _Work | None = None

    def newest(self, wait_s: float) -> tuple[Report | None, bool]:
        """Return the newest report there is, waiting a little, and whether it is of the files as they are.

        Raises what `summarize` raises, once for every state of the files that is asked for.
        """
        with self._lock:
            stamp = stamp_of(self._explorer.report_files())
            work = self._work
            if work is None or (work.done.is_set() and (work.stamp != stamp or work.error is not None)):
                work = self._work = _Work(stamp, threading.Event())
                threading.Thread(target=self._make, args=(work,), name="leaderboard", daemon=True).start()
        if not work.done.wait(wait_s):
            return self._last, False
        if work.error is not None:
            raise work.error
        return work.report, work.stamp == stamp

    def _make(self, work: _Work) -> None:
        try:
            work.report = self._last = summarize(self._explorer.contents().data)
        except Exception as error:  # told to whoever asks: this thread has nobody to tell
            work.error = error
        finally:
            work.done.set()


def _matrices(report: Report) -> dict[str, Any]:
    """Return each judge's win rates of all against all, None where the pairs are no more than a list."""
    return {view.judge.judge: None if view.matrix is None else asdict(view.matrix) for view in judge_views(report)}
