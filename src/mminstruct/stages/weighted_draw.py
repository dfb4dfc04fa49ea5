"""Draw from many softmaxes at once, without replacement.

    scores (t, width) ─► weights ─► sums of pairs, of pairs of pairs, … ─► sums of groups ─► positions (t, k)

A draw looks for its group among the groups' running sums, then goes down to one position, left or right by the pairs'
sums. What is drawn gets the weight 0, and the sums above it are added anew: the next draw is from what is left, with
probabilities in proportion, which is drawing without replacement (the distribution of Gumbel-top-k, Kool et al. 2019).
Only two numbers are added at a time, so a row's draws do not depend on the rows beside it.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_GROUPS = 64  # at most
_LEAST_LEVELS = 3
_TRUSTED = (np.float32(1e-20), np.float32(1e30))  # of a row's sum of weights; outside, float32 may have lost some


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


def draw_weighted(
    scores: Floats,
    allowed: npt.NDArray[np.bool_],
    min_score: float | None,
    temperature: float | None,
    uniforms: Floats,
    levels: list[Floats],
) -> Ints:
    """Return `(t, k)` different positions a row, drawn in proportion to exp(score / temperature); -1 for none left.

    `scores` is `(t, width)` with a width from `grouped_width`, `allowed` `(width,)`, `uniforms` `(t, k)` in [0, 1).
    Without a temperature, all that are allowed and not under `min_score` are equal. `levels` are arrays of
    `levels_room` to work in: the system takes its time to give new ones.
    """
    levels = [level[: len(scores)] for level in levels]
    weights = _Weights(scores, allowed, min_score, temperature, levels)
    positions = np.full(uniforms.shape, -1, np.int64)
    for column in range(uniforms.shape[1]):
        if column:
            weights.remove(positions[:, column - 1])
        positions[:, column] = weights.draw(uniforms[:, column], positions[:, :column])
    return positions


class _Weights:
    """The weights of t rows, and their sums in pairs, pairs of pairs, …, groups."""

    def __init__(
        self,
        scores: Floats,
        allowed: npt.NDArray[np.bool_],
        min_score: float | None,
        temperature: float | None,
        levels: list[Floats],
    ) -> None:
        self._scores, self._allowed, self._min_score, self._levels = scores, allowed, min_score, levels
        self._slope = np.float32(0 if temperature is None else min(1 / temperature, 1e30))
        self._rows = np.arange(len(scores))
        weights = levels[0]
        with np.errstate(over="ignore", invalid="ignore"):  # what is too large is found by its sum
            if temperature is None:
                weights[:] = allowed
            else:
                np.multiply(scores, self._slope, out=weights)
                np.exp(weights, out=weights)
                weights[:, ~allowed] = 0
            if min_score is not None:
                weights *= scores >= np.float32(min_score)
            _add_up(levels)
        self._groups = np.ascontiguousarray(levels[-1].T)  # (g, t): running sums then go over all rows at once

    def draw(self, uniforms: Floats, drawn: Ints) -> Ints:
        """Return `(t,)` positions for `(t,)` uniform numbers, -1 for none left; `drawn` `(t, j)` are gone."""
        with np.errstate(over="ignore", invalid="ignore"):
            sums = _running(self._groups)  # (g, t)
        trusted = (sums[-1] >= _TRUSTED[0]) & (sums[-1] <= _TRUSTED[1])
        if not trusted.all():
            rows = np.flatnonzero(~trusted)
            self._scale_anew(rows, drawn[rows])
            sums[:, rows] = _running(self._groups[:, rows])
        targets = uniforms * sums[-1]
        n_below = np.add.reduce((sums <= targets).view(np.uint8), axis=0, dtype=np.uint8)
        columns: Ints = np.minimum(n_below, len(sums) - 1).astype(np.int64)
        targets -= np.where(columns > 0, sums[columns - 1, self._rows], np.float32(0))
        for level in reversed(self._levels[:-1]):
            width = level.shape[1] // 2
            left = level.take(self._rows * (2 * width) + columns)
            right = targets >= left
            targets -= left * right
            columns += right * width
        missed = np.flatnonzero(self._levels[0][self._rows, columns] == 0)
        if len(missed):  # by the last digit, past the last one that has a weight; or none is left
            columns[missed] = self._levels[0][missed].argmax(axis=1)
            columns[missed[sums[-1, missed] == 0]] = -1
        return columns

    def remove(self, columns: Ints) -> None:
        """Take away one position of each row, or none where it is -1."""
        rows = self._rows
        lower = self._levels[0]
        lower[rows, columns] = np.where(columns < 0, lower[rows, columns], np.float32(0))
        for higher in self._levels[1:-1]:
            width = higher.shape[1]
            columns = columns % width
            at = rows * (2 * width) + columns
            higher[rows, columns] = lower.take(at) + lower.take(at + width)
            lower = higher
        width = len(self._groups)
        columns = columns % width
        at = rows * (2 * width) + columns
        self._groups[columns, rows] = lower.take(at) + lower.take(at + width)

    def _scale_anew(self, rows: Ints, drawn: Ints) -> None:
        """Give these rows weights relative to the highest score that is left, where float32 has most digits."""
        scores = np.where(self._allowed, self._scores[rows], -np.inf)
        if self._min_score is not None:
            scores[scores < np.float32(self._min_score)] = -np.inf
        for column in range(drawn.shape[1]):
            at = np.flatnonzero(drawn[:, column] >= 0)
            scores[at, drawn[at, column]] = -np.inf
        left = scores > -np.inf
        highest = np.where(left.any(axis=1), scores.max(axis=1), 0)[:, None]
        differences = np.where(left, scores - highest, 0)
        weights = (np.exp(differences * self._slope) * left).astype(np.float32)
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
    """Return the running sums of `(g, t)` over its first axis, faster than numpy's cumsum goes along it."""
    sums = np.empty_like(groups)
    sums[0] = groups[0]
    for group in range(1, len(sums)):
        np.add(sums[group - 1], groups[group], out=sums[group])
    return sums
