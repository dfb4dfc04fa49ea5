"""A blank image for batches of text, where DeepSpeed trains: all devices then go through the same parts of the model.

batch of text  ─►  embeddings + 0 × features of a blank image

With ZeRO-3 each device holds a part of every weight, and a layer begins when all devices send theirs. At an epoch's end
one device may have images while another has text alone: it would not call the vision tower, and both would wait for
ever, or take one layer's weights for another's. LLaVA's trainer does the same. The features count zero times, so no
loss and no other gradient changes.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import LlavaModel


class BlankImage:
    """Has the model look at a blank image in every forward pass while `is_wanted`."""

    def __init__(self, model: Any) -> None:
        """Listen to the token embeddings of a LLaVA, bare or with adapters: behind them an image has its turn."""
        self.is_wanted = False
        self._llava = next(module for module in model.modules() if isinstance(module, LlavaModel))
        vision: Any = self._llava.config.vision_config
        self._shape = (1, 3, vision.image_size, vision.image_size)
        embeddings: Any = self._llava.get_input_embeddings()
        embeddings.register_forward_hook(self._behind_embeddings)

    def _behind_embeddings(self, module: Any, given: Any, embedded: torch.Tensor) -> torch.Tensor | None:
        if not self.is_wanted:
            return None
        tower: Any = self._llava.vision_tower
        blank = torch.zeros(self._shape, device=embedded.device, dtype=next(tower.parameters()).dtype)
        (features,) = self._llava.get_image_features(blank).pooler_output
        changed: torch.Tensor = embedded + 0.0 * features.sum().to(embedded.dtype)
        return changed
