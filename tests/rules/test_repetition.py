import pytest

from mminstruct.config.filter import FilterConfig
from mminstruct.rules.candidate import Candidate
from mminstruct.rules.repetition import repetition

CONFIG = FilterConfig(max_repeats=3, max_repetition=0.5)


def judge(answer: str, config: FilterConfig = CONFIG) -> str | None:
    return repetition(Candidate("a1", "Write about the lake.", answer), config)


class TestLoop:
    def test_as_often_as_allowed(self) -> None:
        assert judge("The lake is calm today. " * 3) is None

    def test_once_more(self) -> None:
        assert judge("The lake is calm today. " * 4) == (
            "found 'the lake is calm today' 4 times in a row, expected 3 or fewer (max_repeats)"
        )

    def test_numbers_of_a_list_hide_nothing(self) -> None:
        assert judge("\n".join(f"{number}. Row across the lake." for number in range(1, 6))) is not None

    @pytest.mark.parametrize("answer", ["ha " * 11, "Row, row, row, row your boat", "very, very, very, very deep"])
    def test_few_words_are_no_loop(self, answer: str) -> None:
        assert judge(answer) is None

    def test_one_word_for_ever_is_one(self) -> None:
        assert judge("It is very " + "very " * 14 + "deep.") is not None

    def test_letters(self) -> None:
        assert judge("Nooo" + "o" * 30) == "found 'o' 33 times in a row"
        assert judge("Nooooooooo!") is None

    def test_lines_of_a_table_are_no_letters(self) -> None:
        assert judge("| a | b |\n|" + "-" * 80 + "|\n| c | d |") is None


class TestShareOfRepeatedRuns:
    def test_a_frame_that_is_filled_again_and_again(self) -> None:
        answer = " ".join(f"I love the {thing} because it is good for you and good for me." for thing in "abcdef")
        assert str(judge(answer)).endswith("expected at most 50% (max_repetition)")

    def test_a_song_with_a_chorus(self) -> None:
        chorus = "Oh, the lake, the lake is deep, and it will never go to sleep.\n"
        verses = [" ".join(f"{letter}{number}" for number in range(12)) + "\n" for letter in "abc"]
        assert judge("".join(verse + chorus for verse in verses)) is None

    def test_the_threshold_is_the_configs(self) -> None:
        half = " ".join(f"w{number}" for number in range(20))
        answer = f"{half} {half}"  # 37 runs, of them 17 repeated
        assert judge(answer, FilterConfig(max_repetition=17 / 37 + 0.001)) is None
        assert judge(answer, FilterConfig(max_repetition=17 / 37 - 0.001)) is not None
