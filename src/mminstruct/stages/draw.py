"""Who draws what: similarities in tiles, draws under caps, arrays in and arrays out.

    features (n, d), instructions (m, d) ─► scores, a tile at a time ─► positions, scores, ranks (n, k)

The result depends on seed, image and the draws before it alone: not on how images are cut into calls, on the number of
threads, or on the processor's order of additions (see `to_unit_grid`). Threads compute the tiles. Where there are caps,
one goes through them in the images' order and draws anew what was drawn while an instruction was still open.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from mminstruct.encoders.protocols import Embeddings
from mminstruct.stages.weighted_draw import Floats, Ints, draw_weighted, grouped_width, levels_room

_TILE_SCORES = 1_250_000  # of one tile: with fewer, threads wait for the interpreter's lock more than they compute
_LEAST_ROWS = 256  # of a tile, where there are images enough
_AFTER_CAP = 64  # images drawn at first after an instruction got full: another may soon be
_OUTSIDE = np.float32(-2)  # the score of columns that only fill up the width

Sampling = Literal["softmax", "top_k", "random"]


@dataclass(frozen=True, slots=True)
class DrawRule:
    """How an image's instructions are drawn; see MatchConfig."""

    per_image: int
    sampling: Sampling
    temperature: float
    max_per_instruction: int | None
    min_score: float | None


@dataclass(frozen=True, slots=True)
class Drawn:
    """What n images drew, k places each, the highest score first."""

    positions: Ints  # (n, k) of instructions, -1 where nothing was left
    scores: Floats  # (n, k)
    ranks: Ints  # (n, k), how many of all instructions have a higher score for this image
    n_drawn: Ints  # (n,)
    best_scores: Floats  # (n,) of all instructions, where n_drawn is 0; not a number elsewhere
    n_full: Ints  # (n,) instructions that were at their cap when it was this image's turn


class Drawer:
    """Draws for one block of images after the other; `counts` says how many images each instruction has got."""

    def __init__(self, instructions: Embeddings, rule: DrawRule, seed: int, n_threads: int | None = None) -> None:
        n, d = instructions.shape
        self.counts: npt.NDArray[np.int64] = np.zeros(n, np.int64)
        self._rule = rule
        self._seed = int.from_bytes(blake2b(str(seed).encode(), digest_size=8).digest(), "little")
        self._k = min(rule.per_image, n)
        self._table = np.zeros((d, grouped_width(n)), np.float32)
        self._table[:, :n] = np.rint(instructions.T * _INSTRUCTION_UNITS) / _INSTRUCTION_UNITS
        self._tile_rows = max(16, min(4096, _TILE_SCORES // max(1, self._table.shape[1])))
        self._n_threads = n_threads or os.cpu_count() or 1
        self._one_blas_thread = _blas_limit()

    def draw(self, features: Embeddings, keys: npt.NDArray[np.uint64]) -> Drawn:
        """Return what `(n, d)` images draw, in their order; an image's `(n,)` key tells its random numbers apart."""
        n, k = len(features), self._k
        drawn = Drawn(
            positions=np.full((n, k), -1, np.int64),
            scores=np.zeros((n, k), np.float32),
            ranks=np.zeros((n, k), np.int64),
            n_drawn=np.zeros(n, np.int64),
            best_scores=np.full(n, np.nan, np.float32),
            n_full=np.zeros(n, np.int64),
        )

        rooms: deque[_Room] = deque()

        def start(first: int, stop: int) -> _Tile:
            room = rooms.popleft() if rooms else _Room(self._tile_rows, self._table.shape)
            scores = self._scores(features[first:stop], room)
            tile = _Tile(first, scores, uniforms(self._seed, keys[first:stop], k), room)
            full = self._full()
            tile.positions, tile.full = self._draw(tile, 0, len(tile.scores), full), full
            if self._rule.max_per_instruction is None:
                self._finish(tile, drawn)
            return tile

        with self._one_blas_thread(), ThreadPoolExecutor(self._n_threads) as pool:
            for tile in _in_order(pool, self._n_threads, start, self._cuts(n)):
                if self._rule.max_per_instruction is None:
                    self._count(tile.positions)
                else:
                    self._keep_to_caps(tile, drawn)
                    self._finish(tile, drawn)
                rooms.append(tile.room)
        return drawn

    def _cuts(self, n: int) -> list[tuple[int, int]]:
        """Return first and stop of tiles of about equal size."""
        n_tiles = max(-(-n // self._tile_rows), min(self._n_threads, -(-n // _LEAST_ROWS)))
        bounds = np.linspace(0, n, n_tiles + 1).astype(int).tolist()
        return list(pairwise(bounds))

    def _scores(self, features: Embeddings, room: _Room) -> Floats:
        grid, scores = room.grid[: len(features)], room.scores[: len(features)]
        to_unit_grid(features, grid)
        np.matmul(grid, self._table, out=scores)
        scores[:, len(self.counts) :] = _OUTSIDE
        return scores

    def _full(self) -> npt.NDArray[np.bool_]:
        """Return `(m,)`: which instructions have reached their cap."""
        cap = self._rule.max_per_instruction
        return np.zeros(len(self.counts), bool) if cap is None else self.counts >= cap

    def _draw(self, tile: _Tile, first: int, stop: int, full: npt.NDArray[np.bool_]) -> Ints:
        """Return `(stop - first, k)` positions of those that are not full nor under `min_score`; -1 for none."""
        rule, scores = self._rule, tile.scores[first:stop]
        allowed = np.zeros(scores.shape[1], bool)
        allowed[: len(full)] = ~full
        if rule.sampling == "top_k":
            return _highest(scores, allowed, rule.min_score, self._k, tile.room.weights[0])
        temperature = rule.temperature if rule.sampling == "softmax" else None
        return draw_weighted(scores, allowed, rule.min_score, temperature, tile.uniforms[first:stop], tile.room.weights)

    def _count(self, positions: Ints) -> None:
        self.counts += np.bincount(positions[positions >= 0], minlength=len(self.counts))

    def _keep_to_caps(self, tile: _Tile, drawn: Drawn) -> None:
        """Count a tile's draws in their order, and draw anew for all images after one that made an instruction full."""
        n, first, full = len(tile.scores), 0, self._full()
        stop = n if np.array_equal(full, tile.full) else 0  # up to here, what was drawn holds
        window = _AFTER_CAP if stop == 0 else n
        while first < n:
            if first >= stop:
                stop = min(n, first + window)
                tile.positions[first:stop] = self._draw(tile, first, stop, full)
                window *= 2
            n_good = self._n_until_full(tile.positions[first:stop])
            self._count(tile.positions[first : first + n_good])
            drawn.n_full[tile.first + first : tile.first + first + n_good] = full.sum()
            first += n_good
            now = self._full()
            if not np.array_equal(now, full):
                full, stop, window = now, first, _AFTER_CAP

    def _n_until_full(self, positions: Ints) -> int:
        """Return how many of these images there are up to the first that makes an instruction full; else all."""
        cap = self._rule.max_per_instruction
        assert cap is not None
        n_new = np.bincount(positions[positions >= 0], minlength=len(self.counts))
        n_images = len(positions)
        for position in np.flatnonzero((n_new > 0) & (self.counts + n_new >= cap)):
            takers = np.flatnonzero((positions[:n_images] == position).any(axis=1))
            n_free = int(cap - self.counts[position])
            if len(takers) >= n_free:
                n_images = int(takers[n_free - 1]) + 1
        return n_images

    def _finish(self, tile: _Tile, drawn: Drawn) -> None:
        """Write a tile's draws, the highest score first, with their scores and ranks."""
        positions, scores = tile.positions, tile.scores
        rows = np.arange(len(scores))[:, None]
        ranks = ranks_of(scores, positions, tile.room.higher)
        if self._rule.sampling != "top_k":
            width = scores.shape[1]  # of two equal scores the first position comes first
            order = np.argsort(np.where(positions < 0, width * width, ranks * width + positions), axis=1)
            positions, ranks = positions[rows, order], ranks[rows, order]
        here = slice(tile.first, tile.first + len(scores))
        drawn.positions[here], drawn.ranks[here] = positions, ranks
        drawn.scores[here] = scores[rows, positions]
        drawn.n_drawn[here] = (positions >= 0).sum(axis=1)
        nothing = np.flatnonzero(drawn.n_drawn[here] == 0)
        if len(nothing):
            drawn.best_scores[tile.first + nothing] = scores[nothing].max(axis=1)


class _Room:
    """The arrays that a tile is worked on in, used again and again: the system takes its time to give new ones."""

    def __init__(self, n_rows: int, table_shape: tuple[int, int]) -> None:
        d, width = table_shape
        self.grid = np.empty((n_rows, d), np.float32)
        self.scores = np.empty((n_rows, width), np.float32)
        self.weights = levels_room(n_rows, width)
        self.higher = np.empty((n_rows, width), bool)


class _Tile:
    """The images of one tile."""

    def __init__(self, first: int, scores: Floats, uniforms: Floats, room: _Room) -> None:
        self.first = first  # number of its first image
        self.scores = scores  # (t, width)
        self.uniforms = uniforms  # (t, k)
        self.room = room
        self.positions: Ints = np.empty((0, 0), np.int64)  # (t, k), drawn when `full` were full
        self.full: npt.NDArray[np.bool_] = np.empty(0, bool)


_GRID_ROWS = 64
_IMAGE_UNITS = 2.0**12
_INSTRUCTION_UNITS = 2.0**11
_SHIFT = np.float32(1.5 * 2**23 / _IMAGE_UNITS)


def to_unit_grid(features: Embeddings, grid: Embeddings) -> None:
    """Write `(t, d)` features, rounded to multiples of 2^-12, to `grid`.

    With instructions rounded to 2^-11, products are multiples of 2^-23; unit vectors' sums of them stay within ±2, and
    float32 has room for that without rounding. So the sum is the same in whatever order it is taken: no BLAS, thread or
    tile changes a bit of it. The price is an error of about 0.00016 (standard deviation) in a similarity.
    """
    for first in range(0, len(grid), _GRID_ROWS):  # while they are in the core's nearest cache
        rows = grid[first : first + _GRID_ROWS]
        np.add(features[first : first + _GRID_ROWS], _SHIFT, out=rows)  # float32 keeps no smaller digits beside it
        rows -= _SHIFT


def uniforms(seed: int, keys: npt.NDArray[np.uint64], k: int) -> Floats:
    """Return `(n, k)` uniform numbers in [0, 1), 24 bits of splitmix64 (Steele et al. 2014) over seed and key."""
    with np.errstate(over="ignore"):
        start = _mixed(keys + np.uint64(seed))[:, None]
        numbers = _mixed(start + np.arange(1, k + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return (numbers >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)


def _mixed(z: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def ranks_of(scores: Floats, positions: Ints, room: npt.NDArray[np.bool_]) -> Ints:
    """Return `(t, k)`: how many of a row's scores are higher than the one at each of its `(t, k)` positions.

    `scores` is `(t, width)` with a width of full eights: truth values are added up eight at a time, as bytes of a word.
    `room` holds as many truth values or more, of no meaning.
    """
    rows = np.arange(len(scores))
    ranks = np.zeros(positions.shape, np.int64)
    higher = room[: len(scores)]
    words = higher.view(np.uint64)
    for column in range(positions.shape[1]):
        np.greater(scores, scores[rows, positions[:, column]][:, None], out=higher)
        for first in range(0, words.shape[1], 255):  # a byte holds no more
            sums = np.einsum("tw->t", words[:, first : first + 255])
            ranks[:, column] += np.einsum("tb->t", sums.view(np.uint8).reshape(-1, 8).astype(np.int64))
    return ranks


def _highest(scores: Floats, allowed: npt.NDArray[np.bool_], min_score: float | None, k: int, room: Floats) -> Ints:
    """Return `(t, k)` positions of the highest allowed scores, of equal ones the first; -1 for none."""
    rows = np.arange(len(scores))
    left = room[: len(scores)]
    left[:] = scores
    left[:, ~allowed] = -np.inf
    positions = np.empty((len(scores), k), np.int64)
    lowest = np.float32(_OUTSIDE if min_score is None else min_score)
    for column in range(k):
        best = left.argmax(axis=1)
        positions[:, column] = np.where(left[rows, best] >= lowest, best, -1)
        left[rows, best] = -np.inf
    return positions


def _in_order(
    pool: ThreadPoolExecutor, n_threads: int, start: Callable[[int, int], _Tile], cuts: list[tuple[int, int]]
) -> Iterator[_Tile]:
    """Yield the tiles in their order, while the pool is at work on a few later ones and not on all: memory is flat."""
    waiting: deque[Future[_Tile]] = deque()
    for cut in cuts:
        waiting.append(pool.submit(start, *cut))
        if len(waiting) > n_threads:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _blas_limit() -> Callable[[], AbstractContextManager[object]]:
    """Return what holds the matrix product to one thread a tile: faster, and no other result, so it may be missing."""
    try:
        from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]
    except ImportError:
        return nullcontext
    controller = ThreadpoolController()
    return lambda: controller.limit(limits=1)
