"""What happens beside the steps: metrics to disk, TensorBoard, progress, and a stop that loses no step.

Imported only where training begins: it needs transformers at its top, to derive from its TrainerCallback.
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import reduce
from transformers import TrainerCallback

from mminstruct.train.progress import TrainProgress
from mminstruct.train.rows import RowCounts

METRICS_FILE = "metrics.jsonl"


class Metrics(TrainerCallback):
    """Writes a line of metrics.jsonl, and TensorBoard's events, at each log; tells the progress.

    A line: `{"step": 12, "epoch": 0.4, "loss": 1.93, "learning_rate": 2e-05, "gradient_norm": 0.8, "seconds": 31.2}`.
    Seconds count from the first step on, over all sessions. A resumed training drops the lines behind its checkpoint.
    """

    def __init__(self, folder: Path, stage: str, counts: RowCounts, progress: TrainProgress) -> None:
        self._path = folder / METRICS_FILE
        self._events = folder / "tensorboard"
        self._stage = stage
        self._counts = counts
        self._progress = progress
        self._begun = 0.0
        self._board: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Keep what was written before the checkpoint that this session goes on from."""
        kept = [line for line in read_metrics(self._path) if line["step"] <= state.global_step]
        self._begun = monotonic() - (kept[-1]["seconds"] if kept else 0.0)
        self._progress.training_started(self._stage, self._counts, state.max_steps, state.global_step)
        if state.is_world_process_zero:
            from tensorboardX import SummaryWriter

            partial = self._path.with_suffix(".partial")
            partial.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
            partial.replace(self._path)
            self._board = SummaryWriter(str(self._events), purge_step=state.global_step + 1)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **given: Any) -> None:
        """Write what the Trainer logs of a step; its summary at the end has no loss of a step."""
        if not state.is_world_process_zero or logs is None or "loss" not in logs:
            return
        line = {
            "step": state.global_step,
            "epoch": round(state.epoch, 4),
            "loss": logs["loss"],
            "learning_rate": logs["learning_rate"],
            "gradient_norm": logs.get("grad_norm"),
            "seconds": round(monotonic() - self._begun, 3),
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        for name in ("loss", "learning_rate", "gradient_norm"):
            if line[name] is not None:
                self._board.add_scalar(name, line[name], state.global_step)
        self._progress.stepped(state.global_step, logs["loss"], logs["learning_rate"])

    def on_train_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Close TensorBoard's file."""
        if self._board is not None:
            self._board.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the lines of metrics.jsonl, [] where there is none; a last line that was cut off is left out."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return found


class PatientStop(TrainerCallback):
    """On the first Ctrl-C, ends the step, writes a checkpoint and stops; a second one stops at once.

    Of several processes all stop after the same step, whichever was asked: one alone would leave the others waiting.
    """

    def __init__(self, progress: TrainProgress) -> None:
        self._progress = progress
        self.is_asked = False

    def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Save and stop if it was asked for."""
        if self.is_any_asked():  # never set to False: Ctrl-C may come while the processes exchange their answers
            self.is_asked = True
            control.should_save = True
            control.should_training_stop = True

    def is_any_asked(self) -> bool:
        """Tell whether any process was asked to stop; all must call it at the same time."""
        state = PartialState()
        if state.num_processes == 1:
            return self.is_asked
        return bool(reduce(torch.tensor(float(self.is_asked), device=state.device), "sum") > 0)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take Ctrl-C, and a job scheduler's SIGTERM, as the wish to stop; outside the main thread do nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def ask(number: int, frame: Any) -> None:
            self.is_asked = True
            signal.signal(number, before[signal.Signals(number)])
            self._progress.note("stopping: this step ends and a checkpoint is written; Ctrl-C again to stop at once")

        for number in before:
            signal.signal(number, ask)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
