"""`progress.json`: how far a run has come inside its present stage, for whoever looks on from another process.

    step ─► ProgressFile ─► the run's own Progress (terminal, notebook)
                 └─ a thread, at most once a second ─► RUN/progress.json ─► the explorer's view Live

The manifest is written at the ends of stages, and the parts on disk come a shard at a time; with a slow endpoint both
stand still for minutes. Here every row counts as soon as it is through, and the newest can be read.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any

import pyarrow as pa

from mminstruct.errors import RunError
from mminstruct.llm.usage import Usage
from mminstruct.pipeline.manifest import StageRecord
from mminstruct.pipeline.progress import Progress
from mminstruct.pipeline.tables import Folder
from mminstruct.rows import Reject

NAME = "progress.json"
DONE = "done"  # `ended` of a session that came to its end
_EVERY_S = 1.0
_EVERY_S_REMOTE = 5.0  # where each write is a request
_N_POINTS = 60
_N_NEWEST = 8
_LONGEST_TEXT = 2000  # characters; an onlooker wants the beginning


@dataclass
class StageProgress:
    """What the file holds. Times are Unix seconds; counts are of this stage, in this session but for `n_done`."""

    stage: str = ""
    n_rows: int | None = None  # to do in all; None: not known beforehand
    n_done: int = 0  # earlier sessions' rows among them
    n_done_before: int = 0
    n_rejected: int = 0
    started_at: float = 0.0  # the stage, in this session
    written_at: float = 0.0
    ended: str = ""  # the session: empty while it goes on, DONE, or what stopped it
    usage: dict[str, int] | None = None  # of the stage's language model
    points: list[tuple[float, int, int]] = field(default_factory=list)  # time, n_done, completion tokens; newest last
    newest: list[dict[str, Any]] = field(
        default_factory=list
    )  # rows of a stage that asks a language model, newest first
    newest_rejects: list[dict[str, Any]] = field(default_factory=list)


class ProgressFile:
    """A Progress that hands everything on to another one and keeps the file. Use as a context manager."""

    def __init__(self, folder: Folder, progress: Progress) -> None:
        self._folder = folder
        self._onward = progress
        self._state = StageProgress()
        self._usage: Usage | None = None
        self._points: deque[tuple[float, int, int]] = deque(maxlen=_N_POINTS)
        self._rows: deque[Any] = deque(maxlen=_N_NEWEST)
        self._rejects: deque[Reject] = deque(maxlen=_N_NEWEST)
        self._changed = False
        self._lock = threading.Lock()  # between the run and the thread that writes
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._write_now_and_then, name="progress-file", daemon=True)

    def __enter__(self) -> ProgressFile:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        self._state.ended = DONE if error is None else str(error) or type(error).__name__
        self._write()

    def stage_started(self, stage: str, n_rows: int | None, n_done: int) -> None:
        """Begin to count anew."""
        self._onward.stage_started(stage, n_rows, n_done)
        with self._lock:
            self._state = StageProgress(stage, n_rows, n_done, n_done, started_at=time.time())
            self._usage = None
            for newest in (self._points, self._rows, self._rejects):
                newest.clear()
            self._points.append((self._state.started_at, n_done, 0))
            self._changed = True

    def advanced(self, n_rows: int, n_rejected: int, usage: Usage | None) -> None:
        """Count the rows."""
        self._onward.advanced(n_rows, n_rejected, usage)
        with self._lock:
            self._state.n_done += n_rows
            self._state.n_rejected += n_rejected
            self._usage = usage
            self._changed = True

    def saw(self, result: object) -> None:
        """Remember what became of a row, a row of the next table or a Reject, if it stays among the newest."""
        with self._lock:
            newest: deque[Any] = self._rejects if isinstance(result, Reject) else self._rows
            newest.appendleft(result)

    def stage_ended(self, stage: str, record: StageRecord, skipped: bool) -> None:
        """Hand on; the record is in the manifest."""
        self._onward.stage_ended(stage, record, skipped)

    def note(self, text: str) -> None:
        """Hand on."""
        self._onward.note(text)

    def _write_now_and_then(self) -> None:
        every_s = _EVERY_S_REMOTE if "://" in self._folder.location else _EVERY_S
        while not self._stopping.wait(every_s):
            if self._changed:
                self._write()

    def _write(self) -> None:
        content = json.dumps(asdict(self._snapshot()), default=str).encode()
        # Where it fails nobody can look on; what the run itself has to write tells of the fault.
        with contextlib.suppress(OSError, pa.ArrowException):
            self._folder.write(NAME, content)

    def _snapshot(self) -> StageProgress:
        with self._lock:
            self._changed = False
            state, now = self._state, time.time()
            state.written_at = now
            state.usage = asdict(self._usage) if self._usage else None
            self._points.append((now, state.n_done, self._usage.completion_tokens if self._usage else 0))
            rows, rejects, state.points = list(self._rows), list(self._rejects), list(self._points)
        state.newest, state.newest_rejects = [_shortened(row) for row in rows], [_shortened(row) for row in rejects]
        return state


def read_progress(folder: Folder) -> StageProgress | None:
    """Return what the running or the last session told; None where there is no such file. Raises RunError."""
    if not folder.exists(NAME):
        return None
    try:
        return StageProgress(**json.loads(folder.read(NAME)))
    except (ValueError, TypeError) as error:
        raise RunError(
            f"{folder.path(NAME)} tells no run's progress ({error}). It may be removed at any time."
        ) from error


def _shortened(row: Any) -> dict[str, Any]:
    cut = {name: value[:_LONGEST_TEXT] if isinstance(value, str) else value for name, value in asdict(row).items()}
    return {"row": type(row).__name__, **cut}
