import numpy as np
import pytest
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from mminstruct.encoders.clustering import cluster, nearest_members
from mminstruct.encoders.protocols import Embeddings


def unit_rows(n: int, d: int, seed: int = 0) -> Embeddings:
    rows = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def blobs(n_blobs: int, n_each: int) -> Embeddings:
    centres = unit_rows(n_blobs, 16, seed=1)
    rows = np.repeat(centres, n_each, axis=0) + 0.01 * unit_rows(n_blobs * n_each, 16, seed=2)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


class TestCluster:
    def test_finds_clear_groups(self) -> None:
        clusters = cluster(blobs(5, 20), 5, seed=0)
        groups = [set(clusters.labels[start : start + 20].tolist()) for start in range(0, 100, 20)]
        assert sorted(groups, key=min) == [{0}, {1}, {2}, {3}, {4}]

    def test_labels_and_centroids_agree(self) -> None:
        embeddings = unit_rows(200, 8)
        clusters = cluster(embeddings, 12, seed=3)
        assert clusters.labels.dtype == np.int32
        assert clusters.centroids.dtype == np.float32
        for label, centroid in enumerate(clusters.centroids):
            np.testing.assert_allclose(embeddings[clusters.labels == label].mean(axis=0), centroid, atol=1e-4)

    def test_is_the_same_for_the_same_seed_and_any_number_of_threads(self) -> None:
        embeddings = unit_rows(3000, 32)
        first = cluster(embeddings, 40, seed=7)
        with threadpool_limits(1):
            second = cluster(embeddings, 40, seed=7)
        assert np.array_equal(first.labels, second.labels)
        assert np.array_equal(first.centroids, second.centroids)
        assert not np.array_equal(first.labels, cluster(embeddings, 40, seed=8).labels)

    @pytest.mark.parametrize("n_clusters", [1, 3, 4, 5, 100])
    def test_fewer_rows_than_clusters_give_fewer_clusters(self, n_clusters: int) -> None:
        clusters = cluster(unit_rows(4, 8), n_clusters, seed=0)
        assert len(clusters.centroids) == min(4, n_clusters)
        assert set(clusters.labels.tolist()) == set(range(len(clusters.centroids)))

    def test_duplicates_share_a_cluster_and_leave_none_empty(self) -> None:
        embeddings = np.repeat(unit_rows(3, 8), 10, axis=0)
        clusters = cluster(embeddings, 10, seed=0)
        assert len(clusters.centroids) == 3
        assert [len(set(clusters.labels[start : start + 10].tolist())) for start in (0, 10, 20)] == [1, 1, 1]

    def test_rows_that_nearly_coincide_leave_no_cluster_empty(self) -> None:
        embeddings = np.repeat(unit_rows(2, 8), 20, axis=0) + np.float32(1e-7) * unit_rows(40, 8)
        clusters = cluster(embeddings, 15, seed=0)
        assert set(clusters.labels.tolist()) == set(range(len(clusters.centroids)))

    def test_a_seed_may_be_large(self) -> None:
        assert len(cluster(unit_rows(9, 8), 3, seed=10**15).labels) == 9

    def test_nothing_in_nothing_out(self) -> None:
        clusters = cluster(np.empty((0, 384), np.float32), 5, seed=0)
        assert clusters.labels.shape == (0,)
        assert clusters.centroids.shape == (0, 384)
        assert nearest_members(np.empty((0, 384), np.float32), clusters, 3) == []

    def test_as_good_as_scikit_learn_with_a_sample(self) -> None:
        embeddings = np.asarray(np.repeat(blobs(60, 60), 2, axis=0) + 0.3 * unit_rows(7200, 16, seed=5), np.float32)
        embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
        clusters = cluster(embeddings, 40, seed=0)
        inertia = float(((embeddings - clusters.centroids[clusters.labels]) ** 2).sum())
        theirs = [KMeans(40, n_init=1, max_iter=20, random_state=seed).fit(embeddings).inertia_ for seed in range(3)]
        assert len(clusters.centroids) == 40
        assert inertia < 1.04 * np.mean(theirs)

    def test_rare_rows_that_a_sample_misses_still_leave_none_empty(self) -> None:
        embeddings = np.concatenate([np.repeat(unit_rows(3, 8), 2000, axis=0), unit_rows(12, 8, seed=9)])
        clusters = cluster(embeddings, 10, seed=0)
        assert len(clusters.centroids) == 10
        assert np.bincount(clusters.labels, minlength=10).min() > 0


class TestNearestMembers:
    def test_are_the_nearest_in_their_order(self) -> None:
        embeddings = unit_rows(120, 8)
        clusters = cluster(embeddings, 6, seed=0)
        for label, members in enumerate(nearest_members(embeddings, clusters, 5)):
            distances = np.linalg.norm(embeddings - clusters.centroids[label], axis=1)
            everyone = [position for position in np.argsort(distances) if clusters.labels[position] == label]
            assert members == everyone[:5]

    def test_equals_come_in_the_order_of_their_positions(self) -> None:
        embeddings = np.repeat(unit_rows(2, 8), 4, axis=0)[[0, 4, 1, 5, 2, 6, 3, 7]]
        members = nearest_members(embeddings, cluster(embeddings, 2, seed=0), 3)
        assert sorted(members) == [[0, 2, 4], [1, 3, 5]]

    def test_a_small_cluster_gives_all_it_has(self) -> None:
        embeddings = unit_rows(4, 8)
        assert sorted(nearest_members(embeddings, cluster(embeddings, 4, seed=0), 9)) == [[0], [1], [2], [3]]
