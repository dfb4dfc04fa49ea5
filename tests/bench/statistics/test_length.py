from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from mminstruct.bench.statistics.length import LengthControlled, length_controlled
from mminstruct.bench.statistics.win_rate import win_rate
from mminstruct.errors import MissingExtraError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def draw(
    rate: float,
    length: float,
    longer_by: float,
    n_clusters: int,
    rng: np.random.Generator,
    per_cluster: int = 3,
    correlation: float = 0.5,
) -> tuple[Floats, Floats, Ints]:
    """Draw verdicts of a judge that likes length by `length`, on answers that are as good as `rate` at equal length.

    Differences in length have a standard deviation of 300 characters and a mean of `longer_by`. Verdicts on questions
    of one cluster that are as long fall alike with a probability of `correlation`.
    """
    clusters = np.repeat(np.arange(n_clusters), per_cluster)
    differences = rng.normal(longer_by, 300, len(clusters))
    chances = expit(logit(rate) + length * np.tanh(differences / 300))
    shared = rng.random(len(clusters)) < np.sqrt(correlation)
    dice = np.where(shared, rng.random(n_clusters)[clusters], rng.random(len(clusters)))
    return (dice < chances).astype(np.float64), differences, clusters


def fitted(scores: Floats, differences: Floats, clusters: Ints) -> LengthControlled:
    found = length_controlled(scores, differences, clusters)
    assert found is not None
    return found


class TestFit:
    def test_a_judge_that_likes_length_is_brought_back_to_a_half(self) -> None:
        scores, differences, clusters = draw(0.5, 1.5, 250, 1000, np.random.default_rng(1))
        assert scores.mean() > 0.65
        found = fitted(scores, differences, clusters)
        assert found.win_rate.value == pytest.approx(0.5, abs=0.04)
        assert found.coefficient == pytest.approx(1.5, abs=0.25)

    def test_a_better_model_stays_better(self) -> None:
        scores, differences, clusters = draw(0.7, 1.5, -250, 1000, np.random.default_rng(2))
        assert scores.mean() < 0.55
        assert fitted(scores, differences, clusters).win_rate.value == pytest.approx(0.7, abs=0.04)

    def test_without_an_effect_of_length_it_is_about_the_plain_rate(self) -> None:
        scores, differences, clusters = draw(0.65, 0.0, 100, 1000, np.random.default_rng(3))
        found = fitted(scores, differences, clusters)
        assert found.win_rate.value == pytest.approx(float(scores.mean()), abs=0.02)
        assert found.coefficient == pytest.approx(0, abs=0.15)

    @pytest.mark.parametrize("seed", range(4))
    def test_agrees_with_scikit_learn_on_the_same_design(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        scores = rng.choice([0.0, 0.5, 1.0], 60)
        differences = rng.normal(100, 400, 60) + 200 * scores
        column = np.tanh(differences / differences.std(ddof=1))[:, None]
        model = LogisticRegression(C=2.5**2, tol=1e-10).fit(
            np.concatenate([column, column]),
            np.repeat([1, 0], 60),
            sample_weight=np.concatenate([scores, 1 - scores]),
        )
        found = fitted(scores, differences, np.arange(60))
        assert found.win_rate.value == pytest.approx(expit(model.intercept_[0]), abs=1e-5)
        assert found.coefficient == pytest.approx(model.coef_[0, 0], abs=1e-4)

    def test_a_tie_is_half_a_win_and_half_a_loss(self) -> None:
        differences = np.array([100.0, 100.0, -50.0, -50.0, 10.0, 10.0])
        halves = fitted(np.array([1.0, 0.0, 1.0, 1.0, 0.0, 0.0]), differences, np.arange(6))
        ties = fitted(np.array([0.5, 0.5, 1.0, 1.0, 0.0, 0.0]), differences, np.arange(6))
        assert ties.win_rate.value == pytest.approx(halves.win_rate.value)

    def test_the_unit_of_length_does_not_matter(self) -> None:
        scores, differences, clusters = draw(0.6, 1.0, 50, 33, np.random.default_rng(4))
        words = fitted(scores, differences / 5.7, clusters)
        assert dataclasses.astuple(words.win_rate) == pytest.approx(
            dataclasses.astuple(fitted(scores, differences, clusters).win_rate)
        )


@given(
    rows=st.lists(
        st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.integers(-3000, 3000), st.integers(0, 5)),
        min_size=1,
        max_size=40,
    )
)
def test_seen_from_the_opponent_all_is_mirrored(rows: list[tuple[float, int, int]]) -> None:
    scores, differences, clusters = (np.array(column) for column in zip(*rows, strict=True))
    found = length_controlled(scores, differences.astype(np.float64), clusters)
    mirrored = length_controlled(1 - scores, -differences.astype(np.float64), clusters)
    if found is None or mirrored is None:
        assert found is mirrored
        return
    assert mirrored.win_rate.value == pytest.approx(1 - found.win_rate.value, abs=1e-6)
    assert mirrored.coefficient == pytest.approx(found.coefficient, abs=1e-5)
    if found.win_rate.low is None or found.win_rate.high is None:
        assert mirrored.win_rate.low is None and mirrored.win_rate.high is None
        return
    assert 0 <= found.win_rate.low <= found.win_rate.value <= found.win_rate.high <= 1
    assert mirrored.win_rate.low == pytest.approx(1 - found.win_rate.high, abs=1e-5)
    assert mirrored.win_rate.high == pytest.approx(1 - found.win_rate.low, abs=1e-5)


class TestInterval:
    @pytest.mark.parametrize(
        ("rate", "longer_by", "n_clusters"), [(0.5, 0, 33), (0.8, 0, 33), (0.5, 450, 33), (0.65, 150, 100)]
    )
    def test_it_holds_the_truth_in_95_of_100_draws_or_a_little_more(
        self, rate: float, longer_by: float, n_clusters: int
    ) -> None:
        rng = np.random.default_rng(5)
        held = [holds(fitted(*draw(rate, 1.0, longer_by, n_clusters, rng)), rate) for _ in range(500)]
        assert 0.93 <= np.mean(held) <= 0.985

    def test_one_that_takes_questions_as_independent_holds_it_too_rarely(self) -> None:
        rng = np.random.default_rng(6)
        held = []
        for _ in range(300):
            scores, differences, _ = draw(0.65, 1.0, 0, 33, rng)
            held.append(holds(fitted(scores, differences, np.arange(len(scores))), 0.65))
        assert np.mean(held) < 0.9

    def test_few_losses_do_not_make_it_short(self) -> None:
        """32 instructions won, one lost on all three images."""
        scores = np.ones(99)
        scores[:3] = 0
        differences = np.random.default_rng(6).normal(0, 300, 99)
        found = fitted(scores, differences, np.repeat(np.arange(33), 3)).win_rate
        assert found.low is not None and found.low < 0.9

    def test_without_spread_within_instructions_there_is_still_an_interval(self) -> None:
        """Each instruction is won on one image and lost on the other, at the same length: no score stands out."""
        found = fitted(
            np.tile([1.0, 0.0], 10), np.repeat(np.linspace(-100, 100, 10), 2), np.repeat(np.arange(10), 2)
        ).win_rate
        assert found.value == pytest.approx(0.5)
        assert found.low is not None and found.low < 0.48


def holds(found: LengthControlled, rate: float) -> bool:
    low, high = found.win_rate.low, found.win_rate.high
    assert low is not None and high is not None
    return low <= rate <= high


class TestDegenerate:
    lengths = np.array([10.0, -200.0, 35.0, 400.0])
    clusters = np.array([0, 0, 1, 2])

    @pytest.mark.parametrize("score", [0.0, 0.5, 1.0])
    def test_where_all_scores_are_the_same_it_is_the_plain_rate(self, score: float) -> None:
        scores = np.full(4, score)
        found = fitted(scores, self.lengths, self.clusters)
        assert found == LengthControlled(win_rate(scores, self.clusters), None)  # type: ignore[arg-type]

    def test_where_all_answers_are_as_long_it_is_the_plain_rate(self) -> None:
        scores = np.array([1.0, 0.0, 1.0, 1.0])
        found = fitted(scores, np.zeros(4), self.clusters)
        assert found == LengthControlled(win_rate(scores, self.clusters), None)  # type: ignore[arg-type]

    def test_where_a_is_always_longer_by_the_same_nothing_is_known(self) -> None:
        assert length_controlled(np.array([1.0, 0.0, 1.0, 1.0]), np.full(4, 80.0), self.clusters) is None

    def test_where_it_is_almost_the_same_next_to_nothing_is(self) -> None:
        scores, _, clusters = draw(0.7, 0.0, 0, 33, np.random.default_rng(7))
        found = fitted(scores, 500 + np.random.default_rng(8).normal(0, 1, 99), clusters).win_rate
        assert found.value == pytest.approx(float(scores.mean()), abs=0.01)
        assert found.low is not None and found.high is not None and found.high - found.low > 0.9

    def test_where_length_tells_wins_from_losses_the_fit_stays_finite(self) -> None:
        differences = np.linspace(-500, 500, 40)
        found = fitted((differences > 0).astype(np.float64), differences, np.arange(40))
        assert found.win_rate.value == pytest.approx(0.5, abs=1e-6)
        assert found.coefficient is not None and 3 < found.coefficient < 15

    def test_one_instruction_has_no_interval(self) -> None:
        found = fitted(np.array([1.0, 0.0, 0.5, 1.0]), self.lengths, np.zeros(4, dtype=np.int64)).win_rate
        assert found.low is None and found.high is None and 0 < found.value < 1

    def test_no_scores_no_rate(self) -> None:
        assert length_controlled(np.array([]), np.array([]), np.array([], dtype=np.int64)) is None

    def test_a_missing_package_says_how_to_install_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "scipy.optimize", None)
        with pytest.raises(MissingExtraError, match=r"mminstruct\[bench\]"):
            length_controlled(np.array([1.0, 0.0, 0.5, 1.0]), self.lengths, np.arange(4))
