"""The embedded sentence encoder: a BERT's forward pass in plain numpy, so that no torch has to be installed.

    texts ─► token numbers (b, t) ─► hidden states (b·t, d) ─► mean over a text's tokens (b, d) ─► unit length

Shapes: b texts of a batch, t tokens of its longest, d the width (384), h attention heads (12). It is all-MiniLM-L6-v2
as sentence-transformers runs it: BERT (Devlin et al. 2019) with mean pooling.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mminstruct.encoders.protocols import Embeddings
from mminstruct.errors import MissingExtraError, ModelError

Array = npt.NDArray[np.float32]

MAX_TOKENS = 256  # of a text, the two special ones included, as the model's card says; what follows is cut off
_BATCH_TOKENS = 1024  # padding included
_GELU_ROWS = 32  # what is worked on, 3 × 32 × 1536 numbers, then stays in a core's own cache
_FILES = ("config.json", "tokenizer.json", "model.safetensors")


class MiniLM:
    """A TextEncoder that runs the BERT of a folder with `config.json`, `tokenizer.json` and `model.safetensors`.

    Raises ModelError where the folder holds no such model, and MissingExtraError where tokenizers, safetensors
    or threadpoolctl is not installed.
    """

    def __init__(self, folder: Path, name: str) -> None:
        try:
            from safetensors.numpy import load_file
            from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
            from tokenizers import Tokenizer
        except ImportError as error:
            raise MissingExtraError(
                str(error.name), "The embedded sentence encoder", "pip install 'mminstruct[embedded]'"
            ) from error
        self._blas_limits: Callable[[int], AbstractContextManager[object]] = threadpool_limits
        config = _read_config(folder)
        self.name = name
        self._n_heads: int = config["num_attention_heads"]
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.no_padding()
        stored = load_file(folder / "model.safetensors")
        epsilon: float = config["layer_norm_eps"]
        self._words = stored["embeddings.word_embeddings.weight"]  # (vocabulary, d)
        # One text alone has token type 0 all over.
        self._places = (
            stored["embeddings.position_embeddings.weight"] + stored["embeddings.token_type_embeddings.weight"][0]
        )
        self._norm = _Norm.of(stored, "embeddings.LayerNorm", epsilon)
        self._layers = [_Layer.of(stored, number, epsilon) for number in range(config["num_hidden_layers"])]

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Return `(len(texts), d)` float32 rows of unit length, in the order of the texts."""
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        embeddings = np.empty((len(texts), self._words.shape[1]), np.float32)

        def encode(positions: list[int]) -> None:
            embeddings[positions] = self._encode_batch([tokens[position] for position in positions])

        # A thread for each batch, not several for each multiplication: those wait for each other every time, which on
        # a busy machine takes most of the time.
        with self._blas_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
            for done in [pool.submit(encode, positions) for positions in _batches([len(ids) for ids in tokens])]:
                done.result()
        return embeddings

    def _encode_batch(self, tokens: Sequence[Sequence[int]]) -> Embeddings:
        lengths = np.array([len(ids) for ids in tokens])
        b, t = len(tokens), int(lengths.max())
        mask = np.arange(t) < lengths[:, None]  # (b, t), false on padding
        padded = np.zeros((b, t), np.int64)
        padded[mask] = np.concatenate(tokens)
        hidden = self._norm((self._words[padded] + self._places[:t]).reshape(b * t, -1))
        bias = np.where(mask, np.float32(0), np.float32(-1e9)).reshape(b, 1, 1, t)  # nobody attends to padding
        for layer in self._layers:
            hidden = layer.attended_norm(hidden + layer.attended(self._attend(layer.attention(hidden), bias)))
            hidden = layer.narrow_norm(hidden + layer.narrow(gelu(layer.wide(hidden))))
        sums = np.matmul(mask[:, None, :].astype(np.float32), hidden.reshape(b, t, -1))[:, 0]
        return sums / np.linalg.norm(sums, axis=1, keepdims=True)  # type: ignore[no-any-return]  # of the mean as well

    def _attend(self, projected: Array, bias: Array) -> Array:
        """Return what each token gathers from its text's others, `(b·t, d)`.

        `projected` is `(b·t, 3·d)`: query, key and value. `bias` is `(b, 1, 1, t)`, added to the scores.
        """
        b, t = len(bias), bias.shape[-1]
        query, key, value = projected.reshape(b, t, 3, self._n_heads, -1).transpose(2, 0, 3, 1, 4)  # (b, h, t, d/h)
        scores = np.matmul(query, key.swapaxes(2, 3))  # (b, h, t, t)
        scores *= np.float32(query.shape[-1] ** -0.5)
        scores += bias
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        return np.matmul(scores, value).swapaxes(1, 2).reshape(b * t, -1)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class _Dense:
    """x·weight + bias, with `weight` `(n_in, n_out)` and `bias` `(n_out,)`."""

    weight: Array
    bias: Array

    @classmethod
    def of(cls, stored: Mapping[str, Array], *names: str) -> _Dense:
        """Return the stored layers side by side as one; a checkpoint keeps weights as `(n_out, n_in)`."""
        weight = np.concatenate([stored[f"{name}.weight"] for name in names]).T
        return cls(np.ascontiguousarray(weight), np.concatenate([stored[f"{name}.bias"] for name in names]))

    def __call__(self, inputs: Array) -> Array:
        outputs: Array = inputs @ self.weight
        outputs += self.bias
        return outputs


@dataclass(frozen=True, slots=True)
class _Norm:
    """Layer normalisation (Ba et al. 2016) of `(n, d)` rows, with `scale` and `shift` of `(d,)`."""

    scale: Array
    shift: Array
    epsilon: float

    @classmethod
    def of(cls, stored: Mapping[str, Array], name: str, epsilon: float) -> _Norm:
        return cls(stored[f"{name}.weight"], stored[f"{name}.bias"], epsilon)

    def __call__(self, inputs: Array) -> Array:
        centred: Array = inputs - inputs.mean(axis=1, keepdims=True)
        variance = np.einsum("nd,nd->n", centred, centred) / np.float32(inputs.shape[1])
        centred /= np.sqrt(variance + np.float32(self.epsilon))[:, None]
        centred *= self.scale
        centred += self.shift
        return centred


@dataclass(frozen=True, slots=True)
class _Layer:
    """The weights of one transformer layer."""

    attention: _Dense  # d to 3·d: query, key and value
    attended: _Dense  # d to d
    attended_norm: _Norm
    wide: _Dense  # d to 4·d
    narrow: _Dense  # 4·d to d
    narrow_norm: _Norm

    @classmethod
    def of(cls, stored: Mapping[str, Array], number: int, epsilon: float) -> _Layer:
        name = f"encoder.layer.{number}"
        return cls(
            _Dense.of(stored, *(f"{name}.attention.self.{part}" for part in ("query", "key", "value"))),
            _Dense.of(stored, f"{name}.attention.output.dense"),
            _Norm.of(stored, f"{name}.attention.output.LayerNorm", epsilon),
            _Dense.of(stored, f"{name}.intermediate.dense"),
            _Dense.of(stored, f"{name}.output.dense"),
            _Norm.of(stored, f"{name}.output.LayerNorm", epsilon),
        )


def gelu(x: Array) -> Array:
    """Return x·(1 + erf(x/√2))/2 of `(n, d)` numbers, in place of `x`.

    erfc is formula 7.1.26 of Abramowitz and Stegun's Handbook of Mathematical Functions, wrong by 1.5e-7 at most,
    which is about what float32 can tell apart: numpy has none, and scipy's takes several times as long.
    """
    for first in range(0, len(x), _GELU_ROWS):
        rows = x[first : first + _GELU_ROWS]
        size = np.abs(rows)
        s = size * np.float32(0.3275911 * 0.5**0.5)
        s += np.float32(1)
        np.reciprocal(s, out=s)
        tail = s * np.float32(1.061405429)
        for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
            tail += np.float32(coefficient)
            tail *= s
        np.multiply(rows, rows, out=s)
        s *= np.float32(-0.5)
        tail *= np.exp(s, out=s)  # erfc(|x|/√2)
        tail *= size
        tail *= np.float32(0.5)
        np.maximum(rows, np.float32(0), out=rows)
        rows -= tail
    return x


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the positions of texts of about equal length together, so that little padding is computed."""
    order: list[int] = np.argsort(lengths, kind="stable").tolist()
    start = 0
    for stop in range(1, len(order) + 1):
        if stop == len(order) or (stop + 1 - start) * lengths[order[stop]] > _BATCH_TOKENS:
            yield order[start:stop]
            start = stop


def _read_config(folder: Path) -> dict[str, Any]:
    """Return the folder's `config.json`; raise ModelError where the folder holds no BERT."""
    missing = [file for file in _FILES if not (folder / file).is_file()]
    if missing:
        raise ModelError(f"{folder} has no {' and no '.join(missing)}; expected the folder of a BERT sentence encoder.")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    found = (config.get("model_type"), config.get("hidden_act"))
    if found != ("bert", "gelu"):
        raise ModelError(f"{folder / 'config.json'}: model_type and hidden_act are {found}; expected ('bert', 'gelu').")
    return config  # type: ignore[no-any-return]
