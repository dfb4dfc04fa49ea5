"""The draws beside a plain way of doing them, image by image, and beside the probabilities that they should have."""

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from mminstruct.encoders.protocols import Embeddings
from mminstruct.stages.draw.drawer import Drawer, Drawn, DrawRule
from mminstruct.stages.draw.similarity import to_unit_grid
from mminstruct.stages.draw.ways import Way, compiled_way, plain_way
from mminstruct.stages.draw.weighted import Floats, Odds, grouped_width, levels_room, uniforms

RULES = st.builds(
    DrawRule,
    per_image=st.integers(1, 5),
    sampling=st.sampled_from(["softmax", "top_k", "random"]),
    temperature=st.sampled_from([1e-9, 0.004, 0.05, 1.0]),
    max_per_instruction=st.sampled_from([None, 1, 7, 40]),
    min_score=st.sampled_from([None, 0.0, 0.3]),
)


@pytest.fixture(params=["plain", "compiled"])
def way(request: pytest.FixtureRequest) -> Way:
    if request.param == "plain":
        return plain_way()
    pytest.importorskip("numba")
    found = compiled_way()
    assert found is not None
    return found


def unit_rows(n: int, d: int, seed: int) -> Embeddings:
    rows = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def keys(n: int) -> npt.NDArray[np.uint64]:
    return np.arange(n, dtype=np.uint64) * np.uint64(977)


def rule(**changes: Any) -> DrawRule:
    fields: dict[str, Any] = {
        "per_image": 3,
        "sampling": "softmax",
        "temperature": 0.05,
        "max_per_instruction": None,
        "min_score": None,
    }
    return DrawRule(**fields | changes)


def same(one: Drawn, other: Drawn, part: slice = slice(None)) -> None:
    for field in ("positions", "scores", "ranks", "n_drawn", "best_scores", "n_full"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field)[part], err_msg=field)


class TestCaps:
    @settings(max_examples=60)
    @given(RULES, st.integers(0, 3))
    def test_as_if_image_by_image(self, some: DrawRule, seed: int) -> None:
        """One image a call needs no look ahead at caps: the plain way."""
        images, instructions = unit_rows(150, 8, 2), unit_rows(11, 8, 1)
        whole, single = Drawer(instructions, some, seed), Drawer(instructions, some, seed, n_threads=1)
        drawn = whole.draw(images, keys(150))
        for i in range(150):
            same(single.draw(images[i : i + 1], keys(150)[i : i + 1]), drawn, slice(i, i + 1))
            if some.max_per_instruction is not None:
                assert single.counts.max() <= some.max_per_instruction
        assert np.array_equal(whole.counts, single.counts)

    @pytest.mark.parametrize("cap", [None, 1, 60, 100])
    def test_top_k_is_what_a_loop_takes(self, cap: int | None) -> None:
        images, instructions = unit_rows(2000, 16, 2), unit_rows(70, 16, 1)
        drawn = Drawer(instructions, rule(sampling="top_k", max_per_instruction=cap), 0).draw(images, keys(2000))
        scores = np.rint(images * 4096).astype(np.int64) @ np.rint(instructions * 2048).astype(np.int64).T
        counts = np.zeros(70, np.int64)
        for row, found in zip(scores, drawn.positions, strict=True):
            order = [i for i in np.argsort(-row, kind="stable").tolist() if cap is None or counts[i] < cap][:3]
            counts[order] += 1
            assert found[found >= 0].tolist() == order


class TestNothingElseMatters:
    @pytest.mark.parametrize("sampling", ["softmax", "top_k", "random"])
    @pytest.mark.parametrize("cap", [None, 150])
    def test_blocks_threads_and_blas_threads(self, sampling: str, cap: int | None) -> None:
        images, instructions = unit_rows(3000, 24, 2), unit_rows(50, 24, 1)
        some = rule(sampling=sampling, max_per_instruction=cap)
        expected = Drawer(instructions, some, 5).draw(images, keys(3000))
        for bounds, n_threads in (([0, 1, 8, 1700, 3000], 1), ([0, 999, 1999, 3000], 3), ([0, 3000], 5)):
            drawer = Drawer(instructions, some, 5, n_threads)
            with threadpool_limits(n_threads):
                for start, stop in pairwise(bounds):
                    same(drawer.draw(images[start:stop], keys(3000)[start:stop]), expected, slice(start, stop))

    def test_scores_are_exact_on_the_grid(self) -> None:
        images, instructions = unit_rows(400, 384, 2), unit_rows(100, 384, 1)
        images[:50] = instructions[:50]  # as near as can be
        drawn = Drawer(instructions, rule(sampling="top_k"), 0).draw(images, keys(400))
        exact = np.rint(images * 4096).astype(np.int64) @ np.rint(instructions * 2048).astype(np.int64).T
        rows = np.arange(400)[:, None]
        assert np.array_equal(drawn.scores.astype(np.float64) * 2**23, exact[rows, drawn.positions])
        plain = (images @ instructions.T)[rows, drawn.positions]
        assert np.abs(drawn.scores - plain).max() < 0.001

    def test_the_grid_is_the_nearest(self) -> None:
        rows = unit_rows(100, 16, 3)
        grid = np.empty_like(rows)
        to_unit_grid(rows, grid)
        assert np.array_equal(grid, np.rint(rows * 4096) / 4096)


class TestCompiled:
    @settings(max_examples=60)
    @given(RULES, st.integers(0, 3), st.sampled_from([1, 11, 70, 600]))
    def test_is_the_same_to_the_last_bit(self, some: DrawRule, seed: int, n: int) -> None:
        pytest.importorskip("numba")
        images, instructions = unit_rows(700, 8, 2), unit_rows(n, 8, 1)
        plain, compiled = (Drawer(instructions, some, seed, compiled=which) for which in (False, True))
        same(compiled.draw(images, keys(700)), plain.draw(images, keys(700)))
        assert np.array_equal(compiled.counts, plain.counts)

    def test_is_begun_on_the_way_and_nobody_sees_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("numba")
        monkeypatch.setattr("mminstruct.stages.draw.drawer._COMPILED_FROM", 600)
        images, instructions = unit_rows(900, 8, 2), unit_rows(30, 8, 1)
        expected = Drawer(instructions, rule(), 0, compiled=False).draw(images, keys(900))
        drawer = Drawer(instructions, rule(), 0)
        for start in range(0, 900, 300):
            part = slice(start, start + 300)
            same(drawer.draw(images[part], keys(900)[part]), expected, part)
        assert drawer._way == compiled_way()


class TestDistribution:
    @pytest.mark.parametrize("n", [5, 40, 300])
    def test_first_and_second_draws_are_those_of_the_softmax(self, way: Way, n: int) -> None:
        n_images = 60_000
        logits = np.random.default_rng(n).normal(0, 0.05, n).astype(np.float32)
        scores = np.full((n_images, grouped_width(n)), -2, np.float32)
        scores[:, :n] = logits
        allowed = np.arange(scores.shape[1]) < n
        numbers = uniforms(0, keys(n_images), 2)
        drawn = way.draw_weighted(scores, Odds(allowed, None, 0.05), numbers, levels_room(*scores.shape))
        p = np.exp(logits.astype(np.float64) / 0.05)
        p /= p.sum()
        first, second = (np.bincount(drawn[place], minlength=n) for place in (0, 1))
        of_second = p * ((p / (1 - p)).sum() - p / (1 - p))  # Σ over others i of p_i · p_j / (1 − p_i)
        assert chisquare(first, p * n_images).pvalue > 0.01
        assert chisquare(second, of_second * n_images).pvalue > 0.01

    @pytest.mark.parametrize("temperature", [1e-9, 0.002, 0.011])
    def test_all_are_drawn_even_where_weights_are_too_small_or_large_for_float32(
        self, way: Way, temperature: float
    ) -> None:
        scores = np.tile(np.linspace(-0.99, 0.99, 16, dtype=np.float32), (50, 1))
        numbers = uniforms(1, keys(50), 16)
        drawn = way.draw_weighted(scores, Odds(np.ones(16, bool), None, temperature), numbers, levels_room(50, 16))
        assert np.array_equal(np.sort(drawn.T, axis=1), np.tile(np.arange(16), (50, 1)))

    def test_nothing_left_is_minus_one(self, way: Way) -> None:
        scores: Floats = np.tile(np.linspace(0, 0.7, 8, dtype=np.float32), (3, 1))
        drawn = way.draw_weighted(
            scores, Odds(np.arange(8) > 5, 0.65, 0.05), uniforms(0, keys(3), 3), levels_room(3, 8)
        )
        assert drawn.T.tolist() == [[7, -1, -1]] * 3


class TestUniforms:
    def test_are_uniform(self) -> None:
        assert kstest(uniforms(0, keys(20_000), 3).ravel(), "uniform").pvalue > 0.01

    def test_are_the_same_for_ever(self) -> None:
        assert uniforms(0, np.array([3], np.uint64), 2).tolist() == [[0.8153613805770874], [0.4350892901420593]]

    def test_depend_on_the_seed(self) -> None:
        assert not np.array_equal(uniforms(0, keys(9), 3), uniforms(2**60 + 5, keys(9), 3))


class TestRanks:
    @given(st.integers(1, 40), st.integers(0, 9))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_count_the_higher_ones_and_are_in_order(self, way: Way, eights: int, seed: int) -> None:
        generator = np.random.default_rng(seed)
        scores = generator.integers(0, 30, (6, 8 * eights)).astype(np.float32)
        positions = np.stack([generator.permutation(8 * eights)[:3] for _ in range(6)], axis=1)
        positions[2, 4] = -1
        ordered, ranks = way.by_rank(scores, positions)
        for row, given_, found, counted in zip(scores, positions.T, ordered.T, ranks.T, strict=True):
            there = [int(i) for i in given_ if i >= 0]
            expected = sorted((int((row > row[i]).sum()), i) for i in there)
            assert [(int(rank), int(i)) for rank, i in zip(counted, found, strict=True) if i >= 0] == expected
            assert found[len(there) :].tolist() == counted[len(there) :].tolist() == [-1] * (3 - len(there))

    def test_more_than_a_byte_can_count(self, way: Way) -> None:
        scores = np.arange(4000, dtype=np.float32)[None]
        ordered, ranks = way.by_rank(scores, np.array([[0], [3999]]))
        assert (ordered.tolist(), ranks.tolist()) == ([[3999], [0]], [[0], [3999]])
