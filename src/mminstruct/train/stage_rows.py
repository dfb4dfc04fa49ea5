"""The rows of a stage: those to train on, those held out, and what became of the rest.

StageSection, processor  ─►  work/rows/rows.arrow, work/held_out/rows.arrow  ─►  StageRows
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from mminstruct.config.recipe import DataFile, StageSection
from mminstruct.errors import TrainingError
from mminstruct.train.batches import PreparedRows
from mminstruct.train.models import image_tokens
from mminstruct.train.progress import TrainProgress
from mminstruct.train.rows import COUNTS_FILE, LEFT_OUT_FILE, RowCounts, RowLimits, held_out_mask, prepare_rows
from mminstruct.train.template import Template


@dataclass(frozen=True, slots=True)
class StageRows:
    """Rows on disk, ready to be batched; `counts` is of the data's files, with what is held out of them."""

    training: PreparedRows
    held_out: PreparedRows | None
    counts: RowCounts


def stage_rows(
    work: Path, section: StageSection, processor: Any, progress: TrainProgress, is_main: bool = True
) -> StageRows:
    """Prepare the rows in `work`, or open them where that was done; only the main process writes.

    Raises TrainingError where more rows are bad than `max_bad_share` allows, or none is left.
    """
    n_image_tokens = image_tokens(processor)
    template = Template(processor.tokenizer, section.template)
    limits = RowLimits(section.max_tokens, n_image_tokens, section.too_long)

    def opened(files: Sequence[DataFile], folder: Path) -> tuple[RowCounts, PreparedRows]:
        if is_main and not (folder / COUNTS_FILE).exists():
            prepare_rows(files, template, limits, folder, section.check_images, progress.rows_prepared)
        _wait_for_main()
        counts = RowCounts(**json.loads((folder / COUNTS_FILE).read_text(encoding="utf-8")))
        _wait_for_main()  # who takes the file away if it has not enough, and it was read by then
        _demand_enough(counts, section.max_bad_share, folder)
        return counts, PreparedRows(folder, processor, n_image_tokens)

    counts, rows = opened(section.data, work / "rows")
    if section.held_out:
        return StageRows(rows, opened(section.held_out, work / "held_out")[1], counts)
    mask = np.array(held_out_mask(rows.column("image"), rows.column("id"), section.held_out_share), dtype=bool)
    if not mask.any():
        return StageRows(rows, None, counts)
    training, held_out = (rows.subset(np.flatnonzero(mask == is_held_out)) for is_held_out in (False, True))
    return StageRows(training, held_out, counts)


def _wait_for_main() -> None:
    from accelerate import PartialState

    PartialState().wait_for_everyone()


def _demand_enough(counts: RowCounts, max_bad_share: float, folder: Path) -> None:
    """Raise TrainingError where too many rows are bad; what is too long and was to be left out is not bad."""
    n_bad = counts.n_left_out - counts.left_out.get("too_long", 0)
    if counts.n_rows and n_bad <= max_bad_share * counts.n_read:
        return
    with (folder / LEFT_OUT_FILE).open(encoding="utf-8") as file:
        first = [json.loads(line) for line in islice(file, 3)]
    examples = "".join(f"\n  {row['file']}, row {row['row']} ({row['id']}): {row['detail']}" for row in first)
    reasons = ", ".join(f"{reason} {n:,}" for reason, n in counts.left_out.items())
    (folder / COUNTS_FILE).unlink(missing_ok=True)  # the next run looks again, at files that may be mended by then
    raise TrainingError(
        f"Of {counts.n_read:,} rows {counts.n_left_out:,} cannot be trained on ({reasons or 'there are no rows'}), all "
        f"named in {folder / LEFT_OUT_FILE}. The first:{examples}\nMend them (`mminstruct validate FILE` looks at a "
        f"whole file), or let more be left out: max_bad_share is {max_bad_share}."
    )
