"""How many of an image's scores are higher than those that it drew: scores, positions ─► both in the order of rank."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mminstruct.stages.draw.weighted import Floats, Ints

_POSITION_BITS = np.int64(32)
_POSITION = np.int64(2**32 - 1)
_LAST = np.int64(2**62)  # after every rank


def by_rank(scores: Floats, positions: Ints) -> tuple[Ints, Ints]:
    """Return `(k, t)` positions, those of the highest scores first and -1 at the end, and their ranks.

    A rank is how many of a row's `(t, width)` scores are higher, and -1 where there is no position. Of two equal scores
    the first position comes first.
    """
    keys = np.where(positions < 0, _LAST, (_ranks(scores, positions) << _POSITION_BITS) | positions)
    for end in range(len(keys) - 1, 0, -1):  # neighbours change places: of so few, faster than a sort for each row
        for place in range(end):
            higher = np.maximum(keys[place], keys[place + 1])
            np.minimum(keys[place], keys[place + 1], out=keys[place])
            keys[place + 1] = higher
    none = keys == _LAST
    return np.where(none, -1, keys & _POSITION), np.where(none, -1, keys >> _POSITION_BITS)


def _ranks(scores: Floats, positions: Ints) -> Ints:
    """Return `(k, t)`. The width is of full eights: truth values are added up eight at a time, as bytes of a word."""
    n_rows, width = scores.shape
    bounds = scores.take(positions + np.arange(n_rows) * width)
    higher = np.empty(scores.shape, bool)
    words = higher.view(np.uint64)
    steps = range(0, width // 8, 255)  # of words that are added up: a byte holds no more
    sums = np.empty((len(steps), *positions.shape), np.uint64)
    for place, bound in enumerate(bounds):
        np.greater(scores, bound[:, None], out=higher)
        for number, step in enumerate(steps):
            np.einsum("tw->t", words[:, step : step + 255], out=sums[number, place])
    return np.asarray(_bytes_added(sums).sum(axis=0))


def _bytes_added(words: npt.NDArray[np.uint64]) -> Ints:
    """Return the sum of each word's eight bytes: first in pairs, then all pairs into the highest one."""
    low = np.uint64(0x00FF00FF00FF00FF)
    pairs = (words & low) + ((words >> np.uint64(8)) & low)
    return ((pairs * np.uint64(0x0001000100010001)) >> np.uint64(48)).astype(np.int64)
