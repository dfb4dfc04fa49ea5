"""Answers, and which example answers stand in their prompts."""

from __future__ import annotations

from mminstruct.config.answers import AnswerConfig
from mminstruct.llm.chat import Reply, Request, RequestFailed, ScriptedChat
from mminstruct.prompts.template import load_prompt
from mminstruct.rows import Answer, Exemplar, Image, Instruction, Match, Reason, Reject
from mminstruct.stages.answer import AnswerTask, ExemplarShelf, answer

IMAGE = Image("i1", "coco", "17", "17.jpg", "17.jpg", "A red bus in the rain.", [], 8, 8, "JPEG", "")
INSTRUCTION = Instruction("n1", "Write a haiku about the image.", "poetry", [0], [], [], "m", "")
MATCH = Match("m1", "i1", "n1", 0.4, 0)


def exemplar(name: str, image: str, instruction: str) -> Exemplar:
    return Exemplar(name, image, instruction, f"Scene {name}.", f"Task {name}.", f"Work {name}.", "m", "")


class RefusingChat:
    model = "m"

    async def ask(self, request: Request) -> Reply:
        raise RequestFailed("r1", Reason.REQUEST_REFUSED, "HTTP 400: too long")


class TestShelf:
    shelf = ExemplarShelf(
        [exemplar("a", "i1", "n1"), exemplar("b", "i2", "n1"), exemplar("c", "i3", "n2"), exemplar("d", "i4", "n3")],
        {"n1": ["n3", "n2"]},
    )

    def test_the_instructions_own_come_first_then_the_nearest_others(self) -> None:
        assert [row.exemplar_id for row in self.shelf.pick(Match("m", "i9", "n1", 0, 0), 3)] == ["a", "b", "d"]

    def test_an_image_never_sees_its_own_exemplar(self) -> None:
        assert [row.exemplar_id for row in self.shelf.pick(MATCH, 2)] == ["b", "d"]

    def test_fewer_than_asked_for_are_all(self) -> None:
        assert len(self.shelf.pick(MATCH, 9)) == 3

    def test_no_shots_are_no_exemplars(self) -> None:
        assert self.shelf.pick(MATCH, 0) == ()


class TestAnswer:
    async def test_the_prompt_holds_the_exemplars_the_description_and_the_instruction(self) -> None:
        chat = ScriptedChat(lambda request: "  Rain on red metal.  ")
        task = AnswerTask(MATCH, IMAGE, INSTRUCTION, (exemplar("b", "i2", "n1"),))
        result = await answer(task, chat, load_prompt("answer"), AnswerConfig(max_tokens=99, temperature=0.1))
        assert result == Answer(
            "m1", "i1", "n1", "Rain on red metal.", "stop", ["b"], "scripted", chat.requests[0].request_id("scripted")
        )
        request = chat.requests[0]
        assert (request.parameters["max_tokens"], request.parameters["temperature"]) == (99, 0.1)
        roles = [message.role for message in request.messages]
        assert roles == ["system", "user", "assistant", "user"]
        assert request.messages[2].content == "Work b."
        assert "A red bus in the rain." in request.messages[3].content
        assert INSTRUCTION.text in request.messages[3].content

    async def test_the_prompt_files_own_parameters_hold_where_the_config_is_silent(self) -> None:
        chat = ScriptedChat(lambda request: "Done.")
        await answer(AnswerTask(MATCH, IMAGE, INSTRUCTION, ()), chat, load_prompt("answer"), AnswerConfig())
        assert chat.requests[0].parameters["max_tokens"] == 1024

    async def test_a_refused_request_is_a_reject_of_its_row(self) -> None:
        task = AnswerTask(MATCH, IMAGE, INSTRUCTION, ())
        result = await answer(task, RefusingChat(), load_prompt("answer"), AnswerConfig())
        assert result == Reject("m1", "answer", Reason.REQUEST_REFUSED, "HTTP 400: too long", "", "r1")
