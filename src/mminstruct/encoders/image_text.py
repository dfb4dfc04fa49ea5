"""CLIP and SigLIP through transformers: images and texts as vectors of one space.

image ─► upright RGB (imaging.py) ─► resize and crop as the checkpoint asks (images.py) ─► vision tower ─► unit length
text  ─► the checkpoint's own tokens, cut at its longest length (77, 64) ─► text tower ─► unit length
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mminstruct.config.encoders import ClipEncoder
from mminstruct.encoders.checkpoints import choose_device, open_checkpoint, open_model, require_transformers
from mminstruct.encoders.images import ImageReader
from mminstruct.encoders.protocols import Embeddings
from mminstruct.errors import ModelError

_EXPECTED = "a CLIP or SigLIP checkpoint (config.json with model_type clip, siglip or siglip2)"
_MODEL_TYPES = ("clip", "siglip", "siglip2")


def load_image_text_encoder(config: ClipEncoder) -> ImageTextEncoder:
    """Return the encoder of `match.encoder: {kind: clip}`.

    Raises MissingExtraError where torch or transformers is not installed, ModelError where the model does not load or
    is neither CLIP nor SigLIP.
    """
    return ImageTextEncoder(config)


class ImageTextEncoder:
    """A TextEncoder that encodes images into the same space."""

    def __init__(self, config: ClipEncoder) -> None:
        require_transformers("`match.encoder: {kind: clip}`")
        from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer

        found = open_checkpoint(AutoConfig.from_pretrained, config.model, _EXPECTED)
        if found.model_type not in _MODEL_TYPES:
            raise ModelError(f"{config.model} is a model of type {found.model_type!r}. Expected {_EXPECTED}.")
        self.name = config.model
        self._batch_size = config.batch_size
        self._device = choose_device(config.device)
        self._is_clip = found.model_type == "clip"
        self._max_tokens: int = found.text_config.max_position_embeddings
        self._tokenizer = open_checkpoint(AutoTokenizer.from_pretrained, config.model, _EXPECTED)
        # Pillow's processors are there with and without torchvision, and give the same pixels in both cases.
        processor = open_checkpoint(AutoImageProcessor.from_pretrained, config.model, _EXPECTED, backend="pil")
        self._reader = ImageReader(processor, config.batch_size, self._device)
        self._model = open_model(config.model, _EXPECTED).to(self._device)
        self._width = self.encode_texts([""]).shape[1]

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Return `(len(texts), d)` float32 rows of unit length, in the order of the texts."""
        batches = (list(texts[start : start + self._batch_size]) for start in range(0, len(texts), self._batch_size))
        return self._stack([self._encode(self._model.get_text_features, self._tokens(batch)) for batch in batches])

    def encode_images(self, paths: Sequence[str], content_hashes: Sequence[str] | None = None) -> Embeddings:
        """Return `(len(paths), d)` float32 rows of unit length, in the order of the paths (`Image.path`).

        Raises RunError where an image can no longer be read: those of a run were opened at intake, and were sound.
        """
        return self._stack(list(self.encode_image_batches(paths, content_hashes)))

    def encode_image_batches(
        self, paths: Sequence[str], content_hashes: Sequence[str] | None = None
    ) -> Iterator[Embeddings]:
        """Yield `(b, d)` float32 rows of unit length, batch by batch in the order of the paths.

        With `content_hashes` (`Image.content_hash`), an image that has changed since raises RunError, too.
        """
        for inputs in self._reader.batches(paths, content_hashes):
            yield self._encode(self._model.get_image_features, inputs)

    def _tokens(self, texts: list[str]) -> dict[str, Any]:
        limits: dict[str, Any] = {"truncation": True, "max_length": self._max_tokens, "return_tensors": "pt"}
        if self._is_clip:
            return dict(self._tokenizer(texts, padding=True, **limits))
        # SigLIP was trained on texts padded to full length, and attends to the padding: it takes no mask.
        return {"input_ids": self._tokenizer(texts, padding="max_length", **limits)["input_ids"]}

    def _encode(self, features_of: Any, inputs: dict[str, Any]) -> Embeddings:
        import torch

        with torch.inference_mode():
            output = features_of(**{key: value.to(self._device) for key, value in inputs.items()})
            features = output if isinstance(output, torch.Tensor) else output.pooler_output  # transformers 4, 5
            return torch.nn.functional.normalize(features, dim=1).cpu().numpy()

    def _stack(self, batches: list[Embeddings]) -> Embeddings:
        return np.concatenate(batches) if batches else np.empty((0, self._width), np.float32)
