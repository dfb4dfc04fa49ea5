"""The order of the rows in an epoch: random, and each optimiser step of one modality.

A step with images and one of text alone take different times; mixed, the text waits for the vision tower. The original
(`LengthGroupedSampler` with `group_by_modality_length`, llava/train/llava_trainer.py) puts the rows of a step into
order of length and spreads them, so that every device has about as much to do; so does this.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def epoch_order(
    n_tokens: NDArray[np.int32], has_image: NDArray[np.bool_], step_size: int, n_chunks: int, seed: tuple[int, int]
) -> NDArray[np.int64]:
    """Return each row's index once: `(n,)`, where every `step_size` rows are one optimiser step.

    All rows of a step have an image, or none has; what is left of both modalities makes the last steps. A step's rows
    are dealt by length to `n_chunks` chunks that follow on each other: one for each device and round of accumulation.
    """
    random = np.random.default_rng(seed)
    steps, left = [], []
    for modality in (True, False):
        rows = random.permutation(np.flatnonzero(has_image == modality))
        n_full = len(rows) // step_size * step_size
        steps += np.split(rows[:n_full], n_full // step_size) if n_full else []
        left.append(rows[n_full:])
    dealt = [_dealt(steps[index], n_tokens, n_chunks) for index in random.permutation(len(steps))]
    return np.concatenate([*dealt, *left])


def _dealt(rows: NDArray[np.int64], n_tokens: NDArray[np.int32], n_chunks: int) -> NDArray[np.int64]:
    by_length = rows[np.argsort(-n_tokens[rows], kind="stable")]
    return np.concatenate([by_length[start::n_chunks] for start in range(n_chunks)])


class EpochOrder:
    """A sampler for torch's DataLoader; each epoch has an order of its own, the same when training is resumed."""

    def __init__(
        self, n_tokens: NDArray[np.int32], has_image: NDArray[np.bool_], step_size: int, n_chunks: int, seed: int
    ) -> None:
        self._n_tokens = n_tokens
        self._has_image = has_image
        self._step_size = step_size
        self._n_chunks = n_chunks
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, as the Trainer does before each."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._n_tokens)

    def __iter__(self) -> Iterator[int]:
        seed = (self._seed, self._epoch)
        order = epoch_order(self._n_tokens, self._has_image, self._step_size, self._n_chunks, seed)
        return iter(order.tolist())
