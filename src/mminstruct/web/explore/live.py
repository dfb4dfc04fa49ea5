"""How a run goes on: GET /api/live, asked every two seconds by the view Live.

    the lock ─► running?    manifest ─► stages    progress.json ─► the stage that is running
    the reply store's ledger ─► what was paid     the explorer's rows ─► rejects by reason, newest rows

Everything is read; nothing here is measured a second time.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mminstruct.llm.store.care import spent_so_far
from mminstruct.llm.usage import Spent
from mminstruct.pipeline.lock import is_locked
from mminstruct.pipeline.manifest import Manifest, StageRecord, read_manifest
from mminstruct.pipeline.progress_file import DONE, StageProgress, read_progress
from mminstruct.web.explore.live_items import newest_rejects, newest_rows

if TYPE_CHECKING:
    from mminstruct.web.explore.library import RunExplorer

_RECENT_S = 30.0  # over which "now" is
_SILENT_S = 60.0  # on an object store, which has no lock, a run is taken for one that goes on so long
_SHORTEST_S = 0.5  # over less a rate means nothing


def routes(explorer: RunExplorer) -> list[Route]:
    """GET /api/live."""

    def live(request: Request) -> Response:
        explorer.refresh()
        return JSONResponse(look(explorer))

    return [Route("/api/live", live)]


def look(explorer: RunExplorer) -> dict[str, Any]:
    """Return what is known of the run at this moment; times are Unix seconds."""
    now = time.time()
    manifest, told = read_manifest(explorer.folder), read_progress(explorer.folder)
    running = _is_running(explorer.run_dir, told, now)
    # What an earlier session told says nothing of one that has only just begun.
    progress = told if running and told and not told.ended and told.stage else None
    paid = spent_so_far(Path(explorer.config.replies), manifest.run_id) if manifest.run_id else None
    state, why = _state(explorer, manifest, told, running)
    return {
        "running": running,
        "state": state,
        "why": why,
        "now": now,
        "stages": [_stage(stage, manifest.stages.get(stage), progress, now) for stage in explorer.config.stages],
        "rates": _rates(progress, now) if progress else None,
        "cost": _cost(explorer, manifest, paid),
        "rejects": _rejects(explorer, manifest, progress),
        "newest": newest_rows(explorer, progress),
        "newest_rejects": newest_rejects(explorer, progress),
    }


def _is_running(run_dir: str, told: StageProgress | None, now: float) -> bool:
    if "://" in run_dir:
        return told is not None and not told.ended and now - told.written_at < _SILENT_S
    return is_locked(run_dir)


def _state(explorer: RunExplorer, manifest: Manifest, told: StageProgress | None, running: bool) -> tuple[str, str]:
    """Return running, done, stopped, died or new, and what the last session said when it stopped."""
    if running:
        return "running", ""
    records = [manifest.stages.get(stage) for stage in explorer.config.stages]
    if all(record and record.status == "done" for record in records):
        return "done", ""
    if not any(records):
        return "new", ""
    if told is not None and not told.ended:
        return "died", ""
    return "stopped", told.ended if told and told.ended != DONE else ""


def _stage(stage: str, record: StageRecord | None, progress: StageProgress | None, now: float) -> dict[str, Any]:
    """Return a stage's line: from the manifest, and while it is running from progress.json."""
    line: dict[str, Any] = {"stage": stage, "status": "waiting", "n_rows": None, "n_done": 0, "n_rejected": 0}
    line |= {"n_out": None, "seconds": 0.0, "rate": None, "remaining_s": None, "cached": 0, "model": ""}
    if record is not None:
        is_done = record.status != "running"
        line |= {
            "status": record.status,
            "n_rows": record.n_in or None,
            "n_done": record.n_in if is_done else 0,
            "n_rejected": record.n_rejected,
            "n_out": record.n_out if is_done else None,
            "seconds": record.seconds,
            "rate": record.n_in / record.seconds if is_done and record.seconds > _SHORTEST_S else None,
            "cached": record.cached,
            "model": record.model,
        }
    if progress is not None and progress.stage == stage:
        rates = _rates(progress, now)
        line |= {
            "status": "running",
            "n_rows": progress.n_rows,
            "n_done": progress.n_done,
            "n_rejected": progress.n_rejected,
            "n_out": None,
            "seconds": line["seconds"] + now - progress.started_at,
            "rate": rates["rows_mean"],
            "remaining_s": rates["remaining_s"],
            "cached": (progress.usage or {}).get("cached", 0),
        }
    elif line["status"] == "running":  # of a session that has ended: it goes on with the next one
        line["status"] = "unfinished"
    return line


def _rates(progress: StageProgress, now: float) -> dict[str, Any]:
    """Return rows and tokens a second of the running stage, over the last half minute and since it began."""
    since = max(progress.started_at, now - _RECENT_S)
    before = [point for point in progress.points if point[0] <= since]
    _, n_then, tokens_then = before[-1] if before else progress.points[0]
    n_tokens = (progress.usage or {}).get("completion_tokens", 0)
    recent_s, all_s = (max(now - start, _SHORTEST_S) for start in (since, progress.started_at))
    rows_now = (progress.n_done - n_then) / recent_s
    rows_mean = (progress.n_done - progress.n_done_before) / all_s
    pace = rows_now or rows_mean
    left = None if progress.n_rows is None else progress.n_rows - progress.n_done
    return {
        "stage": progress.stage,
        "rows_now": rows_now,
        "rows_mean": rows_mean,
        "tokens_now": (n_tokens - tokens_then) / recent_s,
        "tokens_mean": n_tokens / all_s,
        "remaining_s": left / pace if left is not None and pace else None,
        "usage": progress.usage,
        "told_at": progress.written_at,
        "points": progress.points,
    }


def _cost(explorer: RunExplorer, manifest: Manifest, paid: dict[tuple[str, str], Spent] | None) -> list[dict[str, Any]]:
    """Return what was paid by stage and model: by the ledger, or by the manifest where that cannot be read."""
    if paid is None:
        paid = {
            (stage, model): spent for stage, record in manifest.stages.items() for model, spent in record.paid.items()
        }
    order = {stage: number for number, stage in enumerate(explorer.config.stages)}
    lines = sorted(paid.items(), key=lambda line: (order.get(line[0][0], len(order)), line[0][1]))
    return [
        {
            "stage": stage,
            "model": model,
            "requests": spent.requests,
            "prompt_tokens": spent.prompt_tokens,
            "completion_tokens": spent.completion_tokens,
            "cost": spent.cost,
        }
        for (stage, model), spent in lines
    ]


def _rejects(explorer: RunExplorer, manifest: Manifest, progress: StageProgress | None) -> list[dict[str, Any]]:
    """Return rejects by stage and reason: the manifest's, and of the running stage those whose part is on disk."""
    going = progress.stage if progress else ""
    found = {
        (stage, reason): n
        for stage, record in manifest.stages.items()
        for reason, n in record.rejects.items()
        if stage != going
    }
    if going:
        rows = explorer.select("SELECT reason, count(*) FROM rows WHERE stage = ? GROUP BY reason", [going])
        found |= {(going, reason): n for reason, n in rows}
    order = {stage: number for number, stage in enumerate(explorer.config.stages)}
    lines = sorted(found.items(), key=lambda line: (order.get(line[0][0], 0), -line[1], line[0][1]))
    return [{"stage": stage, "reason": reason, "n": n} for (stage, reason), n in lines]
