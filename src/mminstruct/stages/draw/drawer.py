"""Who draws what: similarities in tiles, draws under caps, arrays in and arrays out.

    features (n, d), instructions (m, d) ─► scores, a tile at a time ─► positions, scores, ranks (n, k)

The result depends on seed, image and the draws before it alone: not on how images are cut into calls, on the number of
threads, on the processor's order of additions (see `similarity`), or on what is compiled (see `ways`). Threads
compute the tiles. Where there are caps, one goes through them in the images' order and draws anew what was drawn while
an instruction was still open.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from mminstruct.encoders.protocols import Embeddings
from mminstruct.products import one_blas_thread
from mminstruct.stages.draw.similarity import GRID_ROWS, OUTSIDE, score, table_of
from mminstruct.stages.draw.ways import compiled_way, plain_way
from mminstruct.stages.draw.weighted import Bools, Floats, Ints, Odds, grouped_width, levels_room, uniforms

_COMPILED_FROM = 1_000_000  # images: for fewer, compiling takes longer than it saves
_TILE_SCORES = 1_250_000  # of one tile: with fewer, threads wait for the interpreter's lock more than they compute
_LEAST_ROWS = 256  # of a tile, where there are images enough
_AFTER_CAP = 64  # images drawn at first after an instruction got full: another may soon be

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
    scores: Floats  # (n, k), 0 where nothing was left
    ranks: Ints  # (n, k), how many of all instructions have a higher score for this image; -1 where nothing was left
    n_drawn: Ints  # (n,)
    best_scores: Floats  # (n,) of all instructions, where n_drawn is 0; not a number elsewhere
    n_full: Ints  # (n,) instructions that were at their cap when it was this image's turn


class Drawer:
    """Draws for one block of images after the other; `counts` says how many images each instruction has got.

    `compiled` is whether to draw the compiled way; None: where it is installed, once there have been images enough.
    """

    def __init__(
        self,
        instructions: Embeddings,
        rule: DrawRule,
        seed: int,
        n_threads: int | None = None,
        compiled: bool | None = None,
    ) -> None:
        n = len(instructions)
        self.counts: npt.NDArray[np.int64] = np.zeros(n, np.int64)
        self._rule = rule
        self._seed = int.from_bytes(blake2b(str(seed).encode(), digest_size=8).digest(), "little")
        self._k = min(rule.per_image, n)
        self._table = table_of(instructions)
        self._n_threads = n_threads or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._n_threads, "draw")
        self._one_blas_thread = one_blas_thread()
        self._compile_from = {True: 0, False: None, None: _COMPILED_FROM}[compiled]
        self._n_images = 0
        self._way = plain_way()
        self._tile_rows = max(16, min(4096, _TILE_SCORES // max(1, grouped_width(n))))
        self._benches = threading.local()
        self._spare: deque[Floats] = deque()

    def draw(self, features: Embeddings, keys: npt.NDArray[np.uint64]) -> Drawn:
        """Return what `(n, d)` images draw, in their order; an image's `(n,)` key tells its random numbers apart."""
        n, k = len(features), self._k
        self._n_images += n
        if self._compile_from is not None and self._n_images >= self._compile_from:
            self._way = compiled_way() or self._way
            self._compile_from = None
        drawn = Drawn(
            positions=np.full((n, k), -1, np.int64),
            scores=np.zeros((n, k), np.float32),
            ranks=np.zeros((n, k), np.int64),
            n_drawn=np.zeros(n, np.int64),
            best_scores=np.full(n, np.nan, np.float32),
            n_full=np.zeros(n, np.int64),
        )

        def start(first: int, stop: int) -> _Tile:
            tile = _Tile(first, keys[first:stop], self._room_for_scores(), self._full())
            score(features[first:stop], self._table, self._bench().grid, tile.scores)
            tile.positions = self._draw(tile, 0, stop - first, tile.full)
            if self._rule.max_per_instruction is None:
                self._finish(tile, drawn)
            return tile

        with self._one_blas_thread():
            for tile in _in_order(self._pool, self._n_threads, start, self._cuts(n)):
                if self._rule.max_per_instruction is None:
                    self._count(tile.positions)
                else:
                    self._keep_to_caps(tile, drawn)
                    self._finish(tile, drawn)
                self._spare.append(tile.room)
        return drawn

    def _cuts(self, n: int) -> list[tuple[int, int]]:
        """Return first and stop of tiles of about equal size."""
        n_tiles = max(-(-n // self._tile_rows), min(self._n_threads, -(-n // _LEAST_ROWS)))
        bounds = np.linspace(0, n, n_tiles + 1).astype(int).tolist()
        return list(pairwise(bounds))

    def _room_for_scores(self) -> Floats:
        """Return `(tile_rows, width)` with `OUTSIDE` in the columns that only fill up the width."""
        try:
            return self._spare.popleft()
        except IndexError:
            return np.full((self._tile_rows, grouped_width(len(self.counts))), OUTSIDE)

    def _bench(self) -> _Bench:
        """Return this thread's own."""
        bench: _Bench | None = getattr(self._benches, "bench", None)
        if bench is None:
            bench = self._benches.bench = _Bench(self._tile_rows, *self._table.shape)
        return bench

    def _full(self) -> Bools:
        """Return `(m,)`: which instructions have reached their cap."""
        cap = self._rule.max_per_instruction
        return np.zeros(len(self.counts), bool) if cap is None else self.counts >= cap

    def _draw(self, tile: _Tile, first: int, stop: int, full: Bools) -> Ints:
        """Return `(k, stop - first)` positions of those that are not full nor under `min_score`; -1 for none."""
        rule, scores, levels = self._rule, tile.scores[first:stop], self._bench().levels
        allowed = np.zeros(scores.shape[1], bool)
        allowed[: len(full)] = ~full
        if rule.sampling == "top_k":
            return _highest(scores, allowed, rule.min_score, self._k, levels[0])
        temperature = rule.temperature if rule.sampling == "softmax" else None
        numbers = uniforms(self._seed, tile.keys[first:stop], self._k)
        return self._way.draw_weighted(scores, Odds(allowed, rule.min_score, temperature), numbers, levels)

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
                tile.positions[:, first:stop] = self._draw(tile, first, stop, full)
                window *= 2
            n_good = self._n_until_full(tile.positions[:, first:stop])
            self._count(tile.positions[:, first : first + n_good])
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
        n_images = int(positions.shape[1])
        for position in np.flatnonzero((n_new > 0) & (self.counts + n_new >= cap)):
            takers = np.flatnonzero((positions[:, :n_images] == position).any(axis=0))
            n_free = int(cap - self.counts[position])
            if len(takers) >= n_free:
                n_images = int(takers[n_free - 1]) + 1
        return n_images

    def _finish(self, tile: _Tile, drawn: Drawn) -> None:
        """Write a tile's draws, the highest score first, with their scores and ranks."""
        n, width = tile.scores.shape
        positions, ranks = self._way.by_rank(tile.scores, tile.positions)
        here = slice(tile.first, tile.first + n)
        drawn.positions[here], drawn.ranks[here] = positions.T, ranks.T
        there = positions >= 0
        drawn.scores[here] = np.where(there, tile.scores.take(positions + np.arange(n) * width), 0).T
        drawn.n_drawn[here] = there.sum(axis=0)
        nothing = np.flatnonzero(drawn.n_drawn[here] == 0)
        if len(nothing):
            drawn.best_scores[tile.first + nothing] = tile.scores[nothing].max(axis=1)


class _Bench:
    """The arrays that a thread works in, used again and again: the system takes its time to give new ones."""

    def __init__(self, n_rows: int, d: int, n: int) -> None:
        self.grid = np.empty((min(GRID_ROWS, n_rows), d), np.float32)
        self.levels = levels_room(n_rows, grouped_width(n))


class _Tile:
    """The images of one tile."""

    def __init__(self, first: int, keys: npt.NDArray[np.uint64], room: Floats, full: Bools) -> None:
        self.first = first  # number of its first image
        self.keys = keys  # (t,)
        self.room = room  # (t or more, width)
        self.scores = room[: len(keys)]  # (t, width)
        self.full = full  # (m,), the instructions that were full
        self.positions: Ints = np.empty((0, 0), np.int64)  # (k, t), drawn then


def _highest(scores: Floats, allowed: Bools, min_score: float | None, k: int, room: Floats) -> Ints:
    """Return `(k, t)` positions of the highest allowed scores, of equal ones the first; -1 for none."""
    n_rows, width = scores.shape
    left = room[:n_rows]
    left[:] = scores
    left[:, ~allowed] = -np.inf
    positions = np.empty((k, n_rows), np.int64)
    lowest = np.float32(OUTSIDE if min_score is None else min_score)
    starts = np.arange(n_rows) * width
    for place in positions:
        best = starts + left.argmax(axis=1)
        place[:] = np.where(left.take(best) >= lowest, best - starts, -1)
        left.reshape(-1)[best] = -np.inf
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
