from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from mminstruct.bench.statistics.paired import sign_test
from support.clustered_scores import correlated_scores, numbers

FEW_QUESTIONS = st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 7)), max_size=30)


def p_value(questions: list[tuple[float, int]]) -> float | None:
    scores, clusters = [score for score, _ in questions], [cluster for _, cluster in questions]
    return sign_test(np.array(scores, dtype=float), np.array(clusters, dtype=np.int64))


def by_counting(questions: list[tuple[float, int]]) -> float:
    """Return the p value from all ways to swap the models in whole instructions."""
    sums = {cluster: 0.0 for _, cluster in questions}
    for score, cluster in questions:
        sums[cluster] += 2 * score - 1
    found = abs(sum(sums.values()))
    swapped = [abs(np.dot(signs, list(sums.values()))) for signs in product([1, -1], repeat=len(sums))]
    return float(np.mean([distance >= found for distance in swapped]))


class TestSignTest:
    @pytest.mark.parametrize(("wins", "losses"), [(1, 0), (3, 1), (9, 1), (20, 13), (72, 27), (5, 5), (0, 8)])
    def test_is_the_binomial_test_where_no_instruction_is_shared(self, wins: int, losses: int) -> None:
        scores = np.array([1.0] * wins + [0.5] * 4 + [0.0] * losses)
        expected = binomtest(wins, wins + losses).pvalue
        assert sign_test(scores, np.arange(len(scores))) == pytest.approx(expected, rel=1e-9)

    @given(FEW_QUESTIONS)
    def test_is_the_share_of_all_swaps_that_are_as_far_from_even(self, questions: list[tuple[float, int]]) -> None:
        if all(score == 0.5 for score, _ in questions):
            assert p_value(questions) is None
        else:
            assert p_value(questions) == pytest.approx(by_counting(questions))

    def test_shared_instructions_are_not_counted_thrice(self) -> None:
        scores = np.array([1.0] * 9 + [0.0] * 3)
        assert sign_test(scores, numbers(4)) == pytest.approx(binomtest(3, 4).pvalue)

    def test_nothing_to_compare(self) -> None:
        assert p_value([]) is None
        assert p_value([(0.5, 0), (0.5, 1)]) is None

    def test_even_instructions_are_no_evidence(self) -> None:
        assert p_value([(1.0, 0), (0.0, 0), (0.0, 1), (1.0, 1)]) == 1.0

    def test_one_instruction_is_no_evidence(self) -> None:
        assert p_value([(1.0, 3)] * 50) == 1.0

    def test_the_opponents_is_the_same(self) -> None:
        scores = correlated_scores(1, 33, 0.65, 0.5, tie_rate=0.2)[0].ravel()
        assert sign_test(scores, numbers(33)) == sign_test(1 - scores, numbers(33))

    @pytest.mark.parametrize("tie_rate", [0.0, 0.2])
    def test_keeps_its_size_where_questions_of_an_instruction_are_alike(self, tie_rate: float) -> None:
        draws = correlated_scores(1000, 33, 0.5, 0.5, tie_rate=tie_rate)
        found = [sign_test(scores.ravel(), numbers(33)) for scores in draws]
        assert 0.02 < np.mean([p is not None and p <= 0.05 for p in found]) < 0.065

    def test_which_the_binomial_test_over_questions_does_not(self) -> None:
        draws = correlated_scores(1000, 33, 0.5, 0.5)
        wins = draws.sum(axis=(1, 2)).astype(int)
        assert np.mean([binomtest(each, 99).pvalue <= 0.05 for each in wins]) > 0.12
