"""Which two answers come next: few votes first, spread over models and instructions, nothing twice."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mminstruct.bench.folder import Benchmark, load_benchmark
from mminstruct.bench.rows import BenchmarkQuestion
from mminstruct.bench.trust.votes import Comparison
from mminstruct.web.explore.bench.pair_choice import comparisons, next_comparison

MODELS = ("x", "y", "z")
QUESTIONS = [str(number) for number in range(12)]
INSTRUCTIONS = {question_id: f"Instruction {int(question_id) // 3}." for question_id in QUESTIONS}
POOL: list[Comparison] = [(question_id, *pair) for question_id in QUESTIONS for pair in combinations(MODELS, 2)]


def choose(
    n_votes: dict[Comparison, int] | None = None,
    voted: set[Comparison] | None = None,
    skipped: list[Comparison] | None = None,
    judged: list[Comparison] | None = None,
    annotator: str = "anna",
) -> Comparison | None:
    judged_set = POOL if judged is None else judged
    return next_comparison(POOL, n_votes or {}, voted or set(), skipped or [], set(judged_set), INSTRUCTIONS, annotator)


def vote_on(n: int, annotators: list[str]) -> list[Comparison]:
    """Have annotators vote in turn on what they are shown."""
    n_votes: Counter[Comparison] = Counter()
    voted: dict[str, set[Comparison]] = {name: set() for name in annotators}
    shown = []
    for number in range(n):
        name = annotators[number % len(annotators)]
        comparison = choose(n_votes, voted[name], annotator=name)
        assert comparison is not None
        n_votes[comparison] += 1
        voted[name].add(comparison)
        shown.append(comparison)
    return shown


class TestNext:
    def test_everything_is_shown_once_and_then_nothing(self) -> None:
        shown = vote_on(len(POOL), ["anna"])
        assert sorted(shown) == sorted(POOL)
        assert choose(voted=set(POOL)) is None

    def test_pairs_and_instructions_take_turns(self) -> None:
        shown = vote_on(12, ["anna"])
        assert set(Counter(comparison[1:] for comparison in shown).values()) == {4}
        assert set(Counter(INSTRUCTIONS[comparison[0]] for comparison in shown).values()) == {3}

    def test_nobody_gets_a_second_vote_before_all_have_one(self) -> None:
        shown = vote_on(len(POOL), ["anna", "ben", "chi"])
        assert sorted(shown) == sorted(POOL)

    def test_the_same_until_a_vote(self) -> None:
        assert choose() == choose()

    def test_people_begin_at_different_places(self) -> None:
        assert len({choose(annotator=f"annotator {number}") for number in range(10)}) > 3

    def test_what_no_judge_has_judged_waits(self) -> None:
        judged = POOL[4:6]
        first = choose(judged=judged)
        assert first in judged
        assert choose(voted=set(judged), judged=judged) not in judged

    def test_skipped_ones_come_last_in_their_order(self) -> None:
        skipped = [POOL[3], POOL[0]]
        assert choose(skipped=skipped) not in skipped
        assert choose(voted=set(POOL) - set(skipped), skipped=skipped) == POOL[3]

    @given(st.dictionaries(st.sampled_from(POOL), st.integers(0, 5)), st.sets(st.sampled_from(POOL)), st.text())
    @settings(deadline=None)
    def test_never_one_with_more_votes_than_another_has(
        self, n_votes: dict[Comparison, int], voted: set[Comparison], annotator: str
    ) -> None:
        shown = choose(n_votes, voted, annotator=annotator)
        left = [comparison for comparison in POOL if comparison not in voted]
        assert (shown is None) == (not left)
        if shown is not None:
            assert shown in left
            assert n_votes.get(shown, 0) == min(n_votes.get(each, 0) for each in left)


class TestPool:
    @pytest.fixture
    def benchmark(self, tmp_path: Path) -> Benchmark:
        benchmark = Benchmark(tmp_path)
        ids = ("1", "2", "3", " 4")
        benchmark.write_questions(BenchmarkQuestion(each, "", "Write.", "A dog.", "") for each in ids)
        answers = {
            "x": {"1": "A dog.", "2": "A dog.", "3": "A dog.", " 4": "A dog."},
            "y": {"1": "A cat.", "2": " A dog. ", "3": "  ", " 4": "A cat."},
            "tie": {"1": "A cow."},
        }
        for model, by_question in answers.items():
            rows = [{"question_id": key, "answer": answer} for key, answer in by_question.items()]
            benchmark.write_answers(model, rows)
        return benchmark

    def test_left_out_is_what_says_nothing_and_what_cannot_be_written(self, benchmark: Benchmark) -> None:
        # 2: the same answer; 3: an empty one; 4: the reader would trim its id; `tie`: a model called like a vote.
        assert comparisons(load_benchmark(benchmark.path)) == [("1", "x", "y")]


def test_votes_never_differ_by_more_than_one_between_pairs_of_models() -> None:
    shown = vote_on(20, ["anna", "ben"])
    for end in range(3, 20, 3):
        counts = Counter(comparison[1:] for comparison in shown[:end])
        assert all(abs(one - other) <= 1 for one, other in pairwise(counts.values()))
