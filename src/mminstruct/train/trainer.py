"""transformers' Trainer with what LLaVA's recipe asks of it, and nothing that hides a fault.

Imported only where training begins: it needs transformers at its top, to derive from the Trainer.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from transformers import LlavaForConditionalGeneration, Trainer

from mminstruct.errors import TrainingError
from mminstruct.train.batches import PreparedRows
from mminstruct.train.models import learning_groups, projector_parameters
from mminstruct.train.order import EpochOrder
from mminstruct.train.stand_in import BlankImage


class LlavaTrainer(Trainer):
    """Trains on PreparedRows. The loss is the mean over all answer tokens of an optimiser step.

    The projector has a learning rate of its own; the rows of a step have one modality; a loss that is no number stops
    the training and names the rows.
    """

    def __init__(self, rows: PreparedRows, projector_rate: float, **settings: Any) -> None:
        super().__init__(train_dataset=rows, **settings)
        self._rows = rows
        self._projector_rate = projector_rate
        self._blank_image = BlankImage(self.model) if self.is_deepspeed_enabled else None

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Return AdamW over what learns, the projector as a group of its own."""
        if self.optimizer is None:
            learning: Any = self.model if model is None else model
            kind, settings = self.get_optimizer_cls_and_kwargs(self.args, learning)
            groups = learning_groups(learning, self._projector_rate, self.args.learning_rate)
            self.optimizer = kind(groups, **settings, weight_decay=self.args.weight_decay)
        return self.optimizer

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        rows = self._rows
        n_chunks = self.args.world_size * self.args.gradient_accumulation_steps
        step_size = self.args.per_device_train_batch_size * n_chunks
        return EpochOrder(rows.n_tokens, rows.has_image, step_size, n_chunks, self.args.seed)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Load the weights, every one of them.

        A LLaVA is saved under other names than it has in memory, which `from_pretrained` knows and the Trainer (5.23)
        does not: it would load nothing, warn, and go on with the weights from before the first step.
        """
        target: Any = self.model if model is None else model
        if self.is_fsdp_enabled or not isinstance(target, LlavaForConditionalGeneration):
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        kept: Any = LlavaForConditionalGeneration.from_pretrained(resume_from_checkpoint, dtype=torch.float32)
        target.load_state_dict(kept.state_dict())

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the batch's part of the loss. Raises TrainingError where it is not a finite number."""
        rows = inputs.pop("rows")
        is_text = "pixel_values" not in inputs
        if self._blank_image:
            self._blank_image.is_wanted = is_text
        loss: Any = super().compute_loss(model, inputs, num_items_in_batch=num_items_in_batch)
        if is_text and not self._blank_image:
            # Where the projector alone learns there is a gradient then, and other devices need not wait for one.
            loss = loss + 0.0 * sum(parameter.sum() for parameter in projector_parameters(model))
        if not math.isfinite(loss.item()):
            raise TrainingError(
                f"The loss is {loss.item()} in step {self.state.global_step + 1}, in a batch of the rows "
                f"{', '.join(repr(self._rows.row_id(row)) for row in rows.tolist())}. The last checkpoint is "
                "kept. Look at these rows, and try a lower learning_rate or `precision: float32`."
            )
        return (loss, None) if return_outputs else loss
