import math
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from mminstruct.config.match import MatchConfig
from mminstruct.encoders.protocols import Embeddings
from mminstruct.rows import Image, Instruction, Match, Reason, Reject, content_id
from mminstruct.stages.match import Matcher, balance


def make_images(n: int) -> list[Image]:
    return [
        Image(content_id(str(i)), "test", str(i), f"{i}.jpg", f"{i}.jpg", f"Image {i}.", [], 1, 1, "JPEG", "00")
        for i in range(n)
    ]


def make_instructions(n: int) -> list[Instruction]:
    texts = [f"Instruction {i}." for i in range(n)]
    return [Instruction(content_id(text), text, "test", [], [], [], "test", "") for text in texts]


def unit_rows(n: int, d: int, seed: int) -> Embeddings:
    rows = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def make_matcher(n_instructions: int, seed: int = 0, **keys: Any) -> Matcher:
    return Matcher(make_instructions(n_instructions), unit_rows(n_instructions, 8, seed=1), MatchConfig(**keys), seed)


def with_scores(scores: list[list[float]], seed: int = 0, **keys: Any) -> list[Match | Reject]:
    """Match images that have exactly these scores: the instructions are the axes."""
    n = len(scores[0])
    matcher = Matcher(make_instructions(n), np.eye(n, dtype=np.float32), MatchConfig(**keys), seed)
    return matcher.match(make_images(len(scores)), np.array(scores, np.float32))


def positions(results: list[Match | Reject], n_instructions: int) -> list[list[int] | None]:
    """Return each image's instructions by their positions, None for a reject."""
    numbers = {instruction.instruction_id: i for i, instruction in enumerate(make_instructions(n_instructions))}
    found: dict[str, list[int] | None] = {}
    for result in results:
        if isinstance(result, Reject):
            found[result.row_id] = None
        else:
            drawn = found.setdefault(result.image_id, [])
            assert drawn is not None
            drawn.append(numbers[result.instruction_id])
    return list(found.values())


class TestTopK:
    def test_takes_the_best_in_their_order(self) -> None:
        results = with_scores([[0.1, 0.9, 0.5, 0.7], [0.8, 0.0, 0.3, 0.2]], sampling="top_k", per_image=2)
        assert positions(results, 4) == [[1, 3], [0, 2]]

    def test_a_row_has_its_ids_score_and_rank(self) -> None:
        image, instruction = make_images(1)[0], make_instructions(2)[1]
        (result,) = with_scores([[0.125, 0.875]], sampling="top_k", per_image=1)
        assert result == Match(
            match_id=content_id(image.image_id, instruction.instruction_id),
            image_id=image.image_id,
            instruction_id=instruction.instruction_id,
            score=0.875,
            rank=0,
        )

    def test_equal_scores_go_by_position(self) -> None:
        assert positions(with_scores([[0.5, 0.5, 0.5]], sampling="top_k", per_image=2), 3) == [[0, 1]]

    def test_fewer_instructions_than_asked_for_are_kept(self) -> None:
        assert positions(with_scores([[0.2, 0.4]], sampling="top_k", per_image=3), 2) == [[1, 0]]


class TestMinScore:
    def test_removes_candidates(self) -> None:
        results = with_scores([[0.1, 0.3, 0.5, 0.7]], sampling="top_k", per_image=3, min_score=0.5)
        assert positions(results, 4) == [[3, 2]]

    @given(st.integers(0, 10**6))
    def test_holds_for_softmax(self, seed: int) -> None:
        results = with_scores([[0.1, 0.3, 0.5, 0.7]], seed, temperature=100, per_image=3, min_score=0.5)
        assert positions(results, 4) == [[3, 2]]

    def test_nothing_left_is_one_reject(self) -> None:
        (reject,) = with_scores([[0.1, 0.25]], min_score=0.5)
        assert isinstance(reject, Reject)
        assert (reject.row_id, reject.stage, reject.reason) == (make_images(1)[0].image_id, "match", Reason.NO_MATCH)
        assert reject.detail == "best score 0.250, min_score 0.5"
        assert reject.raw_text == "Image 0."


class TestCap:
    def test_is_never_passed_and_always_reached_where_possible(self) -> None:
        matcher = make_matcher(6, per_image=2, max_per_instruction=7)
        results = matcher.match(make_images(40), unit_rows(40, 8, seed=2))
        matches = [result for result in results if isinstance(result, Match)]
        assert matcher.counts.tolist() == [7] * 6
        assert Counter(match.instruction_id for match in matches) == dict.fromkeys(
            (instruction.instruction_id for instruction in make_instructions(6)), 7
        )

    def test_a_full_instruction_is_out_for_later_images_only(self) -> None:
        scores = [[0.9, 0.5, 0.1]] * 4
        results = with_scores(scores, sampling="top_k", per_image=1, max_per_instruction=1)
        assert positions(results, 3) == [[0], [1], [2], None]
        assert isinstance(reject := results[-1], Reject)
        assert reject.detail == "best score 0.900, 3 of 3 instructions at max_per_instruction 1"

    def test_the_last_image_gets_what_is_left(self) -> None:
        results = with_scores([[0.9, 0.5, 0.1]] * 2, sampling="top_k", per_image=2, max_per_instruction=1)
        assert positions(results, 3) == [[0, 1], [2]]

    def test_a_rank_is_the_place_among_all_instructions(self) -> None:
        results = with_scores([[0.9, 0.5, 0.1]] * 2, sampling="top_k", per_image=1, max_per_instruction=1)
        assert [result.rank for result in results if isinstance(result, Match)] == [0, 1]

    def test_keeps_a_hub_from_winning_everything(self) -> None:
        # One instruction points to where all images crowd together; the others are each near one group of them.
        groups = unit_rows(10, 32, seed=3)
        crowd = np.ones(32, np.float32) / np.sqrt(32)
        images = np.repeat(crowd + 0.4 * groups, 10, axis=0)
        images = images / np.linalg.norm(images, axis=1, keepdims=True)
        embeddings = np.concatenate(
            [crowd[None], (0.5 * crowd + groups) / np.linalg.norm(0.5 * crowd + groups, axis=1)[:, None]]
        )
        counts = []
        for cap in (None, 15):
            config = MatchConfig(per_image=1, sampling="top_k", max_per_instruction=cap)
            matcher = Matcher(make_instructions(11), embeddings, config, seed=0)
            matcher.match(make_images(100), images)
            counts.append(matcher.counts)
        free, capped = counts
        assert free[0] == 100
        assert balance(free).n_effective == 1
        assert capped.sum() == 100
        assert capped[0] == 15
        assert balance(capped).n_effective > 7


class TestSoftmax:
    def test_first_draws_follow_the_probabilities(self) -> None:
        scores, temperature, n = np.array([0.30, 0.25, 0.20, 0.10, 0.0]), 0.1, 20_000
        results = with_scores([scores.tolist()] * n, seed=4, per_image=1, temperature=temperature)
        drawn = Counter(drawn[0] for drawn in positions(results, 5) if drawn)
        expected = np.exp(scores / temperature)
        expected *= n / expected.sum()
        assert chisquare([drawn[i] for i in range(5)], expected).pvalue > 0.01

    def test_pairs_follow_drawing_without_replacement(self) -> None:
        scores, temperature, n = np.array([0.30, 0.25, 0.20, 0.10]), 0.1, 20_000
        results = with_scores([scores.tolist()] * n, seed=5, per_image=2, temperature=temperature)
        drawn = Counter(frozenset(drawn) for drawn in positions(results, 4) if drawn)
        p = np.exp(scores / temperature) / np.exp(scores / temperature).sum()
        pairs = [frozenset((i, j)) for i in range(4) for j in range(i)]
        expected = [n * (p[i] * p[j] / (1 - p[i]) + p[j] * p[i] / (1 - p[j])) for i, j in map(tuple, pairs)]
        assert chisquare([drawn[pair] for pair in pairs], expected).pvalue > 0.01

    def test_near_zero_is_top_k(self) -> None:
        images, features = make_images(200), unit_rows(200, 8, seed=2)
        cold = make_matcher(30, temperature=1e-9).match(images, features)
        assert cold == make_matcher(30, sampling="top_k").match(images, features)

    def test_hot_is_uniform(self) -> None:
        matcher = make_matcher(20, per_image=1, temperature=100)
        matcher.match(make_images(20_000), unit_rows(20_000, 8, seed=2))
        assert chisquare(matcher.counts).pvalue > 0.01

    def test_random_is_uniform_whatever_the_scores_and_the_temperature(self) -> None:
        keys = {"sampling": "random", "per_image": 1}
        results = with_scores([[0.99, 0.1, 0.0, -0.5]] * 4000, seed=3, temperature=0.001, **keys)
        counts = Counter(result.instruction_id for result in results if isinstance(result, Match))
        assert chisquare([counts[each.instruction_id] for each in make_instructions(4)]).pvalue > 0.01

    def test_random_keeps_to_the_cap(self) -> None:
        matcher = make_matcher(6, sampling="random", per_image=2, max_per_instruction=7)
        matcher.match(make_images(40), unit_rows(40, 8, seed=2))
        assert matcher.counts.tolist() == [7] * 6

    def test_an_image_never_gets_an_instruction_twice(self) -> None:
        results = make_matcher(5, per_image=4, temperature=1).match(make_images(300), unit_rows(300, 8, seed=2))
        assert all(drawn is not None and len(set(drawn)) == 4 for drawn in positions(results, 5))

    def test_the_seed_matters_and_nothing_else(self) -> None:
        images, features = make_images(50), unit_rows(50, 8, seed=2)
        first, again, other = (make_matcher(30, seed, temperature=1).match(images, features) for seed in (0, 0, 1))
        assert first == again != other

    def test_an_image_draws_the_same_whatever_comes_before_it(self) -> None:
        images, features = make_images(50), unit_rows(50, 8, seed=2)
        alone = make_matcher(30).match(images[40:], features[40:])
        assert make_matcher(30).match(images, features)[-len(alone) :] == alone


CONFIGS: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    per_image=st.integers(1, 4),
    sampling=st.sampled_from(["softmax", "top_k", "random"]),
    temperature=st.sampled_from([0.01, 0.05, 1.0]),
    max_per_instruction=st.sampled_from([None, 1, 3, 8]),
    min_score=st.sampled_from([None, 0.0, 0.4]),
)


class TestBlocks:
    @given(CONFIGS, st.lists(st.integers(0, 40), max_size=6), st.integers(0, 3))
    def test_their_sizes_change_nothing(self, config: dict[str, Any], cuts: list[int], seed: int) -> None:
        images, features = make_images(40), unit_rows(40, 8, seed=2)
        expected = make_matcher(9, seed, **config).match(images, features)
        matcher = make_matcher(9, seed, **config)
        results: list[Match | Reject] = []
        bounds = [0, *sorted(cuts), 40]
        for start, stop in pairwise(bounds):
            results += matcher.match(images[start:stop], features[start:stop])
        assert results == expected

    @given(CONFIGS, st.integers(0, 40))
    def test_going_on_from_written_rows_changes_nothing(self, config: dict[str, Any], n_done: int) -> None:
        images, features = make_images(40), unit_rows(40, 8, seed=2)
        expected = make_matcher(9, **config).match(images, features)
        before = make_matcher(9, **config).match(images[:n_done], features[:n_done])
        matcher = make_matcher(9, **config)
        matcher.count(result for result in before if isinstance(result, Match))
        assert before + matcher.match(images[n_done:], features[n_done:]) == expected


class TestEdges:
    def test_no_images(self) -> None:
        assert make_matcher(3).match([], np.empty((0, 8), np.float32)) == []

    def test_no_instructions(self) -> None:
        matcher = Matcher([], np.empty((0, 8), np.float32), MatchConfig(), 0)
        (reject,) = matcher.match(make_images(1), unit_rows(1, 8, seed=0))
        assert isinstance(reject, Reject)
        assert reject.detail == "there is no instruction to match with"


class TestBalance:
    def test_of_an_even_spread(self) -> None:
        spread = balance(np.array([5, 5, 5, 5]))
        assert (spread.fewest, spread.median, spread.most, spread.share_unused) == (5, 5.0, 5, 0.0)
        assert math.isclose(spread.n_effective, 4)

    def test_of_an_uneven_one(self) -> None:
        spread = balance(np.array([0, 0, 1, 9]))
        assert (spread.fewest, spread.median, spread.most, spread.share_unused) == (0, 0.5, 9, 0.5)
        assert math.isclose(spread.n_effective, math.exp(-(0.1 * math.log(0.1) + 0.9 * math.log(0.9))))
        assert str(spread) == (
            "10 matches over 4 instructions: 0 to 9 each, median 0.5, 50% never used, as diverse as 1 used equally"
        )

    @pytest.mark.parametrize("counts", [[], [0, 0]])
    def test_of_nothing(self, counts: list[int]) -> None:
        assert balance(np.array(counts, np.int64)).n_effective == 0
