"""Signatures: pure, the same however texts come, and alike where texts are alike."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mminstruct.minhash import SKETCH_SIZE, Bands, bands_for, shingles, signatures
from mminstruct.near_copies import split_words

TEXTS = st.lists(st.lists(st.sampled_from(["a", "b", "c", "The", "café", "7"]), max_size=9).map(" ".join), max_size=12)


class TestBandsFor:
    @pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.99, 1.0])
    def test_99_of_100_pairs_at_the_threshold_are_found(self, threshold: float) -> None:
        assert bands_for(threshold).recall(threshold) >= 0.99

    def test_the_longest_bands_for_which_32_are_enough(self) -> None:
        assert [bands_for(threshold) for threshold in (0.5, 0.7, 0.8, 1.0)] == [
            Bands(17, 2),
            Bands(26, 5),
            Bands(32, 9),
            Bands(1, SKETCH_SIZE),
        ]

    @pytest.mark.parametrize("threshold", [0.0, -1.0, 1.1, float("nan")])
    def test_an_impossible_threshold_is_an_error(self, threshold: float) -> None:
        with pytest.raises(ValueError, match="over 0 and up to 1"):
            bands_for(threshold)


class TestSignatures:
    @given(TEXTS, st.integers(0, 12))
    def test_the_neighbours_of_a_text_do_not_matter(self, texts: list[str], cut: int) -> None:
        bands = bands_for(0.7)
        whole = list(signatures(texts, bands))
        cuts = [*signatures(texts[:cut], bands), *signatures(texts[cut:], bands)]
        for one, other in zip(whole, cuts, strict=True):
            assert np.array_equal(one.keys, other.keys)
            assert np.array_equal(one.sketch, other.sketch)
            assert np.array_equal(one.words, other.words)

    def test_every_process_computes_the_same(self) -> None:
        code = (
            "from mminstruct.minhash import *\n"
            "found = signatures(['Write a poem about the cat.', '?!'], bands_for(0.7))\n"
            "print(found.keys.sum(), found.sketches.sum(), found.words.sum())"
        )
        command = [sys.executable, "-c", code]
        outputs = {subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)}
        assert outputs == {"11343161791876096225 6948 2835929613342261544\n"}  # of old runs too: do not change it

    def test_case_and_punctuation_do_not_count(self) -> None:
        one, other = signatures(["Write a poem!", "write: A POEM"], bands_for(0.7))
        assert np.array_equal(one.keys, other.keys)

    def test_texts_without_words_are_words_of_their_own(self) -> None:
        first, second, third = signatures(["?!", "...", " ?! "], bands_for(0.7))
        assert np.array_equal(first.keys, third.keys)
        assert not (first.keys == second.keys).any()

    def test_values_agree_as_often_as_shingles_do(self) -> None:
        """The sketch estimates the Jaccard similarity: over 300 pairs at about 0.5 the mean error is near none."""
        drawn = random.Random(0)
        vocabulary = [f"w{number}" for number in range(5000)]
        errors = []
        for _ in range(300):
            one = drawn.choices(vocabulary, k=60)
            other = one[:40] + drawn.choices(vocabulary, k=20)
            first, second = signatures([" ".join(one), " ".join(other)], bands_for(0.7))
            ours, theirs = shingles(first.words), shingles(second.words)
            similarity = len(ours & theirs) / len(ours | theirs)
            agreeing = similarity + (1 - similarity) / 256  # a sketch has bytes, which agree by chance
            errors.append((first.sketch == second.sketch).mean() - agreeing)
        assert abs(np.mean(errors)) < 0.02  # its standard error is 0.005

    def test_nothing_in_nothing_out(self) -> None:
        assert list(signatures([], bands_for(0.7))) == []


@given(TEXTS)
def test_shingles_are_words_and_pairs(texts: list[str]) -> None:
    for text, signature in zip(texts, signatures(texts, bands_for(0.7)), strict=True):
        words = split_words(text) or [text]
        assert len(shingles(signature.words)) == len({*words, *itertools.pairwise(words)})
