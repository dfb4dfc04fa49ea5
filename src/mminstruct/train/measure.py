"""The mean loss over rows that nothing is learnt from: how well a model says the answers that it should.

model, PreparedRows  ─►  RowLoss(loss=1.87 nats a token, n_rows=40, n_tokens=5120)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mminstruct.train.batches import PreparedRows, collate


@dataclass(frozen=True, slots=True)
class RowLoss:
    """The negative log likelihood of the answers' tokens, in nats, as the mean over the tokens of all rows."""

    loss: float
    n_rows: int
    n_tokens: int


def mean_loss(
    model: Any, rows: PreparedRows, batch_size: int, pad_token_id: int, accelerator: Any = None, dtype: str = "float32"
) -> RowLoss:
    """Return the model's loss on the rows; it is left in the mode, training or not, that it was in.

    With an accelerator, each process takes its share of the batches, all of them as many.
    """
    import torch

    was_training = model.training
    model.eval()
    order = np.argsort(rows.n_tokens, kind="stable")  # rows of about one length together: less padding
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    n_processes, process = (accelerator.num_processes, accelerator.process_index) if accelerator else (1, 0)
    sums = torch.zeros(2, dtype=torch.float64)
    cast = partial(torch.autocast, model.device.type, torch.bfloat16, enabled=dtype == "bfloat16")
    for start in range(0, len(batches), n_processes):
        is_own = start + process < len(batches)  # else a batch is done for the others' sake, and not counted
        batch = collate([rows[int(i)] for i in batches[start + process if is_own else start]], pad_token_id)
        batch.pop("rows")
        with torch.inference_mode(), cast():
            output = model(**{name: tensor.to(model.device) for name, tensor in batch.items()})
        n_tokens = int((batch["labels"][:, 1:] != -100).sum())
        if is_own:
            sums += torch.tensor([float(output.loss) * n_tokens, n_tokens], dtype=torch.float64)
    if accelerator is not None:
        sums = accelerator.reduce(sums.to(accelerator.device).float(), reduction="sum").cpu()
    model.train(was_training)
    return RowLoss(float(sums[0] / sums[1]), len(rows), int(sums[1]))
