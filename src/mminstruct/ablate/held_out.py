"""Keeps what is tested out of what is trained on, the same way for every variant.

    a variant's kept samples + the questions  ─►  for each image and each instruction: may it stay, and why not

A variant's own split cannot do it: it knows the variant's rows, and the questions are the base run's. Nor do words
alone: an instruction that another variant made of the same raw instructions asks for the same in other words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from mminstruct.bench.folder import Benchmark
from mminstruct.bench.questions.decontaminate import HeldOut, Limits
from mminstruct.bench.questions.perceptual import Fingerprint, fingerprint
from mminstruct.bench.rows import BenchmarkQuestion
from mminstruct.encoders.protocols import TextEncoder
from mminstruct.imaging import BadImage
from mminstruct.rows import Instruction, Question, Reason, Sample, content_id

Item = TypeVar("Item")

_BLOCK = 512  # images or instructions compared at once
_N_THREADS = 4


@dataclass(frozen=True)
class Barred:
    """Images and instructions that a variant may not train on, by image_id and by text."""

    images: Mapping[str, Reason]
    instructions: Mapping[str, Reason]

    def reason(self, sample: Sample) -> Reason | None:
        """Return why a sample is left out, None where it stays."""
        return self.images.get(sample.image_id) or self.instructions.get(sample.instruction)


@dataclass
class Gate:
    """Finds what the questions bar. Every image is opened once, however many variants have it."""

    held_out: HeldOut
    image_ids: frozenset[str]  # of the questions' images
    max_pixels: int
    fingerprint: str  # of the questions and of how near is too near
    raw_ids: frozenset[str] = frozenset()  # of the raw instructions behind those that are tested
    _seen: dict[str, Reason | None] = field(default_factory=dict)  # by image_id

    def barred(self, samples: Iterable[Sample], instructions: Iterable[Instruction] = ()) -> Barred:
        """Return which images and instructions of the samples are barred; one pass, samples are not held.

        `instructions` are the final ones of the samples' run. One that was made, by half or more, of raw instructions
        behind those that are tested is barred too.
        """
        paths: dict[str, str] = {}
        texts: dict[str, None] = {}
        for sample in samples:
            paths[sample.image_id] = sample.image
            texts[sample.instruction] = None
        self._look({image_id: path for image_id, path in paths.items() if image_id not in self._seen})
        images = {image_id: reason for image_id in paths if (reason := self._seen[image_id]) is not None}
        akin = {
            instruction.text: Reason.HELD_OUT_INSTRUCTION
            for instruction in instructions
            if instruction.shown and 2 * len(self.raw_ids.intersection(instruction.shown)) >= len(instruction.shown)
        }
        return Barred(images, {**akin, **self.bar_texts(texts)})

    def _look(self, paths: Mapping[str, str]) -> None:
        new = {image_id: path for image_id, path in paths.items() if image_id not in self.image_ids}
        self._seen.update((image_id, Reason.HELD_OUT_IMAGE) for image_id in paths.keys() - new.keys())
        self._seen.update((image_id, None) for image_id in new)
        with ThreadPoolExecutor(_N_THREADS, thread_name_prefix="fingerprints") as pool:
            for block in _blocks(list(new.items())):
                opened = list(pool.map(partial(_open, max_pixels=self.max_pixels), [path for _, path in block]))
                found = [(image_id, print_) for (image_id, _), print_ in zip(block, opened, strict=True) if print_]
                prints = [print_ for _, print_ in found]
                for _, position in self.held_out.find_same_files(prints):
                    self._seen[found[position][0]] = Reason.HELD_OUT_IMAGE
                for _, position, _ in self.held_out.find_same_pictures(prints):
                    self._seen[found[position][0]] = self._seen[found[position][0]] or Reason.NEAR_DUPLICATE_IMAGE

    def bar_texts(self, texts: Iterable[str]) -> dict[str, Reason]:
        """Return those of the texts that are tested, or nearly so."""
        barred = {}
        for block in _blocks(list(texts)):
            for _, position, _ in self.held_out.find_instructions(block):
                barred[block[position]] = Reason.HELD_OUT_INSTRUCTION
        return barred


def open_gate(
    of_run: Iterable[Question],
    instructions: Sequence[Instruction],
    benchmark: Benchmark,
    asked: Iterable[BenchmarkQuestion],
    encoder: TextEncoder,
    similarity: float,
    max_pixels: int,
) -> Gate:
    """Return the gate of all that the run, whose instructions are given, holds out, and that the variants are asked.

    `similarity` is the cosine from which on an instruction is nearly one of theirs.
    """
    questions = {question.question_id: question for question in of_run}
    for each in asked:
        path = benchmark.image_path(each)
        questions[f"asked {each.question_id}"] = _as_question(each, str(path) if path.is_file() else "")
    prints = [_open(question.image, max_pixels) for question in questions.values()]
    known = [print_ or Fingerprint("", None) for print_ in prints]
    ids = {question.image_id for question in questions.values() if question.image_id} | {
        content_id(print_.content_hash) for print_ in prints if print_
    }
    limits = Limits(similarity)
    texts = sorted({question.instruction for question in questions.values()})
    fingerprint = content_id(*sorted(ids), *texts, str(limits), encoder.name, str(max_pixels))
    gate = Gate(HeldOut(list(questions.values()), known, encoder, limits), frozenset(ids), max_pixels, fingerprint)
    tested = gate.bar_texts([instruction.text for instruction in instructions])
    behind = {raw_id for instruction in instructions if instruction.text in tested for raw_id in instruction.members}
    return replace(gate, raw_ids=frozenset(behind))


def _as_question(question: BenchmarkQuestion, image: str) -> Question:
    return Question(
        question_id=f"asked {question.question_id}",
        image_id="",
        image=image,
        instruction_id="",
        instruction=question.instruction,
        caption=question.caption,
        category=question.category,
        source=question.source,
        reference_answer=question.reference_answer,
    )


def _open(path: str, max_pixels: int) -> Fingerprint | None:
    """Return an image's fingerprint; None where it cannot be opened, of which the export will tell."""
    try:
        return fingerprint(path, max_pixels) if path else None
    except BadImage:
        return None


def _blocks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), _BLOCK):
        yield items[start : start + _BLOCK]
