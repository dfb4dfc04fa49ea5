"""Rows placed on a map by the landmarks that are there already, in flat memory.

    a row ─► its most similar landmarks ─► a point between theirs, and beside it by what they leave unexplained

The second part keeps many rows that are like the same few landmarks from falling on one spot: what is left of a row
without its landmarks is looked at from two directions, those in which rows differ most, and moves the point within the
gap between landmarks. A row that equals a landmark has nothing left, and is where that one is.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from mminstruct.encoders.protocols import Embeddings

Array = npt.NDArray[np.float32]

_N_NEAREST = 8  # landmarks that place a row
_SPREAD = 2.0  # times the usual gap between landmarks: farther from the nearest one counts little
_BESIDE = 0.8  # of that gap: how far the unexplained part moves a usual row
_SAME = 1e-5  # one minus the cosine, of rows that float32 can tell no better from equal ones
_BLOCK = 2048  # rows placed at once: 24 MB of similarities
_N_LOOKED_AT = 2000  # rows from which the two directions are found


class Placing:
    """Landmarks `(m, d)` of unit length with their points `(m, 2)`, at least two."""

    def __init__(self, landmarks: Embeddings, points: Array) -> None:
        self._landmarks = landmarks
        self._table = np.ascontiguousarray(landmarks.T)
        self._points = points
        self._gap = _usual_gap(points)
        self._n_nearest = min(_N_NEAREST, len(landmarks) - 1)

    def place(self, vectors: Embeddings) -> Array:
        """Return a point for each of `(n, d)` rows of unit length, within -1 and 1 as the landmarks' are."""
        directions, usual = self._directions(vectors[:: max(1, len(vectors) // _N_LOOKED_AT)])
        seen = self._landmarks @ directions  # (m, 2)

        def place_block(start: int) -> Array:
            rows = vectors[start : start + _BLOCK]
            nearest, weights = self._weigh(rows)
            between = np.einsum("bk,bkx->bx", weights, self._points[nearest])
            beside = rows @ directions - np.einsum("bk,bkx->bx", weights, seen[nearest])
            beside /= usual
            beside /= 1 + np.linalg.norm(beside, axis=1, keepdims=True) / 3  # an odd row stays in its neighbourhood
            placed: Array = np.clip(between + np.float32(_BESIDE * self._gap) * beside, -1, 1)
            return placed

        with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="map") as pool:
            blocks = list(pool.map(place_block, range(0, len(vectors), _BLOCK)))
        return np.concatenate([np.empty((0, 2), np.float32), *blocks])

    def _weigh(self, rows: Embeddings) -> tuple[npt.NDArray[np.int64], Array]:
        """Return the landmarks that place each row and their weights, whose sum is 1; both `(b, k + 1)`."""
        similarities = rows @ self._table
        nearest = np.argpartition(similarities, -self._n_nearest - 1, axis=1)[:, -self._n_nearest - 1 :]
        cosines = np.take_along_axis(similarities, nearest, axis=1)
        # The least similar of them weighs nothing: so no point jumps where another landmark takes that place.
        weights = np.square(cosines - cosines.min(axis=1, keepdims=True)) + np.float32(1e-9)
        weights /= np.maximum(1 - cosines, np.float32(_SAME))  # a row that equals a landmark is where that one is
        # Between two far islands lies no place for a row that is a little like both: the nearest one's island has it.
        homes = self._points[nearest]
        best = homes[np.arange(len(homes)), cosines.argmax(axis=1)]
        away = np.square(homes - best[:, None]).sum(axis=2)
        weights /= np.square(1 + away / np.float32((_SPREAD * self._gap) ** 2))
        weights /= weights.sum(axis=1, keepdims=True)
        return nearest, weights

    def _directions(self, rows: Embeddings) -> tuple[Array, np.float32]:
        """Return the two directions, `(d, 2)`, in which what landmarks leave of rows differs most, and how far."""
        parts = []
        for start in range(0, len(rows), _BLOCK // 8):
            block = rows[start : start + _BLOCK // 8]
            nearest, weights = self._weigh(block)
            parts.append(block - np.einsum("bk,bkd->bd", weights, self._landmarks[nearest]))
        left = np.concatenate(parts)
        _, directions = np.linalg.eigh((left.T @ left).astype(np.float64))
        chosen = directions[:, ::-1][:, :2].astype(np.float32)
        usual = np.median(np.linalg.norm(left @ chosen, axis=1))
        return chosen, np.float32(max(float(usual), 1e-6))


def _usual_gap(points: Array) -> float:
    """Return the median distance of a landmark from the one nearest to it on the map."""
    some = points[:1000].astype(np.float64)
    distances = np.square(some[:, None] - some[None]).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    return max(float(np.sqrt(np.median(distances.min(axis=1)))), 1e-6)
