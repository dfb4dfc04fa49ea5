"""A finished run of the paper's size to look at: texts whose words vary, real pictures, rare reasons.

130,000 images with two answers each are 260,000 rows, of which the filter rejects a tenth: 234,000 samples.
"""

from __future__ import annotations

import random
import zlib
from functools import cache
from pathlib import Path

import large_run
from generated_texts import text
from mminstruct.imaging import image_hash
from mminstruct.pipeline.run import Run
from mminstruct.pipeline.tables import part_rejects
from mminstruct.rows import Answer, Image, Instruction, Match, RawInstruction, Reason, Reject, Sample, content_id

N_IMAGES = 130_000
_SIZE = (640, 480)  # pixels, as COCO's
_VERBS = ("Write", "Draft", "Compose", "Plan", "Explain", "List", "Describe", "Invent", "Review", "Design")
_THINGS = ("advert", "letter", "story", "speech", "recipe", "poem", "quiz", "menu", "timetable", "headline")
_KINDS = ("short", "playful", "formal")
_CATEGORIES = ("marketing", "storytelling", "planning", "education", "critique", "poetry", "dialogue", "news")
_REASONS = (Reason.NEAR_DUPLICATE_ANSWER, Reason.TOO_SHORT, Reason.REFUSAL, Reason.OFF_TOPIC)
_RARE_EVERY = 20_000  # images; their rejects are of a reason that no other has
RARE = Reason.WRONG_LANGUAGE


def make(folder: Path, n_images: int) -> None:
    """Write the run to `folder/run`, and its pictures beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_photographs(folder)
    large_run.make_run(folder, n_images, write_all)


def write_photographs(folder: Path) -> None:
    """Write scikit-image's photographs as JPEG files of COCO's size."""
    import skimage.data
    from PIL import Image as PillowImage

    for name in ("astronaut", "chelsea", "coffee", "rocket"):
        PillowImage.fromarray(getattr(skimage.data, name)()).resize(_SIZE).save(folder / f"{name}.jpg", quality=90)


@cache
def photographs(folder: Path) -> list[tuple[str, str]]:
    """Return path and hash of each picture."""
    return [(str(path), image_hash(path.read_bytes())) for path in sorted(folder.glob("*.jpg"))]


def instruction(number: int) -> Instruction:
    """Return one of the 300 instructions."""
    which = number % large_run.N_INSTRUCTIONS
    verb, rest = _VERBS[which % 10], which // 10
    words = f"{verb} a {_KINDS[rest // 10]} {_THINGS[rest % 10]} for the image."
    shown = [content_id(f"r{which}")]
    category = _CATEGORIES[which % len(_CATEGORIES)]
    return Instruction(large_run.instruction_id(which), words, category, [which], shown, shown, "stub", "r")


def raw_instruction(number: int, n_images: int) -> RawInstruction:
    """Return one of the 2,000 raw instructions, all of different words, for the map."""
    which = number % large_run.N_INSTRUCTIONS
    words = f"{_VERBS[which % 10]} a {_THINGS[which // 10 % 10]} about {text(2_000_000 + number, 4)}."
    image_id = large_run.image_id(number % n_images)
    return RawInstruction(content_id(f"r{number}"), words, image_id, ["s"], "stub", "r")


def image(folder: Path, number: int) -> Image:
    """Return the row of an image."""
    path, content_hash = photographs(folder)[number % 4]
    described = text(number, 24)
    source = ("coco", "datacomp", "own")[number % 3]
    name = f"{number:09d}.jpg"
    facts = (described, [described], *_SIZE, "JPEG", content_hash)
    return Image(large_run.image_id(number), source, str(number), path, name, *facts)


def match(number: int, rank: int) -> Match:
    """Return one of an image's two matches."""
    instruction_id = instruction(7 * number + 13 * rank).instruction_id
    score = round(random.Random(2 * number + rank).betavariate(6, 14), 6)
    image_id = large_run.image_id(number)
    return Match(content_id(image_id, instruction_id), image_id, instruction_id, score, rank)


@cache  # three stages write it, and drawing its words takes longest
def answer(number: int, rank: int) -> Answer:
    """Return its answer, of 40 to 199 words."""
    own = match(number, rank)
    n_words = 40 + zlib.crc32(own.match_id.encode()) % 160
    words = text(1_000_000 + 2 * number + rank, n_words)
    return Answer(own.match_id, own.image_id, own.instruction_id, words, "stop", ["e"], "stub", own.match_id)


def sample(folder: Path, number: int, rank: int) -> Sample | Reject:
    """Return the answer's sample; every tenth image's answers are rejected."""
    own, given, shown = match(number, rank), answer(number, rank), image(folder, number)
    if number % 10 == 0:
        reason = RARE if number % _RARE_EVERY == 0 else _REASONS[number // 10 % len(_REASONS)]
        return Reject(given.answer_id, "filter", reason, f"made up for {reason}", given.answer, given.request_id)
    asked = instruction(7 * number + 13 * rank)
    ids = (own.match_id, own.image_id, shown.path, asked.instruction_id, asked.text, given.answer)
    return Sample(*ids, shown.source, asked.category, shown.description, own.score, *_SIZE, "stub", given.request_id)


async def write_all(run: Run, n_images: int) -> None:
    """Stand in for any stage: write all rows of its tables."""
    tables, stage = run.tables, run.stage
    folder = Path(run.config.run_dir).parent
    if stage == "exemplars":
        await large_run.write_all(run, n_images)
        return
    if stage == "augment":
        tables.raw_instructions.write_part(0, [raw_instruction(number, n_images) for number in range(large_run.N_RAW)])
        return
    if stage == "summarize":
        tables.instructions.write_part(0, [instruction(number) for number in range(large_run.N_INSTRUCTIONS)])
        return
    for part, first in enumerate(range(0, n_images, large_run.SHARD_SIZE)):
        numbers = range(first, min(n_images, first + large_run.SHARD_SIZE))
        write_part(run, folder, part, numbers)
    if stage == "split":
        tables.benchmark.write_part(0, [])


def write_part(run: Run, folder: Path, part: int, numbers: range) -> None:
    """Write one part of each table of a stage that works on all images."""
    tables, pairs = run.tables, [(number, rank) for number in numbers for rank in range(large_run.PER_IMAGE)]
    if run.stage == "images":
        tables.images.write_part(part, [image(folder, number) for number in numbers])
    elif run.stage == "match":
        tables.matches.write_part(part, [match(*pair) for pair in pairs])
    elif run.stage == "answer":
        tables.answers.write_part(part, [answer(*pair) for pair in pairs])
    else:
        rows, rejects = part_rejects([sample(folder, *pair) for pair in pairs])
        if run.stage == "filter":
            tables.kept.write_part(part, rows, rejects)
        else:
            tables.samples.write_part(part, rows)
