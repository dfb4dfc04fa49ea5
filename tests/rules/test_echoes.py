import pytest

from mminstruct.config.filter import FilterConfig
from mminstruct.rules.candidate import Candidate
from mminstruct.rules.echoes import prompt_echo

INSTRUCTION = "Write a short poem about the lake in the picture."
WORDS = [f"word{number}" for number in range(100)]


def judge(answer: str, description: str | None = None, config: FilterConfig | None = None) -> str | None:
    return prompt_echo(Candidate("a1", INSTRUCTION, answer, description), config or FilterConfig())


class TestPromptEcho:
    def test_the_whole_instruction(self) -> None:
        assert judge(f"**{INSTRUCTION}** Still water, no wind.") == (
            "found the whole instruction in the answer: 'write a short poem about the lake in the picture'"
        )

    def test_little_more_than_the_instruction(self) -> None:
        detail = judge("Write a short poem about the lake, please do.")
        assert detail == "71% of the answer's three-word runs stand in the instruction, expected under 60%"

    def test_a_few_words_of_the_instruction_are_no_echo(self) -> None:
        assert judge("A short poem about the lake: still water, and no wind to read it.") is None

    def test_a_short_instruction_may_stand_in_an_answer(self) -> None:
        told = Candidate("a1", "Write a poem.", '"Write a poem," she said, and so I wrote of the lake.')
        assert prompt_echo(told, FilterConfig()) is None

    @pytest.mark.parametrize(
        "answer",
        [
            "Instruction 2: Describe the lake. The lake is calm.",
            "You are a helpful assistant. The lake is calm.",
            "Your task is to describe. The lake is calm.",
            "Do not mention the description. The lake is calm.",
            "Example answer: The lake is calm.",
        ],
    )
    def test_parts_of_a_prompt(self, answer: str) -> None:
        assert str(judge(answer)).endswith("a part of the prompt")

    def test_instructions_in_a_guide_are_no_part_of_a_prompt(self) -> None:
        assert judge("Instructions: 1. Fold the paper boat. 2. Set it on the lake.") is None


class TestCopyOfTheDescription:
    # 20 words have 16 five-word runs; a copy of the first 14 of them has 10 of these, one of 15 has 11.
    config = FilterConfig(max_copied_share=10 / 16)

    def test_at_the_threshold(self) -> None:
        assert judge(" ".join([*WORDS[:14], *WORDS[50:56]]), " ".join(WORDS[:14]), self.config) is None

    def test_over_it(self) -> None:
        detail = judge(" ".join([*WORDS[:15], *WORDS[50:55]]), " ".join(WORDS[:15]), self.config)
        assert detail == (
            "69% of the answer's five-word runs stand in the description, expected at most 62% (max_copied_share)"
        )

    def test_a_long_stretch_in_a_longer_answer(self) -> None:
        config = FilterConfig(max_copied_words=10)
        around = " ".join(WORDS[50:90])
        assert judge(f"{' '.join(WORDS[:10])} {around}", " ".join(WORDS[:20]), config) is None
        assert str(judge(f"{' '.join(WORDS[:11])} {around}", " ".join(WORDS[:20]), config)).startswith(
            "11 words in a row"
        )

    def test_without_a_description_there_is_no_copy(self) -> None:
        assert judge(" ".join(WORDS)) is None
