"""A finished model's loss on rows from files: what `ablate` compares models by.

folder of a LLaVA, train.json  ─►  RowLoss(loss=1.87, n_rows=40, n_tokens=5120)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from mminstruct.config.recipe import DataFile
from mminstruct.encoders.checkpoints import choose_device, require_transformers
from mminstruct.errors import TrainingError
from mminstruct.train.measure import RowLoss, mean_loss


def held_out_loss(
    model: Path, data: Sequence[DataFile], max_tokens: int = 2048, device: str = "auto", batch_size: int = 4
) -> RowLoss:
    """Return the mean loss of the answers in `data`, as LLaVA-1.5's conversation has them.

    Raises TrainingError where a row cannot be read, for a loss over other rows compares with nothing; ModelError and
    SourceError where the model or a file cannot be opened.
    """
    require_transformers("ablate")
    from mminstruct.train.batches import PreparedRows
    from mminstruct.train.models import image_tokens, open_llava
    from mminstruct.train.rows import RowLimits, prepare_rows
    from mminstruct.train.template import Template

    where = choose_device(device)
    opened, processor = open_llava(str(model), "bfloat16" if where == "cuda" else "float32")
    n_image_tokens = image_tokens(processor)
    with TemporaryDirectory() as folder:
        limits = RowLimits(max_tokens, n_image_tokens)
        counts = prepare_rows(data, Template(processor.tokenizer, "v1"), limits, Path(folder))
        if counts.n_left_out or not counts.n_rows:
            raise TrainingError(
                f"Of {counts.n_read} held-out rows {counts.n_left_out} cannot be used: {counts.left_out}. "
                "`mminstruct validate FILE` names them."
            )
        rows = PreparedRows(Path(folder), processor, n_image_tokens)
        return mean_loss(opened.to(where), rows, batch_size, processor.tokenizer.pad_token_id)
