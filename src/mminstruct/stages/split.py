"""Stage 7, split: hold instructions and images out of training for the benchmark.

    kept samples  →  training samples  +  questions (n_instructions × images_per_instruction, all images different)

Nothing of the benchmark stays in training: no held-out instruction, none that is nearly the same, no held-out image.
The paper holds out 33 × 3; how they were chosen is not published. Ours: seeded, in turn over the categories.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mminstruct.config.answers import SplitConfig
from mminstruct.rows import Instruction, Question, Reason, Reject, Sample


@dataclass(frozen=True, slots=True)
class Pair:
    """All that the split needs to know of a sample."""

    sample_id: str
    image_id: str
    instruction_id: str


@dataclass
class SplitPlan:
    """Who leaves training: `questions` go to the benchmark, the rest of their images and instructions are dropped."""

    questions: set[str] = field(default_factory=set)  # sample_ids
    images: set[str] = field(default_factory=set)  # image_ids
    instructions: dict[str, str] = field(default_factory=dict)  # instruction_id → why it may not stay
    n_instructions: int = 0  # held out, near-duplicates not counted
    notes: list[str] = field(default_factory=list)


def plan_split(
    pairs: Iterable[Pair],
    instructions: Sequence[Instruction],
    embeddings: npt.NDArray[np.float32],
    config: SplitConfig,
    seed: int,
) -> SplitPlan:
    """Choose what is held out.

    `embeddings` is `(len(instructions), d)` float32 with rows of unit length. Where the samples do not give as many
    instructions with as many different images as asked for, fewer are held out and a note says so.
    """
    by_instruction: dict[str, list[Pair]] = defaultdict(list)
    samples_per_image: Counter[str] = Counter()
    for pair in pairs:
        by_instruction[pair.instruction_id].append(pair)
        samples_per_image[pair.image_id] += 1
    similar = embeddings @ embeddings.T >= config.near_duplicate_similarity
    plan = SplitPlan()
    for index in _in_turn_over_categories(instructions, seed):
        if plan.n_instructions == config.n_instructions:
            break
        instruction = instructions[index]
        if instruction.instruction_id in plan.instructions:
            continue  # nearly the same as one that is held out already
        chosen = _choose_images(by_instruction[instruction.instruction_id], plan.images, samples_per_image, config)
        if chosen is not None:
            twins = [instructions[twin] for twin in np.flatnonzero(similar[index]).tolist() if twin != index]
            _hold_out(plan, instruction, twins, chosen)
    if plan.n_instructions < config.n_instructions:
        plan.notes.append(
            f"held out {plan.n_instructions} instructions instead of {config.n_instructions}: no other has "
            f"{config.images_per_instruction} samples on images that are still free"
        )
    return plan


def divide(sample: Sample, plan: SplitPlan) -> Sample | Question | Reject:
    """Return the sample for training, as a question of the benchmark, or as a reject that says why it is neither."""
    if sample.sample_id in plan.questions:
        return _question(sample)
    if sample.image_id in plan.images:
        detail = f"image {sample.image_id} belongs to the benchmark"
        return Reject(sample.sample_id, "split", Reason.HELD_OUT_IMAGE, detail, sample.answer, sample.request_id)
    if sample.instruction_id in plan.instructions:
        detail = plan.instructions[sample.instruction_id]
        return Reject(sample.sample_id, "split", Reason.HELD_OUT_INSTRUCTION, detail, sample.answer, sample.request_id)
    return sample


def _in_turn_over_categories(instructions: Sequence[Instruction], seed: int) -> list[int]:
    """Return all indices, shuffled, taking one of each category in turn so that the benchmark is broad."""
    shuffled = sorted(range(len(instructions)), key=lambda index: instructions[index].instruction_id)
    random.Random(seed).shuffle(shuffled)
    turn: Counter[str] = Counter()
    order: list[tuple[int, int, int]] = []
    for index in shuffled:
        category = instructions[index].category
        order.append((turn[category], len(order), index))
        turn[category] += 1
    return [index for _, _, index in sorted(order)]


def _choose_images(
    pairs: list[Pair], taken: set[str], samples_per_image: Counter[str], config: SplitConfig
) -> list[Pair] | None:
    """Return pairs on free images, those first that cost training the fewest samples; None if there are too few."""
    free = sorted(
        (pair for pair in pairs if pair.image_id not in taken),
        key=lambda pair: (samples_per_image[pair.image_id], pair.sample_id),
    )
    wanted = config.images_per_instruction
    return free[:wanted] if len(free) >= wanted else None


def _hold_out(plan: SplitPlan, instruction: Instruction, twins: list[Instruction], chosen: list[Pair]) -> None:
    plan.n_instructions += 1
    plan.questions.update(pair.sample_id for pair in chosen)
    plan.images.update(pair.image_id for pair in chosen)
    plan.instructions[instruction.instruction_id] = f"instruction {instruction.text!r} belongs to the benchmark"
    for twin in twins:
        detail = f"instruction {twin.text!r} is nearly the same as {instruction.text!r}, which belongs to the benchmark"
        plan.instructions.setdefault(twin.instruction_id, detail)


def _question(sample: Sample) -> Question:
    return Question(
        question_id=sample.sample_id,
        image_id=sample.image_id,
        image=sample.image,
        instruction_id=sample.instruction_id,
        instruction=sample.instruction,
        caption=sample.description,
        category=sample.category,
        source=sample.source,
        reference_answer=sample.answer,
    )
