"""Stage 1: which requests are made, and what becomes of each reply."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mminstruct.config.instructions import AugmentConfig
from mminstruct.llm.chat import Reply, Request, RequestFailed, ScriptedChat
from mminstruct.prompts.template import load_prompt
from mminstruct.readers.seeds import load_seeds
from mminstruct.rows import Image, RawInstruction, Reason, Reject, Seed, content_id
from mminstruct.stages import augment as module
from mminstruct.stages.augment import AugmentTask, augment, drop_near_copies, plan_augment, read_reply
from mminstruct.stages.instruction_form import Fault

SEEDS = [Seed(f"Write kind {number} of text about the image.", "writing") for number in range(10)]
PROMPT = load_prompt("augment")


def image(name: str) -> Image:
    return Image(name, "demo", name, f"{name}.png", f"{name}.png", f"a {name}", [f"a {name}"], 9, 9, "PNG", name)


def raw(raw_id: str, text: str) -> RawInstruction:
    return RawInstruction(raw_id, text, "dog", [], "scripted", f"request of {raw_id}")


IMAGES = [image(name) for name in ("dog", "cat", "bike", "cake", "lake")]


class TestPlan:
    @given(st.integers(1, 40), st.integers(0, 12), st.integers(0, 3))
    def test_as_many_as_asked_for_spread_over_the_images(self, n_instructions: int, shots: int, seed: int) -> None:
        tasks = plan_augment(IMAGES, SEEDS, AugmentConfig(n_instructions=n_instructions, shots=shots), seed)
        assert len(tasks) == n_instructions
        uses = Counter(task.image.image_id for task in tasks)
        assert max(uses.values()) - min(uses[item.image_id] for item in IMAGES) <= 1
        assert {len(set(task.seeds)) for task in tasks} == {min(shots, len(SEEDS))}

    def test_no_request_comes_twice(self) -> None:
        tasks = plan_augment(IMAGES[:1], SEEDS[:1], AugmentConfig(n_instructions=20), 0)
        assert len({(task.image.image_id, task.seeds, task.round) for task in tasks}) == 20

    def test_a_request_depends_on_its_own_image_and_round_alone(self) -> None:
        config = AugmentConfig(n_instructions=10)
        tasks = {(task.image.image_id, task.round): task for task in plan_augment(IMAGES, SEEDS, config, 0)}
        fewer = plan_augment(list(reversed(IMAGES[1:])), SEEDS, AugmentConfig(n_instructions=8), 0)
        assert all(tasks[task.image.image_id, task.round] == task for task in fewer)

    def test_the_first_requests_stay_when_more_are_asked_for(self) -> None:
        few = plan_augment(IMAGES, SEEDS, AugmentConfig(n_instructions=7), 0)
        assert plan_augment(IMAGES, SEEDS, AugmentConfig(n_instructions=30), 0)[:7] == few

    def test_another_seed_draws_otherwise(self) -> None:
        config = AugmentConfig(n_instructions=10)
        assert plan_augment(IMAGES, SEEDS, config, 0) != plan_augment(IMAGES, SEEDS, config, 1)

    def test_without_images(self) -> None:
        assert plan_augment([], SEEDS, AugmentConfig(), 0) == []


class TestAugment:
    TASK = AugmentTask(IMAGES[0], (SEEDS[0].instruction, SEEDS[1].instruction), 2)

    async def ask(self, reply: str, **settings: int) -> tuple[RawInstruction | Reject, Request]:
        chat = ScriptedChat(lambda request: reply)
        result = await augment(self.TASK, chat, PROMPT, AugmentConfig.model_validate(settings))
        return result, chat.requests[0]

    async def test_an_instruction_with_where_it_came_from(self) -> None:
        result, request = await self.ask('Instruction: "Plan a walk for the dog"')
        request_id = request.request_id("scripted")
        assert result == RawInstruction(
            content_id(request_id), "Plan a walk for the dog.", "dog", list(self.TASK.seeds), "scripted", request_id
        )

    async def test_what_the_model_sees(self) -> None:
        _, request = await self.ask("Plan a walk.", max_words=12, max_tokens=50)
        text = request.messages[-1].content
        assert "a dog" in text
        assert all(f"- {seed}\n" in text for seed in self.TASK.seeds)
        assert request.sample == 2
        assert request.parameters["max_tokens"] == 50
        assert request.parameters["temperature"] == PROMPT.parameters["temperature"]

    @pytest.mark.parametrize(
        ("reply", "reason"),
        [
            ("The dog runs.", Reason.NOT_AN_INSTRUCTION),
            ("1. Plan a walk.\n2. Write a poem.", Reason.SEVERAL_INSTRUCTIONS),
            ("Write a slogan.\nAnswer: Woof!", Reason.ANSWERS_ITSELF),
            ("Plan a long walk in a park for the dog.", Reason.INSTRUCTION_TOO_LONG),
        ],
    )
    async def test_a_reject_keeps_the_reply(self, reply: str, reason: Reason) -> None:
        result, request = await self.ask(reply, max_words=8)
        assert isinstance(result, Reject)
        assert (result.stage, result.reason, result.raw_text) == ("augment", reason, reply)
        assert result.request_id == request.request_id("scripted")
        assert result.row_id == content_id(result.request_id)
        assert result.detail

    async def test_a_failed_request(self) -> None:
        def fail(request: Request) -> str:
            raise RequestFailed("r1", Reason.REQUEST_REFUSED, "HTTP 400: no")

        result = await augment(self.TASK, ScriptedChat(fail), PROMPT, AugmentConfig())
        assert result == Reject(content_id("r1"), "augment", Reason.REQUEST_REFUSED, "HTTP 400: no", "", "r1")

    def test_a_reply_that_was_cut_off(self) -> None:
        found = read_reply(Reply("r1", "Write a", "length", "scripted", 1, 1), 40)
        assert isinstance(found, Fault)
        assert (found.reason, found.detail) == (Reason.INSTRUCTION_TOO_LONG, "the reply was cut off at max_tokens")


class TestNearCopies:
    @pytest.mark.parametrize("exact_up_to", [0, 100_000])
    def test_of_a_seed_and_of_another(self, exact_up_to: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """By the exact search, and by the one for millions."""
        monkeypatch.setattr(module, "_EXACT_UP_TO", exact_up_to)
        seeds = load_seeds()
        raws = [
            raw("a", "Draft a toast for the people around the table in the image."),
            raw("b", seeds[0].instruction.upper()),
            raw("c", "Draft a toast for the people around the table in the image!"),
            raw("d", "Name the band that could play in this scene."),
        ]
        kept, rejects = drop_near_copies(raws, seeds, 0.7)
        assert kept == [raws[0], raws[3]]
        assert [(reject.row_id, reject.reason) for reject in rejects] == [
            ("b", Reason.NEAR_COPY_OF_SEED),
            ("c", Reason.NEAR_COPY),
        ]
        assert rejects[0].detail == f"repeats {seeds[0].instruction}"
        assert rejects[1].detail == f"repeats a: {raws[0].text}"
        assert rejects[1].raw_text == raws[2].text
        assert rejects[1].request_id == "request of c"

    def test_a_seed_that_repeats_a_seed_costs_nothing(self) -> None:
        seeds = [Seed("Write a poem about the image.", "poetry"), Seed("Write a poem about the image!", "poetry")]
        assert drop_near_copies([raw("a", "Plan a trip.")], seeds, 0.7) == ([raw("a", "Plan a trip.")], [])

    def test_nothing(self) -> None:
        assert drop_near_copies([], SEEDS, 0.7) == ([], [])
