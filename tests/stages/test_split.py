"""What is held out, and that nothing of it stays in training."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from mminstruct.config.answers import SplitConfig
from mminstruct.rows import Instruction, Question, Reason, Reject, Sample
from mminstruct.stages.split import Pair, divide, plan_split


def instruction(name: str, category: str = "poetry") -> Instruction:
    return Instruction(name, f"Text of {name}.", category, [0], [], [], "m", "")


def sample(image: str, instruction_id: str) -> Sample:
    return Sample(
        f"{image}-{instruction_id}",
        image,
        f"{image}.jpg",
        instruction_id,
        "Do.",
        "Done.",
        "s",
        "c",
        "d",
        0.5,
        8,
        8,
        "m",
        "",
    )


def pair(row: Sample) -> Pair:
    return Pair(row.sample_id, row.image_id, row.instruction_id)


def apart(n: int) -> npt.NDArray[np.float32]:
    """Return embeddings that have nothing in common."""
    return np.eye(n, dtype=np.float32)


def grid(n_images: int, n_instructions: int) -> list[Sample]:
    return [sample(f"i{image}", f"n{number}") for image in range(n_images) for number in range(n_instructions)]


class TestPlan:
    def test_holds_out_as_many_as_asked_on_different_images(self) -> None:
        rows, instructions = grid(20, 6), [instruction(f"n{number}") for number in range(6)]
        plan = plan_split(
            map(pair, rows), instructions, apart(6), SplitConfig(n_instructions=3, images_per_instruction=2), 0
        )
        assert (plan.n_instructions, len(plan.questions), len(plan.images), plan.notes) == (3, 6, 6, [])

    def test_is_the_same_for_a_seed_and_another_for_another(self) -> None:
        rows, instructions = grid(20, 12), [instruction(f"n{number}") for number in range(12)]
        config = SplitConfig(n_instructions=3, images_per_instruction=2)
        plans = [plan_split(map(pair, rows), instructions, apart(12), config, seed) for seed in (0, 0, 1)]
        assert plans[0] == plans[1] != plans[2]

    def test_takes_the_categories_in_turn(self) -> None:
        instructions = [instruction(f"n{number}", "poetry" if number < 8 else "travel") for number in range(10)]
        config = SplitConfig(n_instructions=2, images_per_instruction=1)
        plan = plan_split(map(pair, grid(9, 10)), instructions, apart(10), config, 3)
        categories = {row.category for row in instructions if row.instruction_id in plan.instructions}
        assert categories == {"poetry", "travel"}

    def test_too_few_samples_are_told(self) -> None:
        rows, instructions = grid(3, 4), [instruction(f"n{number}") for number in range(4)]
        config = SplitConfig(n_instructions=4, images_per_instruction=2)
        plan = plan_split(map(pair, rows), instructions, apart(4), config, 0)
        assert plan.n_instructions == 1
        assert plan.notes == [
            "held out 1 instructions instead of 4: no other has 2 samples on images that are still free"
        ]

    def test_a_near_duplicate_of_a_held_out_instruction_leaves_too_and_is_not_held_out_itself(self) -> None:
        instructions = [instruction("n0"), instruction("n1"), instruction("n2")]
        embeddings = np.array([[1, 0], [0.96, 0.28], [0, 1]], dtype=np.float32)
        config = SplitConfig(n_instructions=3, images_per_instruction=1, near_duplicate_similarity=0.95)
        plan = plan_split(map(pair, grid(9, 3)), instructions, embeddings, config, 0)
        assert plan.n_instructions == 2
        assert set(plan.instructions) == {"n0", "n1", "n2"}
        assert sum("nearly the same as" in detail for detail in plan.instructions.values()) == 1

    def test_nothing_asked_for_is_nothing_held_out(self) -> None:
        plan = plan_split(map(pair, grid(3, 3)), [instruction("n0")], apart(1), SplitConfig(n_instructions=0), 0)
        assert not plan.questions and not plan.notes


class TestDivide:
    def test_each_sample_goes_one_of_four_ways(self) -> None:
        rows, instructions = grid(4, 3), [instruction(f"n{number}") for number in range(3)]
        config = SplitConfig(n_instructions=1, images_per_instruction=1)
        plan = plan_split(map(pair, rows), instructions, apart(3), config, 0)
        results = [divide(row, plan) for row in rows]
        questions = [result for result in results if isinstance(result, Question)]
        reasons = [result.reason for result in results if isinstance(result, Reject)]
        assert len(questions) == 1
        assert reasons.count(Reason.HELD_OUT_IMAGE) == 2
        assert reasons.count(Reason.HELD_OUT_INSTRUCTION) == 3
        assert sum(isinstance(result, Sample) for result in results) == 6

    @given(
        pairs=st.sets(st.tuples(st.integers(0, 12), st.integers(0, 6)), max_size=60),
        n_instructions=st.integers(0, 7),
        n_images=st.integers(1, 4),
        seed=st.integers(0, 99),
    )
    def test_nothing_of_the_benchmark_stays_in_training(
        self, pairs: set[tuple[int, int]], n_instructions: int, n_images: int, seed: int
    ) -> None:
        rows = [sample(f"i{image}", f"n{number}") for image, number in sorted(pairs)]
        instructions = [instruction(f"n{number}") for number in range(7)]
        config = SplitConfig(n_instructions=n_instructions, images_per_instruction=n_images)
        plan = plan_split(map(pair, rows), instructions, apart(7), config, seed)
        results = [divide(row, plan) for row in rows]
        held = [result for result in results if isinstance(result, Question)]
        kept = [result for result in results if isinstance(result, Sample)]
        assert len(held) == plan.n_instructions * n_images == len({question.image_id for question in held})
        assert {question.image_id for question in held}.isdisjoint(row.image_id for row in kept)
        assert {question.instruction_id for question in held}.isdisjoint(row.instruction_id for row in kept)
        assert len(results) == len(rows)
