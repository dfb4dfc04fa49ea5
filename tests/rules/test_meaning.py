from dataclasses import replace

from mminstruct.config.filter import FilterConfig
from mminstruct.rules.candidate import Candidate
from mminstruct.rules.meaning import is_in_doubt, near_duplicate_answer, off_topic

CONFIG = FilterConfig(words_per_shared_word=8, min_description_similarity=0.2, min_shared_words=2)
AD = Candidate(
    "a1",
    "Write an ad.",
    "Sleep like a stone on our new mattress, softer than any cloud, for less than you think.",
    "A heron stands on a stone in a quiet lake.",
)


class TestOffTopic:
    def test_neither_words_nor_meaning(self) -> None:
        assert off_topic(replace(AD, similarity=0.19), CONFIG) == (
            "similarity to the description is 0.19, expected 0.2 or more (min_description_similarity), "
            "or 2 shared words (min_shared_words); shared: stone"
        )

    def test_meaning_at_the_threshold(self) -> None:
        assert off_topic(replace(AD, similarity=0.2), CONFIG) is None

    def test_enough_words(self) -> None:
        answer = AD.answer + " A heron would agree."
        assert off_topic(replace(AD, answer=answer, similarity=0.0), CONFIG) is None

    def test_shorter_answers_need_fewer_shared_words(self) -> None:
        seven, eight = "Softer than any cloud, for you only.", "Softer than any cloud, and for you only."
        assert off_topic(replace(AD, answer=seven, similarity=0.0), CONFIG) is None
        assert off_topic(replace(AD, answer=eight, similarity=0.0), CONFIG) is not None
        one_shared = "Softer than any stone, and for you only."
        assert off_topic(replace(AD, answer=one_shared, similarity=0.0), CONFIG) is None
        twice_as_long = f"{one_shared} Sleep on it tonight, and pay next year."
        assert off_topic(replace(AD, answer=twice_as_long, similarity=0.0), CONFIG) is not None

    def test_only_doubtful_answers_need_an_encoder(self) -> None:
        assert is_in_doubt(AD, CONFIG)
        assert not is_in_doubt(replace(AD, answer="The heron loves this lake and every single stone in it."), CONFIG)


class TestNearDuplicateAnswer:
    def test_a_twin_is_named(self) -> None:
        assert near_duplicate_answer(replace(AD, twin_id="a0"), FilterConfig(near_duplicate_similarity=0.7)) == (
            "repeats the answer of a0 with a similarity of 0.7 or more (near_duplicate_similarity)"
        )

    def test_no_twin(self) -> None:
        assert near_duplicate_answer(replace(AD, twin_id=""), CONFIG) is None
        assert near_duplicate_answer(AD, CONFIG) is None
