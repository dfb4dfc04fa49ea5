"""Example answers: for which images, and how often they are asked for."""

from __future__ import annotations

from collections import Counter

from mminstruct.config.answers import ExemplarsConfig
from mminstruct.llm.chat import Reply, ScriptedChat
from mminstruct.prompts.template import load_prompt
from mminstruct.rows import Exemplar, Image, Instruction, Match, Reason, Reject
from mminstruct.stages.exemplars import ExemplarTask, choose_matches, write_exemplar

IMAGE = Image("i1", "coco", "17", "17.jpg", "17.jpg", "A red bus in the rain.", [], 8, 8, "JPEG", "")
INSTRUCTION = Instruction("n1", "Write a haiku about the image.", "poetry", [0], [], [], "m", "")
TASK = ExemplarTask(IMAGE, INSTRUCTION, Match("m1", "i1", "n1", 0.4, 0))


def match(image: str, instruction: str, score: float) -> Match:
    return Match(f"{image}-{instruction}", image, instruction, score, 0)


class TestChoice:
    def test_the_best_scores_win(self) -> None:
        matches = [match(f"i{number}", "n1", number / 10) for number in range(9)]
        assert [row.image_id for row in choose_matches(matches, 2)] == ["i8", "i7"]

    def test_images_are_spread_over_instructions(self) -> None:
        matches = [match(f"i{number}", f"n{k}", number / 10) for number in range(6) for k in range(3)]
        uses = Counter(row.image_id for row in choose_matches(matches, 2))
        assert sum(uses.values()) == 6 and max(uses.values()) <= 2

    def test_the_order_of_the_matches_does_not_matter(self) -> None:
        matches = [match(f"i{number}", f"n{k}", number % 3 / 10) for number in range(6) for k in range(3)]
        assert choose_matches(matches, 2) == choose_matches(matches[::-1], 2)

    def test_none_asked_for_is_none(self) -> None:
        assert choose_matches([match("i1", "n1", 0.5)], 0) == []


def refuse_bad(task: ExemplarTask, reply: Reply) -> Reject | None:
    if "bad" in reply.text:
        return Reject(task.match.match_id, "exemplars", Reason.REFUSAL, "bad", reply.text, reply.request_id)
    return None


class TestWriting:
    async def test_a_bad_answer_is_asked_for_again_with_another_sample(self) -> None:
        replies = iter(["bad", "bad", "Red bus in the rain."])
        chat = ScriptedChat(lambda request: next(replies))
        result = await write_exemplar(TASK, chat, load_prompt("exemplar"), ExemplarsConfig(), refuse_bad)
        assert isinstance(result, Exemplar) and result.answer == "Red bus in the rain."
        assert (result.description, result.instruction) == (IMAGE.description, INSTRUCTION.text)
        assert [request.sample for request in chat.requests] == [0, 1, 2]

    async def test_the_last_fault_is_the_rejects(self) -> None:
        chat = ScriptedChat(lambda request: f"bad {request.sample}")
        result = await write_exemplar(TASK, chat, load_prompt("exemplar"), ExemplarsConfig(attempts=2), refuse_bad)
        assert isinstance(result, Reject) and result.raw_text == "bad 1" and result.reason is Reason.REFUSAL
