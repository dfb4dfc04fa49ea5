"""Draw from many softmaxes at once, without replacement.

    scores (t, width) ─► weights ─► sums of pairs, of pairs of pairs, … ─► sums of groups ─► positions (k, t)

A draw looks for its group among the groups' running sums, then goes down to one position, left or right by the pairs'
sums. What is drawn gets the weight 0, and the sums above it are added anew: the next draw is from what is left, with
probabilities in proportion, which is drawing without replacement (the distribution of Gumbel-top-k, Kool et al. 2019).
Only two numbers are added at a time, so a row's draws do not depend on the rows beside it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

TRUSTED = (np.float32(1e-20), np.float32(1e30))  # of a row's sum of weights; outside, float32 may have lost some

_GROUPS = 64  # at most
_LEAST_LEVELS = 3


class Odds(NamedTuple):
    """What of t rows may be drawn, and in which proportion: exp(score / temperature)."""

    allowed: Bools  # (width,)
    min_score: float | None  # what is under it is not drawn
    temperature: float | None  # without one, all that may be drawn are equal

    @property
    def slope(self) -> np.float32:
        """What a score is multiplied by before it is an exponent."""
        return np.float32(0 if self.temperature is None else min(1 / self.temperature, 1e30))


def n_levels(n: int) -> int:
    """Return how many times n columns are added up in pairs before they are groups."""
    return max(_LEAST_LEVELS, (-(-n // _GROUPS) - 1).bit_length())


def grouped_width(n: int) -> int:
    """Return the least number of columns, n or more, that can be halved `n_levels` times."""
    unit: int = 1 << n_levels(n)
    return -(-n // unit) * unit


def levels_room(n_rows: int, width: int) -> list[Floats]:
    """Return `(n_rows, width)`, `(n_rows, width / 2)`, … with numbers of no meaning, for `draw_weighted`."""
    return [np.empty((n_rows, width >> level), np.float32) for level in range(n_levels(width) + 1)]


def uniforms(seed: int, keys: npt.NDArray[np.uint64], k: int) -> Floats:
    """Return `(k, t)` uniform numbers in [0, 1), 24 bits of splitmix64 (Steele et al. 2014) over seed and key."""
    with np.errstate(over="ignore"):
        start = _mixed(keys + np.uint64(seed))
        numbers = _mixed(start + np.arange(1, k + 1, dtype=np.uint64)[:, None] * np.uint64(0x9E3779B97F4A7C15))
    return (numbers >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)


def _mixed(z: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def draw_weighted(scores: Floats, odds: Odds, uniforms: Floats, levels: list[Floats]) -> Ints:
    """Return `(k, t)` different positions for t rows, -1 where none is left.

    `scores` is `(t, width)` with a width from `grouped_width`, `uniforms` `(k, t)` in [0, 1). `levels` are arrays of
    `levels_room` to work in: the system takes its time to give new ones.
    """
    levels = [level[: len(scores)] for level in levels]
    weights = _Weights(scores, odds, levels)
    positions = np.full(uniforms.shape, -1, np.int64)
    for place, numbers in enumerate(uniforms):
        if place:
            weights.remove(positions[place - 1])
        positions[place] = weights.draw(numbers, positions[:place])
    return positions


def fill_weights(weights: Floats, scores: Floats, odds: Odds) -> None:
    """Write exp(score / temperature), or 1 without a temperature, and 0 for what is not to be drawn."""
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large is found by its sum
        if odds.temperature is None:
            weights[:] = odds.allowed
        else:
            np.multiply(scores, odds.slope, out=weights)
            np.exp(weights, out=weights)
            weights[:, ~odds.allowed] = 0
        if odds.min_score is not None:
            weights *= (scores >= np.float32(odds.min_score)).astype(np.float32)


class _Weights:
    """The weights of t rows, and their sums in pairs, pairs of pairs, …, groups."""

    def __init__(self, scores: Floats, odds: Odds, levels: list[Floats]) -> None:
        self._scores, self._odds, self._levels = scores, odds, levels
        self._rows = np.arange(len(scores))
        self._starts = [self._rows * level.shape[1] for level in levels]  # of the rows, in a level as one long row
        fill_weights(levels[0], scores, odds)
        with np.errstate(over="ignore", invalid="ignore"):
            _add_up(levels)
        self._groups = np.ascontiguousarray(levels[-1].T)  # (g, t): running sums then go over all rows at once

    def draw(self, uniforms: Floats, drawn: Ints) -> Ints:
        """Return `(t,)` positions for `(t,)` uniform numbers, -1 for none left; `drawn` `(j, t)` are gone."""
        with np.errstate(over="ignore", invalid="ignore"):
            sums = _running(self._groups)  # (g + 1, t), of the groups before each
        trusted = (sums[-1] >= TRUSTED[0]) & (sums[-1] <= TRUSTED[1])
        if not trusted.all():
            rows = np.flatnonzero(~trusted)
            self._scale_anew(rows, drawn[:, rows])
            sums[:, rows] = _running(self._groups[:, rows])
        targets = uniforms * sums[-1]
        n_below = np.add.reduce((sums[1:] <= targets).view(np.uint8), axis=0, dtype=np.uint8)
        columns: Ints = np.minimum(n_below, len(self._groups) - 1).astype(np.int64)
        targets -= sums.take(columns * len(targets) + self._rows)
        for level, starts in zip(self._levels[-2::-1], self._starts[-2::-1], strict=True):
            rest = targets - level.take(starts + columns)
            right = rest >= 0
            targets = np.where(right, rest, targets)
            columns += right * (level.shape[1] // 2)
        missed = np.flatnonzero(self._levels[0].take(self._starts[0] + columns) == 0)
        if len(missed):  # by the last digit, past the last one that has a weight; or none is left
            columns[missed] = self._levels[0][missed].argmax(axis=1)
            columns[missed[sums[-1, missed] == 0]] = -1
        return columns

    def remove(self, columns: Ints) -> None:
        """Take away one position of each row, or none where it is -1."""
        none, columns = columns < 0, np.maximum(columns, 0)
        lower = self._levels[0].reshape(-1)
        at = self._starts[0] + columns
        lower[at] = np.where(none, lower.take(at), np.float32(0))
        for level, starts in zip(self._levels[1:], self._starts[1:], strict=True):
            width = level.shape[1]
            columns = columns % width
            at = 2 * starts + columns
            sums = lower.take(at) + lower.take(at + width)
            lower = level.reshape(-1)
            lower[starts + columns] = sums
        self._groups.reshape(-1)[columns * len(sums) + self._rows] = sums

    def _scale_anew(self, rows: Ints, drawn: Ints) -> None:
        """Give these rows weights relative to the highest score that is left, where float32 has most digits."""
        scores = np.where(self._odds.allowed, self._scores[rows], -np.inf)
        if self._odds.min_score is not None:
            scores[scores < np.float32(self._odds.min_score)] = -np.inf
        for positions in drawn:
            at = np.flatnonzero(positions >= 0)
            scores[at, positions[at]] = -np.inf
        left = scores > -np.inf
        highest = np.where(left.any(axis=1), scores.max(axis=1), 0)[:, None]
        differences = np.where(left, scores - highest, 0)
        weights = (np.exp(differences * self._odds.slope) * left).astype(np.float32)
        levels = [weights, *levels_room(len(rows), weights.shape[1])[1:]]
        _add_up(levels)
        for ours, anew in zip(self._levels, levels, strict=True):
            ours[rows] = anew
        self._groups[:, rows] = levels[-1].T


def _add_up(levels: list[Floats]) -> None:
    """Fill all levels from the first: each is the left half of the one before, plus its right half."""
    for lower, higher in pairwise(levels):
        width = higher.shape[1]
        np.add(lower[:, :width], lower[:, width:], out=higher)


def _running(groups: Floats) -> Floats:
    """Return `(g + 1, t)`, what `(g, t)` groups before each add up to, faster than numpy's cumsum goes along them."""
    sums = np.zeros((len(groups) + 1, groups.shape[1]), np.float32)
    for number, group in enumerate(groups):
        np.add(sums[number], group, out=sums[number + 1])
    return sums
