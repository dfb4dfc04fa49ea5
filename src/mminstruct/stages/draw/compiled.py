"""`draw_weighted` and `by_rank` once more, compiled by numba (`pip install 'mminstruct[fast]'`).

Every number is added to the same others in the same order, so each result is the same to the last bit. What is rare
(weights too small or large for float32, nothing left to draw) is handed to the plain way.

Loops are written for the compiler to use the processor's wide registers: over slices, which it can tell apart, or over
a fixed number of rows side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

from mminstruct.stages.draw import weighted
from mminstruct.stages.draw.weighted import TRUSTED, Bools, Floats, Ints, Odds, fill_weights, levels_room

_SIDE_BY_SIDE = 64  # rows whose groups are added up at once: a few registers' worth, and still in the nearest cache

Function = TypeVar("Function", bound=Callable[..., object])


def _compiled(function: Function) -> Function:
    return cast(Function, njit(nogil=True, cache=True, error_model="numpy")(function))


def draw_weighted(scores: Floats, odds: Odds, uniforms: Floats, levels: list[Floats]) -> Ints:
    """Do as `weighted.draw_weighted`."""
    weights, n_groups = levels[0][: len(scores)], levels[-1].shape[1]
    fill_weights(weights, scores, odds)
    positions = np.empty(uniforms.shape, np.int64)
    rows = np.flatnonzero(_draw_rows(weights, n_groups, np.ascontiguousarray(uniforms), *TRUSTED, positions))
    if len(rows):
        room = levels_room(len(rows), scores.shape[1])
        positions[:, rows] = weighted.draw_weighted(scores[rows], odds, uniforms[:, rows], room)
    return positions


def by_rank(scores: Floats, positions: Ints) -> tuple[Ints, Ints]:
    """Do as `ranks.by_rank`."""
    ordered, ranks = np.empty_like(positions), np.empty_like(positions)
    _rank_rows(scores, np.ascontiguousarray(positions), ordered, ranks)
    return ordered, ranks


@_compiled
def _draw_rows(
    weights: Floats, n_groups: int, uniforms: Floats, least: np.float32, most: np.float32, positions: Ints
) -> Bools:
    """Fill `(k, t)` positions, using up `(t, width)` weights; return `(t,)`, the rows that need the plain way."""
    n_rows, width = weights.shape
    trees = np.empty((_SIDE_BY_SIDE, width - n_groups), np.float32)  # a row's levels but the first, one after the other
    groups = np.zeros((n_groups, _SIDE_BY_SIDE), np.float32)
    sums = np.zeros((n_groups + 1, _SIDE_BY_SIDE), np.float32)  # of the groups before each
    targets, n_below = np.zeros(_SIDE_BY_SIDE, np.float32), np.zeros(_SIDE_BY_SIDE, np.int32)
    odd = np.zeros(n_rows, np.bool_)
    for first in range(0, n_rows, _SIDE_BY_SIDE):
        n = min(_SIDE_BY_SIDE, n_rows - first)
        for row in range(n):
            _add_up(weights[first + row], trees[row], n_groups)
            groups[:, row] = trees[row, -n_groups:]
        for place in range(len(uniforms)):
            _run(groups, sums)
            for row in range(n):
                targets[row] = uniforms[place, first + row] * sums[n_groups, row]
            _count_not_above(sums, targets, n_below)
            for row in range(n):
                of_row, tree, group = weights[first + row], trees[row], n_below[row]
                column = _go_down(of_row, tree, n_groups, group, targets[row] - sums[group, row])
                if of_row[column] == 0 or not (least <= sums[n_groups, row] <= most):
                    odd[first + row] = True
                positions[place, first + row] = column
                groups[group, row] = _remove(of_row, tree, n_groups, column)
    return odd


@_compiled
def _run(groups: Floats, sums: Floats) -> None:
    for group in range(len(groups)):
        for row in range(_SIDE_BY_SIDE):
            sums[group + 1, row] = sums[group, row] + groups[group, row]


@_compiled
def _count_not_above(sums: Floats, targets: Floats, counts: npt.NDArray[np.int32]) -> None:
    """Count the groups whose sums do not pass the target, but the last one, where all ends."""
    counts[:] = 0
    for group in range(1, len(sums) - 1):
        for row in range(_SIDE_BY_SIDE):
            counts[row] += np.int32(sums[group, row] <= targets[row])


@_compiled
def _add_up(row: Floats, tree: Floats, n_groups: int) -> None:
    """Fill the levels above a row: each is the left half of the one before, plus its right half."""
    half = len(row) // 2
    _add(row[:half], row[half:], tree[:half])
    start, width = 0, half
    while width > n_groups:
        half, end = width // 2, start + width
        _add(tree[start : start + half], tree[start + half : end], tree[end : end + half])
        start, width = end, half


@_compiled
def _add(one: Floats, other: Floats, out: Floats) -> None:
    for at in range(len(out)):
        out[at] = one[at] + other[at]


@_compiled
def _go_down(row: Floats, tree: Floats, n_groups: int, column: int, target: float) -> int:
    """Return the position under a group, left or right by the sums on the way."""
    start, width = len(tree) - n_groups, n_groups
    while 2 * width < len(row):
        start -= 2 * width
        rest = target - tree[start + column]
        target, column = (rest, column + width) if rest >= 0 else (target, column)
        width *= 2
    return column + width if target >= row[column] else column


@_compiled
def _remove(row: Floats, tree: Floats, n_groups: int, column: int) -> float:
    """Take a position's weight away, add up anew what is above it, and return the sum of its group."""
    row[column] = 0
    start, width = 0, len(row) // 2
    column = column - width if column >= width else column
    total = row[column] + row[column + width]
    tree[column] = total
    while width > n_groups:
        half, end = width // 2, start + width
        column = column - half if column >= half else column
        total = tree[start + column] + tree[start + column + half]
        tree[end + column] = total
        start, width = end, half
    return float(total)


@_compiled
def _rank_rows(scores: Floats, positions: Ints, ordered: Ints, ranks: Ints) -> None:
    """Fill `(k, t)` positions in the order of rank, and ranks: each is put in among those before it."""
    for row in range(len(scores)):
        of_row = scores[row]
        for place in range(len(positions)):
            position = positions[place, row]
            rank = -1 if position < 0 else _count_above(of_row, of_row[position])
            at = place
            while at > 0 and _is_after(ordered[at - 1, row], ranks[at - 1, row], position, rank):
                ordered[at, row], ranks[at, row] = ordered[at - 1, row], ranks[at - 1, row]
                at -= 1
            ordered[at, row], ranks[at, row] = position, rank


@_compiled
def _count_above(of_row: Floats, bound: float) -> int:
    count = 0
    for at in range(len(of_row)):
        count += of_row[at] > bound
    return count


@_compiled
def _is_after(position: int, rank: int, other: int, other_rank: int) -> bool:
    if position < 0 or other < 0:
        return position < 0 <= other
    return rank > other_rank or (rank == other_rank and position > other)
