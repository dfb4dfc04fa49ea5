"""k-means over embeddings, the same on every run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mminstruct.encoders.k_means import k_means
from mminstruct.encoders.protocols import Embeddings

_BLOCK_ROWS = 65_536  # of offsets held at once


@dataclass(frozen=True, slots=True)
class Clusters:
    """Which cluster each row is in; no cluster is empty."""

    labels: npt.NDArray[np.int32]  # (n,), 0 to k - 1
    centroids: npt.NDArray[np.float32]  # (k, d), means of their members, not of unit length


def cluster(embeddings: Embeddings, n_clusters: int, seed: int) -> Clusters:
    """Divide `(n, d)` embeddings into at most `n_clusters` by k-means.

    There are fewer where fewer different rows exist; rows within 0.001 of each other may count as one.
    """
    if len(embeddings) == 0:
        return Clusters(np.empty(0, np.int32), np.empty(embeddings.shape, np.float32))
    rows = np.ascontiguousarray(embeddings, np.float32)
    return Clusters(*k_means(rows, min(n_clusters, len(rows)), seed))


def nearest_members(embeddings: Embeddings, clusters: Clusters, n: int) -> list[list[int]]:
    """Return for each cluster the positions of its `n` members nearest to the centroid, nearest first."""
    distances = np.empty(len(embeddings), np.float32)
    for start in range(0, len(embeddings), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        offsets = embeddings[block] - clusters.centroids[clusters.labels[block]]
        distances[block] = np.einsum("nd,nd->n", offsets, offsets)
    order = np.lexsort((distances, clusters.labels))  # stable: equals stay in the order of their positions
    starts = np.searchsorted(clusters.labels[order], np.arange(len(clusters.centroids)))
    return [members[:n].tolist() for members in np.split(order, starts[1:])] if len(embeddings) else []
