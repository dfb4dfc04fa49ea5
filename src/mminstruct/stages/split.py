"""Stage 7, split: hold instructions and images out of training for the benchmark.

    kept samples  →  training samples  +  questions (n_instructions × images_per_instruction, all images different)

Nothing of the benchmark stays in training: no held-out instruction, none that is nearly the same, no held-out image.
The paper holds out 33 × 3; how they were chosen is not published. Ours: seeded, in turn over the categories.
"""

from __future__ import annotations

import random
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import numpy.typing as npt

from mminstruct.config.answers import SplitConfig
from mminstruct.rows import Instruction, Question, Reason, Reject, Sample

_BLOCK = 4096  # pairs that are objects at the same time


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
    table = _PairTable(pairs)
    similar = embeddings @ embeddings.T >= config.near_duplicate_similarity
    plan = SplitPlan()
    for index in _in_turn_over_categories(instructions, seed):
        if plan.n_instructions == config.n_instructions:
            break
        instruction = instructions[index]
        if instruction.instruction_id in plan.instructions:
            continue  # nearly the same as one that is held out already
        candidates = table.of_instruction(instruction.instruction_id)
        chosen = _choose_images(candidates, plan.images, config.images_per_instruction)
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


class _PairTable:
    """All pairs as arrays: 40 bytes for each, where a `Pair` with its texts has 300."""

    def __init__(self, pairs: Iterable[Pair]) -> None:
        self._codes: dict[str, int] = {}  # of the instructions, which are few
        codes = array("i")
        blocks: list[tuple[npt.NDArray[np.bytes_], npt.NDArray[np.bytes_]]] = []
        for first in (remaining := iter(pairs)):
            block = [first, *islice(remaining, _BLOCK - 1)]
            codes.extend(self._codes.setdefault(pair.instruction_id, len(self._codes)) for pair in block)
            blocks.append((_encoded(pair.sample_id for pair in block), _encoded(pair.image_id for pair in block)))
        self._instructions = np.frombuffer(codes, np.int32)
        no_texts = np.zeros(0, "S1")
        self._samples = np.concatenate([no_texts, *(samples for samples, _ in blocks)])
        self._images = np.concatenate([no_texts, *(images for _, images in blocks)])
        _, numbers, counts = np.unique(self._images, return_inverse=True, return_counts=True)
        self._n_of_image = counts[numbers]  # samples of each pair's image

    def of_instruction(self, instruction_id: str) -> Iterator[Pair]:
        """Yield the instruction's pairs, those first that cost training the fewest samples."""
        rows = np.flatnonzero(self._instructions == self._codes.get(instruction_id, -1))
        for row in rows[np.lexsort((self._samples[rows], self._n_of_image[rows]))].tolist():
            yield Pair(self._samples[row].decode(), self._images[row].decode(), instruction_id)


def _encoded(ids: Iterable[str]) -> npt.NDArray[np.bytes_]:
    return np.array([row_id.encode() for row_id in ids])  # in UTF-8, whose order is that of the texts


def _choose_images(pairs: Iterable[Pair], taken: set[str], n_wanted: int) -> list[Pair] | None:
    """Return the first pairs on free images; None if there are too few."""
    chosen = list(islice((pair for pair in pairs if pair.image_id not in taken), n_wanted))
    return chosen if len(chosen) == n_wanted else None


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
