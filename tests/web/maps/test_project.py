"""Vectors → points: the same each time, equal rows together, near rows near, and any number of rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from mminstruct.encoders.protocols import Embeddings
from mminstruct.web.maps.project import project

pytest.importorskip("sklearn")


def unit(rows: npt.NDArray[np.floating]) -> Embeddings:
    normed: Embeddings = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return normed


def grouped(n: int, n_groups: int, seed: int = 0) -> tuple[Embeddings, npt.NDArray[np.int64]]:
    """Return n rows in tight groups far from each other, and each row's group."""
    generator = np.random.default_rng(seed)
    groups = generator.integers(0, n_groups, n)
    return unit(generator.standard_normal((n_groups, 32))[groups] + 0.1 * generator.standard_normal((n, 32))), groups


class TestProject:
    def test_no_rows(self) -> None:
        assert project(np.empty((0, 8), np.float32), 0).shape == (0, 2)

    def test_one_row_is_in_the_middle(self) -> None:
        assert project(unit(np.ones((1, 8))), 0).tolist() == [[0.0, 0.0]]

    def test_two_rows_are_apart(self) -> None:
        points = project(np.eye(2, 8, dtype=np.float32), 0)
        assert sorted(points[:, 0].tolist()) == [-1.0, 1.0]
        assert np.allclose(points[:, 1], 0, atol=1e-6)

    @pytest.mark.parametrize("n", [2, 5, 40, 400])
    def test_equal_rows_are_in_one_place(self, n: int) -> None:
        points = project(np.tile(unit(np.ones((1, 8))), (n, 1)), 0, n_landmarks=100)
        assert np.isfinite(points).all()
        assert (points == points[0]).all()

    def test_a_row_that_comes_again_has_the_same_point(self) -> None:
        rows, _ = grouped(60, 6)
        points = project(np.concatenate([rows, rows[::-1]]), 0)
        assert (points[:60] == points[60:][::-1]).all()

    def test_a_row_that_comes_again_among_more_than_the_landmarks_is_where_it_was(self) -> None:
        rows, _ = grouped(300, 6)
        points = project(np.concatenate([rows, rows]), 0, n_landmarks=100)
        assert np.abs(points[:300] - points[300:]).max() < 1e-3

    @pytest.mark.parametrize("n_landmarks", [50, 1000])
    def test_the_same_rows_and_seed_give_the_same_points(self, n_landmarks: int) -> None:
        rows, _ = grouped(200, 8)
        assert (project(rows, 3, n_landmarks=n_landmarks) == project(rows, 3, n_landmarks=n_landmarks)).all()

    @pytest.mark.parametrize("n", [1, 7, 30, 300])
    def test_points_fill_the_square_and_nothing_more(self, n: int) -> None:
        points = project(grouped(n, 8)[0], 0, n_landmarks=100)
        assert points.dtype == np.float32
        assert points.shape == (n, 2)
        assert np.abs(points).max(initial=0) <= 1.0 + 1e-6
        assert n == 1 or np.ptp(points, axis=0).max() > 1.5

    @pytest.mark.parametrize("n_landmarks", [120, 1000])
    def test_groups_stay_together(self, n_landmarks: int) -> None:
        rows, groups = grouped(500, 10)
        points = project(rows, 0, n_landmarks=n_landmarks)
        distances = np.square(points[:, None] - points[None]).sum(axis=2)
        np.fill_diagonal(distances, np.inf)
        assert (groups[distances.argmin(axis=1)] == groups).mean() > 0.98

    def test_a_row_between_two_groups_is_in_one_of_them(self) -> None:
        rows, groups = grouped(200, 2)
        between = unit(rows[groups == 0][:1] + rows[groups == 1][:1])
        points = project(np.concatenate([rows, between]), 0, n_landmarks=150)
        centres = np.stack([points[:200][groups == group].mean(axis=0) for group in range(2)])
        apart = np.linalg.norm(centres[0] - centres[1])
        assert np.linalg.norm(centres - points[-1], axis=1).min() < 0.45 * apart

    def test_progress_ends_at_one(self) -> None:
        heard: list[float] = []
        project(grouped(30, 3)[0], 0, heard.append)
        assert heard == sorted(heard)
        assert heard[-1] == 1.0
