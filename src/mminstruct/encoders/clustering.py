"""k-means over embeddings, the same on every run."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mminstruct.encoders.protocols import Embeddings
from mminstruct.errors import MissingExtraError


@dataclass(frozen=True, slots=True)
class Clusters:
    """Which cluster each row is in; no cluster is empty."""

    labels: npt.NDArray[np.int32]  # (n,), 0 to k - 1
    centroids: npt.NDArray[np.float32]  # (k, d), means of their members, not of unit length


def cluster(embeddings: Embeddings, n_clusters: int, seed: int) -> Clusters:
    """Divide `(n, d)` embeddings into at most `n_clusters` by k-means with k-means++ (Arthur and Vassilvitskii 2007).

    There are fewer where fewer different rows exist. Raises MissingExtraError where scikit-learn is not installed.
    """
    if len(embeddings) == 0:
        return Clusters(np.empty(0, np.int32), np.empty(embeddings.shape, np.float32))
    try:
        from sklearn.cluster import KMeans
        from sklearn.exceptions import ConvergenceWarning
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtraError("scikit-learn", "Clustering instructions", "pip install scikit-learn") from error
    k = min(n_clusters, len(np.unique(embeddings, axis=0)))
    k_means = KMeans(k, init="k-means++", n_init=1, random_state=seed % 2**32)
    # Threads add up their sums in the order in which they end: with one, the last digits are the same each time.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # rows that nearly coincide may leave a cluster empty
        k_means.fit(np.ascontiguousarray(embeddings, np.float32))
    used, labels = np.unique(k_means.labels_, return_inverse=True)
    return Clusters(labels.astype(np.int32), k_means.cluster_centers_[used].astype(np.float32))


def nearest_members(embeddings: Embeddings, clusters: Clusters, n: int) -> list[list[int]]:
    """Return for each cluster the positions of its `n` members nearest to the centroid, nearest first."""
    offsets = embeddings - clusters.centroids[clusters.labels]
    distances = np.einsum("nd,nd->n", offsets, offsets)
    order = np.lexsort((distances, clusters.labels))  # stable: equals stay in the order of their positions
    starts = np.searchsorted(clusters.labels[order], np.arange(len(clusters.centroids)))
    return [members[:n].tolist() for members in np.split(order, starts[1:])] if len(embeddings) else []
