import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mminstruct.near_copies import near_copies, split_words

# Few different words, so that random texts are near copies of each other often, at every threshold.
WORDS = st.sampled_from(["a", "b", "c", "d", "e", "f", "1", "2"])
TEXTS = st.lists(st.lists(WORDS, max_size=14).map(" ".join), max_size=25)
THRESHOLDS = st.one_of(st.sampled_from([0.2, 0.25, 1 / 3, 0.5, 0.6, 2 / 3, 0.7, 0.8, 0.9, 1.0]), st.floats(0.01, 1.0))


def shingles(text: str) -> set[tuple[str, ...]]:
    words = split_words(text)
    if not words:
        return {("no words", text.strip())}
    return {*((word,) for word in words), *itertools.pairwise(words)}


def brute_force(texts: Sequence[str], threshold: float) -> list[int | None]:
    found: list[int | None] = []
    for position, text in enumerate(texts):
        best, best_similarity = None, 0.0
        for earlier in range(position):
            if found[earlier] is not None:
                continue
            ours, theirs = shingles(text), shingles(texts[earlier])
            similarity = len(ours & theirs) / len(ours | theirs)
            if similarity >= threshold and similarity > best_similarity:
                best, best_similarity = earlier, similarity
        found.append(best)
    return found


class TestNearCopies:
    @given(TEXTS, THRESHOLDS)
    def test_equals_comparing_everything_with_everything(self, texts: list[str], threshold: float) -> None:
        assert near_copies(texts, threshold) == brute_force(texts, threshold)

    @pytest.mark.parametrize(
        "text",
        [
            "WRITE A POEM ABOUT THE CAT",
            "Write a poem about the cat",
            "  Write — a poem,\nabout the “cat”!  ",
            "Write a poem about the ｃａｔ.",
        ],
    )
    def test_case_punctuation_and_width_do_not_count(self, text: str) -> None:
        assert near_copies(["Write a poem about the cat.", text], 1.0) == [None, 0]

    def test_an_accent_counts_however_it_is_encoded(self) -> None:
        assert near_copies(["Describe the café", "Describe the cafe\u0301", "Describe the cafe"], 1.0) == [
            None,
            0,
            None,
        ]

    def test_numbers_count(self) -> None:
        assert near_copies(["Name 3 things", "Name 5 things"], 0.9) == [None, None]

    def test_word_order_counts(self) -> None:
        assert near_copies(["a dog bites a man", "a man bites a dog"], 0.9) == [None, None]

    def test_apostrophes_of_both_kinds_are_the_same(self) -> None:
        assert near_copies(["What's in the image?", "What’s in the image?"], 1.0) == [None, 0]

    def test_one_changed_word_of_ten(self) -> None:
        texts = [
            "Write a short and cheerful poem about the small cat",
            "Write a short and cheerful poem about the small dog",
        ]
        assert near_copies(texts, 0.75) == [None, 0]  # 17 of 21 shingles are shared: 0.81
        assert near_copies(texts, 0.85) == [None, None]

    def test_the_most_similar_is_named_and_the_earliest_of_equals(self) -> None:
        assert near_copies(["a b c d", "a b c e f g", "a b c e f g h", "a b c d"], 0.8) == [None, None, 1, 0]
        assert near_copies(["a x", "a y", "a"], 0.3) == [None, None, 0]

    def test_a_dropped_text_makes_no_other_text_a_copy(self) -> None:
        texts = ["a b c d e f", "b c d e f g", "c d e f g h"]
        assert near_copies(texts, 0.6) == [None, 0, None]

    def test_texts_without_words(self) -> None:
        assert near_copies(["", "  ", "?!", "...", "?!", "a"], 0.5) == [None, 0, None, None, 2, None]

    def test_scripts_without_spaces_are_compared_by_character(self) -> None:
        assert near_copies(["为这张图片写一首诗", "为这张图片写一首歌", "描述天气"], 0.7) == [None, 0, None]

    def test_nothing_in_nothing_out(self) -> None:
        assert near_copies([], 0.5) == []

    @pytest.mark.parametrize("threshold", [0.0, -1.0, 1.1, float("nan")])
    def test_an_impossible_threshold_is_an_error(self, threshold: float) -> None:
        with pytest.raises(ValueError, match="over 0 and up to 1"):
            near_copies(["a"], threshold)
