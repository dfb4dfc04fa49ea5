"""Replies as models really give them, and what is read from each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mminstruct.readers.seeds import load_seeds
from mminstruct.rows import Reason
from mminstruct.stages.instruction_form import Fault, asks, read_instruction

AD = "Write an ad for the item in the image."


class TestUnwrapping:
    @pytest.mark.parametrize(
        "reply",
        [
            AD,
            f"  {AD}\n",
            "Write an ad for the item in the image",
            f"4. {AD}",
            f"4) {AD}",
            f"- {AD}",
            f'"{AD}"',
            f"“{AD}”",
            '"Write an ad for the item in the image".',
            f"**{AD}**",
            f'**Instruction:** "{AD}"',
            f"Instruction: {AD}",
            f"New instruction: {AD}",
            f"Here is a new instruction: {AD}",
            f"**Instruction:**\n\n{AD}",
            f"Sure! Here is one:\n\n{AD}",
            f"Certainly!\n{AD}",
            f"```\n{AD}\n```",
            f"<think>They want an ad. 1. Write …</think>\n\n{AD}",
            f"{AD}\n\nExplanation: it needs the image.",
            f"{AD}\n\n(This instruction is about marketing.)",
            f"{AD}\n\nLet me know if you want another one!",
            "Write an ad\tfor the item  in the image.",
        ],
    )
    def test_the_instruction_alone_remains(self, reply: str) -> None:
        assert read_instruction(reply, 40) == AD

    @pytest.mark.parametrize(
        "reply",
        [
            "Based on the image, write a letter to the mayor.",
            "Imagine you are the cook. Write a diary entry about the day.",
            "Could you write a toast for the people in the image?",
            "Please plan a weekend for a family at the place shown.",
            "You are a fashion editor. Review the outfit in the image.",
            "Write a social media post in three parts: a hook, a fact about the scene, and a question for followers.",
            'Write a story about the scene that begins with the sentence: "Nobody had told her about the sea."',
            "Write a recipe for the dish shown. Include the cooking time. The tone should be warm.",
            "Limn the scene in four lines.",
            "Schreibe ein Gedicht über das Bild.",
            "写一首关于这张图片的诗。",
        ],
    )
    def test_kept_as_it_is(self, reply: str) -> None:
        assert read_instruction(reply, 40) == reply

    def test_every_shipped_seed_is_an_instruction(self) -> None:
        for seed in load_seeds():
            assert read_instruction(seed.instruction, 40) == seed.instruction


class TestFaults:
    @pytest.mark.parametrize(
        "reply",
        [
            "",
            " \n```\n",
            "The dog runs along the beach.",
            "Giraffes are tall animals.",
            "What colour is the car?",
            "How many people are in the image?",
            "I'm sorry, but I can't help with that.",
            "A poem about the sea.",
            "Sunset.",
            "Invent a way of presenting the image that combines the skills of a.",
        ],
    )
    def test_not_an_instruction(self, reply: str) -> None:
        assert reason(reply) == Reason.NOT_AN_INSTRUCTION

    @pytest.mark.parametrize(
        "reply",
        [
            "1. Write a poem.\n2. Plan a day.",
            "- Write a poem about the sea.\n- Draft an email.",
            "Write an ad for the bike. Create a recipe for the cake.",
            "Write an ad for the bike. Then, write a letter to its owner.",
            "1. Write a poem. 2. Plan a day.",
            "Write a poem.\n\nDraft a letter.",
        ],
    )
    def test_several_instructions(self, reply: str) -> None:
        assert reason(reply) == Reason.SEVERAL_INSTRUCTIONS

    @pytest.mark.parametrize(
        "reply",
        [
            "Write a haiku about the image.\nSalt wind on my face",
            "Write a haiku about the image.\n\nAnswer: Salt wind on my face",
            "Write a haiku. Answer: Salt wind on my face.",
            'Write a slogan for the mug: "Wake up to the taste of a thousand mornings."',
            "Write a story. It was a dark night. The wind blew over the sea. Nobody slept.",
        ],
    )
    def test_answers_itself(self, reply: str) -> None:
        assert reason(reply) == Reason.ANSWERS_ITSELF

    def test_too_long(self) -> None:
        fault = read_instruction("Write " + "very " * 40 + "much.", 40)
        assert fault == Fault(Reason.INSTRUCTION_TOO_LONG, "42 words; expected 40 at most")

    def test_the_longest_that_passes(self) -> None:
        assert isinstance(read_instruction("Write " + "very " * 38 + "much.", 40), str)


@given(st.text())
def test_any_reply_is_read_or_faulted(reply: str) -> None:
    found = read_instruction(reply, 40)
    assert isinstance(found, Fault) or found.strip() == found != ""


@given(st.text())
def test_what_was_read_is_read_again_the_same(reply: str) -> None:
    found = read_instruction(f"Write {reply}", 40)
    if isinstance(found, str):
        assert read_instruction(found, 41) == found


def test_asks() -> None:
    assert asks("For your school paper, write a report.")
    assert not asks("The cat sleeps, and the dog barks.")


def reason(reply: str) -> Reason | str:
    found = read_instruction(reply, 40)
    return found.reason if isinstance(found, Fault) else found
