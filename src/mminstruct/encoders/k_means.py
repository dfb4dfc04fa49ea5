"""k-means in numpy: trained on a sample, then a few passes over all rows (as faiss does).

    rows (n, d) ─► seeds (k, d) ─► Lloyd's steps on a sample ─► Lloyd's steps on all ─► labels (n,), centroids (k, d)

Rows are of unit length. For assigning them, rows and centroids are rounded to a grid on which float32 adds up their
products without rounding, so that the labels depend neither on the number of threads nor on the BLAS.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mminstruct.encoders.protocols import Embeddings
from mminstruct.products import on_grid, one_blas_thread

Array = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_SEED_ROWS = 50  # rows a cluster that the seeds are chosen from
_SAMPLE_ROWS = 100  # rows a cluster that the centroids are trained on
_N_SAMPLE_STEPS = 10
_N_FULL_STEPS = 4
_CANDIDATES = 6  # for one seed
_SEEDS_AT_ONCE = 32
_SAME = 1e-6  # squared distance; nearer rows are taken for one
_BLOCK_NUMBERS = 4_000_000  # similarities held at once by one thread
_ROW_UNITS, _CENTROID_UNITS = 2.0**12, 2.0**11  # products are multiples of 2^-23, their sums within ±2


@dataclass(frozen=True, slots=True)
class _Step:
    """What one of Lloyd's steps finds."""

    labels: npt.NDArray[np.int32]  # (n,)
    distances: Array  # (n,) squared, to the old centroids; only so exact as the grid
    centroids: Array  # (k, d), means of the members; an old one where there is none
    empty: Ints  # clusters without members


def k_means(embeddings: Embeddings, k: int, seed: int) -> tuple[npt.NDArray[np.int32], Array]:
    """Return `(n,)` labels and the `(k', d)` means of their rows; k' is less than k where fewer rows differ."""
    generator = np.random.default_rng(seed)
    n = len(embeddings)
    with one_blas_thread()(), ThreadPoolExecutor(os.cpu_count()) as pool:
        seeds = _seeds(_sample(embeddings, _SEED_ROWS * k, generator), k, generator)
        centroids = np.resize(seeds, (k, seeds.shape[1]))  # one too many is empty, and moves to a row that is far off
        if n > _SAMPLE_ROWS * k:
            sample = _sample(embeddings, _SAMPLE_ROWS * k, generator)
            for _ in range(_N_SAMPLE_STEPS):
                centroids = _refilled(sample, _step(sample, centroids, pool))
            n_steps = _N_FULL_STEPS
        else:
            n_steps = _N_SAMPLE_STEPS + _N_FULL_STEPS
        for _ in range(n_steps - 1):
            centroids = _refilled(embeddings, _step(embeddings, centroids, pool))
        last = _step(embeddings, centroids, pool)
    used, labels = np.unique(last.labels, return_inverse=True)
    return labels.astype(np.int32), last.centroids[used]


def _sample(rows: Array, n: int, generator: np.random.Generator) -> Array:
    """Return n of the rows in their order, or all where there are no more."""
    if n >= len(rows):
        return rows
    return rows[np.sort(generator.choice(len(rows), n, replace=False, shuffle=False))]


def _seeds(rows: Array, k: int, generator: np.random.Generator) -> Array:
    """Return at most k different rows: greedy k-means++ (Arthur and Vassilvitskii 2007), several at a time.

    For each seed a few candidates are drawn by their squared distance to the seeds there are, and the one that brings
    the rows nearest is taken. Candidates of up to an eighth of the seeds are drawn at once: one large product.
    """
    grid = on_grid(rows, _ROW_UNITS)
    norms = np.einsum("nd,nd->n", grid, grid)
    chosen = [int(generator.random() * len(rows))]
    distances = norms + norms[chosen[0]] - 2 * (grid @ grid[chosen[0]])
    while len(chosen) < k:
        distances[distances < _SAME] = 0
        running = np.cumsum(distances, dtype=np.float64)
        if running[-1] == 0:
            break
        n_new = min(k - len(chosen), max(1, min(_SEEDS_AT_ONCE, len(chosen) // 8)))
        drawn = np.searchsorted(running, generator.random(n_new * _CANDIDATES) * running[-1], side="right")
        candidates = np.minimum(drawn, int(np.flatnonzero(distances)[-1]))
        offers = grid[candidates] @ grid.T  # (candidates, n), then the squared distances
        offers *= np.float32(-2)
        offers += norms
        offers += norms[candidates][:, None]
        for first in range(0, len(candidates), _CANDIDATES):
            left = np.minimum(offers[first : first + _CANDIDATES], distances)
            best = int(left.sum(axis=1).argmin())
            if distances[candidates[first + best]] > _SAME:  # another of this draw may have been the same row
                chosen.append(int(candidates[first + best]))
                distances = left[best]
    return rows[chosen]


def _step(rows: Array, centroids: Array, pool: ThreadPoolExecutor) -> _Step:
    """Assign all rows to their nearest centroids and return the means, block by block."""
    k, d = centroids.shape
    table = np.ascontiguousarray(on_grid(centroids, _CENTROID_UNITS).T)
    halves = np.einsum("dk,dk->k", table, table) / np.float32(2)
    n_block = max(256, min(8192, _BLOCK_NUMBERS // k))

    def assign(start: int) -> tuple[npt.NDArray[np.int32], Array, Ints, Array]:
        block = rows[start : start + n_block]
        grid = on_grid(block, _ROW_UNITS)
        products = grid @ table
        products -= halves  # the highest is the nearest: |x − c|² = |x|² − 2 (x·c − |c|²/2)
        labels = products.argmax(axis=1)
        distances = np.einsum("nd,nd->n", grid, grid) - 2 * products[np.arange(len(block)), labels]
        order = np.argsort(labels, kind="stable")
        found, starts = np.unique(labels[order], return_index=True)
        return labels.astype(np.int32), distances, found, np.add.reduceat(block[order], starts, axis=0)

    sums, labels, distances = np.zeros((k, d)), [], []
    for block_labels, block_distances, found, block_sums in pool.map(assign, range(0, len(rows), n_block)):
        labels.append(block_labels)
        distances.append(block_distances)
        sums[found] += block_sums
    all_labels = np.concatenate(labels)
    counts = np.bincount(all_labels, minlength=k)
    means = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centroids).astype(np.float32)
    return _Step(all_labels, np.concatenate(distances), means, np.flatnonzero(counts == 0))


def _refilled(rows: Array, step: _Step) -> Array:
    """Return the step's centroids, the empty ones moved to the rows that are farthest from theirs."""
    if len(step.empty):
        farthest = np.argsort(-step.distances, kind="stable")[: len(step.empty)]
        farthest = farthest[step.distances[farthest] > _SAME]
        step.centroids[step.empty[: len(farthest)]] = rows[farthest]
    return step.centroids
