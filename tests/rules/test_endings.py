import pytest

from mminstruct.config.filter import FilterConfig
from mminstruct.rules.candidate import Candidate
from mminstruct.rules.endings import truncated_answer

PROSE = "The lake lies still. A heron waits on its stone. "


def judge(answer: str, finish_reason: str | None = None) -> str | None:
    return truncated_answer(
        Candidate("a1", "Write about the lake.", answer, finish_reason=finish_reason), FilterConfig()
    )


class TestFinishReason:
    @pytest.mark.parametrize("finish_reason", ["length", "LENGTH", "max_tokens"])
    def test_the_token_limit_is_enough(self, finish_reason: str) -> None:
        detail = judge("The lake lies still.", finish_reason)
        assert (
            detail == f"finish_reason is '{finish_reason.casefold()}', expected 'stop'; it ends 'The lake lies still.'"
        )

    @pytest.mark.parametrize("finish_reason", ["stop", "eos", "", None])
    def test_other_reasons_are_none(self, finish_reason: str | None) -> None:
        assert judge("The lake lies still.", finish_reason) is None


class TestCutInMidSentence:
    @pytest.mark.parametrize(
        ("end", "sign"),
        [
            ("Behind it the", "its last word asks for another"),
            ("Behind it the hills are blue,", "it ends with a comma"),
            ("These are the colours:", "it ends with ':'"),
            ("Behind it the hills are blue (", "it ends with '('"),
            ("Behind it the sky is half-", "it ends with a hyphen"),
            ("The last boat is tied to", "its last word asks for another"),
            ("\n\n```python\nprint('lake')", "a code block is not closed"),
            ("\n- Water\n-", "the last line is a marker without text"),
            ("\n1. Row.\n2. Fish.\n3.", "the last item of the list has no text"),
            ("\n| a | b |\n|---|---|\n| c | d", "the last row of the table is not closed"),
        ],
    )
    @pytest.mark.parametrize("finish_reason", [None, "stop"])
    def test_an_end_that_is_none(self, end: str, sign: str, finish_reason: str | None) -> None:
        detail = judge(PROSE + end, finish_reason)
        assert detail is not None
        assert detail.startswith(sign)

    def test_a_missing_full_stop_counts_where_the_others_stand_and_nobody_said_stop(self) -> None:
        end = "Nobody has rowed across it since the end of sum"
        assert judge(PROSE + end) == (
            "the last sentence has no end, the others have; it ends "
            "'…n its stone. Nobody has rowed across it since the end of sum'"
        )
        assert judge(PROSE + end, "stop") is None

    def test_steps_are_compared_with_steps_and_not_with_ingredients(self) -> None:
        recipe = "- 1 cup of sugar\n- 2 lemons\n1. Squeeze the lemons.\n2. Stir in the sugar.\n3. Pour over ic"
        assert str(judge(recipe)).startswith("the last item of the list has no end, the others have")

    @pytest.mark.parametrize(
        "answer",
        [
            "Golden heels on a purple carpet",
            "the place that I come from\nthe lake that I swim in",
            PROSE + "Come and see it! #lake #heron #morning",
            PROSE + "Come and see it! 🌅✨",
            PROSE + "Book at www.lakehouse.org/rooms",
            PROSE + "\n\nYours,\nMaria",
            PROSE + "\n\nSincerely,",
            PROSE + "\n\nMaria Lindqvist, Harbour Street 12, Visby",
            PROSE + "Wish you were here with us, Jo",
            PROSE + "Book now",
            '"' + PROSE.strip() + '"',
            PROSE + "**The heron waits.**",
            "- Rope\n- Two oars\n- A lamp",
            "| a | b |\n|---|---|\n| c | d |",
            "```python\nprint('lake')\n```",
            "What stands on the stone?\nA) A heron\nB) A duck\n\nAnswer: A",
            "How many boats are there?\n\n6",
            PROSE + "See you soon :)",
            PROSE + "That is all there is…",
        ],
    )
    def test_an_end_without_a_full_stop_that_is_one(self, answer: str) -> None:
        assert judge(answer) is None
