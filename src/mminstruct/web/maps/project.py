"""Unit vectors of many dimensions → points of a plane on which near vectors are near.

    (n, d) ─► some thousand different rows, the landmarks ─► t-SNE ─► their points (m, 2)
          └─► all other rows ─► placed by the few landmarks most similar to each (place.py)

t-SNE (van der Maaten and Hinton 2008; scikit-learn's) keeps neighbours together better than anything linear, but its
time grows faster than the rows. So it lays out a sample, and all others are placed by it in one matrix product, block
by block. A handful of rows has no neighbourhoods worth the name: principal components show it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import numpy.typing as npt

from mminstruct.encoders.protocols import Embeddings
from mminstruct.errors import MissingExtraError
from mminstruct.web.maps.place import Placing

Points = npt.NDArray[np.float32]
"""`(n, 2)` float32, between -1 and 1, the same scale on both axes."""
Told = Callable[[float], None]
"""Hears which share of the work is done, 0 to 1."""

_Coordinates = npt.NDArray[np.float64]

N_LANDMARKS = 3000
_FEWEST = 12  # different rows that t-SNE is used for
_PERPLEXITY = 30.0
_N_STEPS = 750


def project(vectors: Embeddings, seed: int, told: Told | None = None, n_landmarks: int = N_LANDMARKS) -> Points:
    """Return a point for each of `(n, d)` rows of unit length; the same for the same rows and seed.

    Equal rows get one point. Raises MissingExtraError where scikit-learn is not installed.
    """
    with _one_thread():
        return _projected(vectors, seed, told or (lambda share: None), n_landmarks)


def _projected(vectors: Embeddings, seed: int, told: Told, n_landmarks: int) -> Points:
    different = _different(vectors, np.random.default_rng(seed).permutation(len(vectors)), n_landmarks)
    chosen = np.sort(np.fromiter(different.values(), np.int64, len(different)))
    landmarks = vectors[chosen].astype(np.float32)
    few = len(chosen) < _FEWEST
    points = _fitted(_principal_components(landmarks) if few else _neighbour_embedding(landmarks, seed))
    told(0.9)
    if len(chosen) < n_landmarks:  # every other row is equal to one of them
        firsts = np.fromiter((different[row.tobytes()] for row in vectors), np.int64, len(vectors))
        placed = points[np.searchsorted(chosen, firsts)]
    else:
        placed = Placing(landmarks, points).place(vectors)
    told(1.0)
    return placed


def _different(vectors: Embeddings, order: npt.NDArray[np.int64], n_at_most: int) -> dict[bytes, int]:
    """Return so many different rows at most, as bytes, and for each its first position in `order`."""
    first: dict[bytes, int] = {}
    for position in order.tolist():
        first.setdefault(vectors[position].tobytes(), position)
        if len(first) == n_at_most:
            break
    return first


def _principal_components(rows: Embeddings) -> _Coordinates:
    """Return `(n, 2)` coordinates along the two directions of greatest variance; zeros where there is none."""
    points = np.zeros((len(rows), 2))
    if len(rows) < 2:
        return points
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    _, directions = np.linalg.eigh(centred.T @ centred)
    leading = directions[:, ::-1][:, :2]
    leading = leading * np.sign(leading[np.abs(leading).argmax(axis=0), np.arange(leading.shape[1])])  # one sign of two
    points[:, : leading.shape[1]] = centred @ leading
    return points


def _neighbour_embedding(landmarks: Embeddings, seed: int) -> _Coordinates:
    """Return `(m, 2)` coordinates by t-SNE, begun at the principal components.

    The squared distance of unit vectors is twice one minus their cosine.
    """
    try:
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise MissingExtraError("scikit-learn", "The map", "pip install 'mminstruct[web]'") from error
    start = _principal_components(landmarks)
    start *= 1e-4 / max(float(start[:, 0].std()), 1e-12)
    perplexity = min(_PERPLEXITY, (len(landmarks) - 1) / 3)
    embedding = TSNE(2, perplexity=perplexity, init=start.astype(np.float32), random_state=seed, max_iter=_N_STEPS)
    points: _Coordinates = np.asarray(embedding.fit_transform(landmarks), np.float64)
    return points


def _one_thread() -> AbstractContextManager[object]:
    """Return what gives BLAS and OpenMP one thread; where it is missing, PCA does without, and t-SNE is missing too.

    Several threads add up t-SNE's sums in an order that changes from run to run; and where other programs use the
    cores, they wait for each other: 3 to 7 times as long with two threads, measured on a busy machine.
    """
    try:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
    except ImportError:
        return nullcontext()
    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits


def _fitted(points: _Coordinates) -> Points:
    """Return the points moved and scaled to fill -1 to 1, with one scale for both axes."""
    if not len(points):
        return np.empty((0, 2), np.float32)
    low, high = points.min(axis=0), points.max(axis=0)
    half = max(float((high - low).max()) / 2, 1e-12)
    fitted: Points = ((points - (low + high) / 2) / half).astype(np.float32)
    return fitted
