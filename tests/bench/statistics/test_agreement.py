"""Agreement against textbooks, scikit-learn and evalica, and where there is nothing to say."""

from __future__ import annotations

import random
from collections.abc import Sequence

import evalica
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from mminstruct.bench.judging.verdicts import Verdict
from mminstruct.bench.statistics.agreement import OPPOSITE, agreement, kappa, krippendorff_alpha

WIN, LOSS, TIE = Verdict.WIN, Verdict.LOSS, Verdict.TIE
VERDICTS = st.sampled_from(["win", "loss", "tie"])
PAIRS = st.lists(st.tuples(VERDICTS, VERDICTS), min_size=1, max_size=40)


def rows_of(*raters: str) -> list[list[str | None]]:
    """Return the ratings of raters given as words of letters, a dot where one is missing."""
    return [[None if letter == "." else letter for letter in unit] for unit in zip(*raters, strict=True)]


def own_clusters(rows: Sequence[object]) -> list[str]:
    return [str(number) for number in range(len(rows))]


class TestKappa:
    def test_the_textbook_table(self) -> None:
        """20 and 15 of 50 agree on yes and no, 5 and 10 do not: (0.7 - 0.5) / (1 - 0.5)."""
        first = ["yes"] * 25 + ["no"] * 25
        second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
        found = kappa(first, second, own_clusters(first))
        assert found is not None
        assert found.value == pytest.approx(0.4)
        assert found.low is not None and found.high is not None
        # Fleiss, Cohen and Everitt (1969): the standard error is about 0.13
        assert found.low == pytest.approx(0.4 - 1.96 * 0.13, abs=0.03)
        assert found.high == pytest.approx(0.4 + 1.96 * 0.13, abs=0.03)

    @given(PAIRS)
    def test_scikit_learn_says_the_same(self, pairs: list[tuple[str, str]]) -> None:
        first, second = zip(*pairs, strict=True)
        found = kappa(first, second, own_clusters(first))
        if found is None:  # both say one thing throughout
            assert set(first) == set(second) and len(set(first)) == 1
        else:
            assert found.value == pytest.approx(cohen_kappa_score(first, second))

    @given(PAIRS)
    def test_both_orders_are_those_of_each_comparison_told_twice(self, pairs: list[tuple[str, str]]) -> None:
        first, second = ([*column] for column in zip(*pairs, strict=True))
        once = kappa(first, second, own_clusters(first), OPPOSITE)
        first, second = ([*column, *(OPPOSITE[verdict] for verdict in column)] for column in (first, second))
        doubled = kappa(first, second, own_clusters(first))
        assert (once is None) == (doubled is None)
        assert once is None or doubled is None or once.value == pytest.approx(doubled.value)

    @given(PAIRS, st.lists(st.booleans(), min_size=40, max_size=40))
    def test_renaming_models_changes_nothing(self, pairs: list[tuple[str, str]], turned: list[bool]) -> None:
        told = [
            (OPPOSITE[first], OPPOSITE[second]) if turn else (first, second)
            for (first, second), turn in zip(pairs, turned, strict=False)
        ]
        clusters = ["a"] * len(pairs)
        found = [
            kappa([first for first, _ in rows], [second for _, second in rows], clusters, OPPOSITE)
            for rows in (pairs, told)
        ]
        assert found[0] == found[1]

    def test_questions_that_share_an_instruction_are_not_independent(self) -> None:
        chance = random.Random(3)
        pairs = [chance.choice([("win", "win"), ("win", "loss"), ("loss", "loss"), ("tie", "tie")]) for _ in range(40)]
        first, second = ([verdict for verdict in column for _ in range(3)] for column in zip(*pairs, strict=True))
        loose = kappa(first, second, own_clusters(first))
        clustered = kappa(first, second, [str(number // 3) for number in range(len(first))])
        assert loose is not None and clustered is not None
        assert loose.value == clustered.value
        assert loose.high is not None and loose.low is not None
        assert clustered.high is not None and clustered.low is not None
        # three copies of each question: the interval of 40 questions, about the root of three times as wide
        assert 1.4 < (clustered.high - clustered.low) / (loose.high - loose.low) < 2.1

    def test_no_interval_where_the_data_do_not_give_one(self) -> None:
        alike = kappa(["win", "loss"] * 5, ["win", "loss"] * 5, own_clusters(range(10)), OPPOSITE)
        assert alike is not None and (alike.value, alike.low, alike.high) == (1.0, None, None)
        one_cluster = kappa(["win", "loss", "tie"], ["win", "loss", "loss"], ["same"] * 3)
        assert one_cluster is not None and (one_cluster.low, one_cluster.high) == (None, None)
        assert kappa([], [], []) is None
        assert kappa(["tie"] * 4, ["tie"] * 4, own_clusters(range(4))) is None


class TestAlpha:
    @pytest.mark.parametrize(
        ("raters", "expected"),
        [
            (("0100000010", "1110010000"), 0.095),
            (("aabbdcccedda", "babbbccceddd"), 0.692),
            (("123321412...", "1233224125.3", ".3332342251.", "12332441251."), 0.743),
        ],
    )
    def test_the_textbook(self, raters: tuple[str, ...], expected: float) -> None:
        """Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, examples A, B and C."""
        rows = rows_of(*raters)
        found = krippendorff_alpha(rows, own_clusters(rows))
        assert found is not None
        assert found.value == pytest.approx(expected, abs=0.0005)

    @given(st.lists(st.lists(st.one_of(st.none(), VERDICTS), min_size=3, max_size=3), min_size=2, max_size=20))
    def test_evalica_says_the_same(self, rows: list[list[str | None]]) -> None:
        found = krippendorff_alpha(rows, own_clusters(rows))
        paired = [[rating for rating in row if rating is not None] for row in rows]
        values = {rating for row in paired if len(row) > 1 for rating in row}
        if len(values) < 2:
            assert found is None
            return
        assert found is not None
        frame = pandas.DataFrame([[None if r is None else r for r in column] for column in zip(*rows, strict=True)])
        assert found.value == pytest.approx(evalica.alpha(frame).alpha)

    def test_units_may_have_different_numbers_of_ratings(self) -> None:
        rows: list[list[str | None]] = [["win", "win", "loss"], ["loss", "loss"], ["win"], ["tie", "tie", "tie", "win"]]
        filled = [[*row, None, None, None, None][:4] for row in rows]
        assert krippendorff_alpha(rows, own_clusters(rows)) == krippendorff_alpha(filled, own_clusters(rows))

    def test_the_same_seed_gives_the_same_interval(self) -> None:
        rows = rows_of("abcabcaabc", "abcabbcabc")
        assert krippendorff_alpha(rows, own_clusters(rows)) == krippendorff_alpha(rows, own_clusters(rows))
        other = krippendorff_alpha(rows, own_clusters(rows), seed=1)
        assert other != krippendorff_alpha(rows, own_clusters(rows))


class TestAgreement:
    def test_what_is_counted(self) -> None:
        verdicts = [
            (WIN, WIN),
            (WIN, LOSS),
            (LOSS, LOSS),
            (LOSS, LOSS),
            (TIE, WIN),
            (TIE, TIE),
            (Verdict.INCONSISTENT, WIN),
            (LOSS, Verdict.UNREADABLE),
            (None, WIN),
        ]
        found = agreement("judge", "people", verdicts, own_clusters(verdicts))
        assert (found.judge, found.other) == ("judge", "people")
        assert (found.n, found.n_decisive, found.n_left_out) == (6, 4, 2)
        assert found.accuracy == pytest.approx(0.75)
        assert found.accuracy_low is not None and found.accuracy_high is not None
        assert found.accuracy_low < 0.75 < found.accuracy_high

    def test_an_inverted_judge(self) -> None:
        truth = [WIN, LOSS] * 20
        found = agreement("judge", "people", [(each.mirrored, each) for each in truth], own_clusters(truth))
        assert found.accuracy == 0
        assert found.kappa == pytest.approx(-1)
        assert found.accuracy_high is not None and 0 < found.accuracy_high < 0.15
        assert found.alpha is not None and found.alpha < -0.9

    def test_one_that_never_differs_is_not_proven_right(self) -> None:
        truth = [WIN, LOSS] * 5
        found = agreement("judge", "people", [(each, each) for each in truth], own_clusters(truth))
        assert (found.accuracy, found.kappa, found.alpha) == (1, 1, 1)
        assert found.accuracy_low is not None and found.accuracy_low < 0.7

    def test_repeats_are_held_against_the_verdict_that_counts(self) -> None:
        verdicts = [(WIN, WIN, WIN), (LOSS, WIN, LOSS), (WIN, None, LOSS)]
        found = agreement("judge", "judge", verdicts, own_clusters(verdicts))
        assert (found.n, found.n_decisive) == (5, 5)
        assert found.accuracy == pytest.approx(3 / 5)
        alpha = krippendorff_alpha([list(row) for row in verdicts], own_clusters(verdicts), OPPOSITE)
        assert alpha is not None and found.alpha == alpha.value

    def test_nothing_to_compare(self) -> None:
        found = agreement("judge", "people", [(Verdict.INCONSISTENT, WIN)], ["a"])
        assert (found.n, found.n_left_out) == (0, 1)
        assert (found.accuracy, found.kappa, found.alpha) == (None, None, None)
        assert agreement("judge", "people", [], []).n == 0
