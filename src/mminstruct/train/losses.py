"""How well a stage's model says its rows, before the training and after it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from mminstruct.train.batches import PreparedRows
from mminstruct.train.measure import RowLoss
from mminstruct.train.progress import TrainProgress
from mminstruct.train.record import write_json
from mminstruct.train.stage_rows import StageRows

N_TRAINING_ROWS = 200  # of the training rows, evenly spread: enough to see a fall, and a minute for a large model

When = str  # "before" or "after"
Measure = Callable[[PreparedRows], RowLoss]


class StageLosses:
    """Measures, tells and keeps the losses, so that a resumed stage still knows those from before its first step.

    Without a `measure` there are none. Of several processes all measure, and the one that `is_main` writes.
    """

    def __init__(
        self, work: Path, stage: str, rows: StageRows, measure: Measure | None, progress: TrainProgress, is_main: bool
    ) -> None:
        self._is_main = is_main
        self._path = work / "losses.json"
        self._stage = stage
        self._progress = progress
        spread = np.linspace(0, len(rows.training) - 1, min(N_TRAINING_ROWS, len(rows.training))).astype(np.int64)
        self._measure = measure
        self._rows = {"training": rows.training.subset(spread)} if measure else {}
        if measure and rows.held_out is not None:
            self._rows["held-out"] = rows.held_out
        self._found: dict[str, RowLoss] = {}
        if self._path.exists():
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            self._found = {what: RowLoss(**loss) for what, loss in kept.items()}

    def measure(self, when: When) -> None:
        """Measure what was not measured yet."""
        for name, rows in self._rows.items():
            what = f"{name} rows {when}"
            if self._measure and what not in self._found:
                self._found[what] = self._measure(rows)
                self._progress.measured(self._stage, what, self._found[what])
        if self._is_main:
            write_json(self._path, {what: asdict(loss) for what, loss in self._found.items()})

    def pair(self, name: str) -> tuple[float, float] | None:
        """Return the loss on `training` or `held-out` rows before and after; None where there are none."""
        if name not in self._rows:
            return None
        return self._found[f"{name} rows before"].loss, self._found[f"{name} rows after"].loss
