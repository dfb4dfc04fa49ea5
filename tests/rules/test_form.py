import pytest

from mminstruct.config.filter import FilterConfig
from mminstruct.rules.candidate import Candidate
from mminstruct.rules.form import empty_answer, too_long, too_short

CONFIG = FilterConfig(min_words=4, min_words_short_form=1, max_words=10)


def candidate(answer: str, instruction: str = "Write a poem about the lake.") -> Candidate:
    return Candidate("a1", instruction, answer)


class TestEmptyAnswer:
    @pytest.mark.parametrize("answer", ["", " \n\t", "...", "🎉❤️", "---", "\u200b"])
    def test_an_answer_without_a_word_is_found(self, answer: str) -> None:
        assert empty_answer(candidate(answer), CONFIG) is not None

    @pytest.mark.parametrize("answer", ["B", "42", "雨", "¡Sí!"])
    def test_one_word_is_enough(self, answer: str) -> None:
        assert empty_answer(candidate(answer), CONFIG) is None

    def test_the_detail_quotes_what_was_found(self) -> None:
        assert empty_answer(candidate("..."), CONFIG) == "found '...', expected at least one word"


class TestTooShort:
    def test_one_word_under_the_threshold(self) -> None:
        assert too_short(candidate("Still water, evening."), CONFIG) == (
            "found 3 words in 'Still water, evening.', expected 4 or more (min_words)"
        )

    def test_at_the_threshold(self) -> None:
        assert too_short(candidate("Still water, late evening."), CONFIG) is None

    @pytest.mark.parametrize("form", ["title", "slogan", "tagline", "one-word answer", "name", "hashtag"])
    def test_short_forms_have_a_threshold_of_their_own(self, form: str) -> None:
        assert too_short(candidate("Stillwater", f"Write a {form} for the photo."), CONFIG) is None
        strict = FilterConfig(min_words=4, min_words_short_form=2)
        detail = too_short(candidate("Stillwater", f"Write a {form} for the photo."), strict)
        assert detail == "found 1 words in 'Stillwater', expected 2 or more (min_words_short_form)"

    def test_characters_of_an_unspaced_script_count_as_words(self) -> None:
        assert too_short(candidate("湖面平静"), CONFIG) is None


class TestTooLong:
    def test_at_the_threshold(self) -> None:
        assert too_long(candidate("word " * 10), CONFIG) is None

    def test_one_word_over_it(self) -> None:
        assert too_long(candidate("word " * 11), CONFIG) == "found 11 words, expected 10 or fewer (max_words)"
