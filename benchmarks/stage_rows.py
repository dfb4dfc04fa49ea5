"""Rows of a run's tables with real texts, made from the hand-labelled answers: what stage_rates.py measures on."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from mminstruct.rows import Answer, Image, Instruction, Match, Sample, content_id

MODEL = "mistralai/Mixtral-8x7B-Instruct-v0.1"


def image_rows(labelled: Sequence[dict[str, Any]]) -> list[Image]:
    """Return one image a row, with the row's description as its only caption."""
    images = []
    for number, row in enumerate(labelled):
        name = f"sa_{7919 * number % 11_185_000:07d}.jpg"
        content_hash = content_id(row["id"], "a") + content_id(row["id"], "b")
        text = row["description"] or ""
        path = f"/data/images/sa1b/{name}"
        image_id = content_id(content_hash)
        images.append(
            Image(image_id, "sa1b", name, path, name, text, [text], 1500 + number % 7, 2250, "JPEG", content_hash)
        )
    return images


def instruction_rows(n: int) -> list[Instruction]:
    """Return made-up instructions."""
    texts = [f"Write a poem of {number} lines about the image." for number in range(n)]
    return [Instruction(content_id(text), text, "writing", [0], [], [], MODEL, "") for text in texts]


def match_rows(images: Sequence[Image]) -> list[Match]:
    """Return one match an image."""
    ids = [instruction.instruction_id for instruction in instruction_rows(320)]
    return [
        Match(content_id(image.image_id, ids[i % 320]), image.image_id, ids[i % 320], i * 7919 % 10**6 / 1e6, i % 320)
        for i, image in enumerate(images)
    ]


def answer_rows(images: Sequence[Image], labelled: Sequence[dict[str, Any]]) -> list[Answer]:
    """Return one answer an image: the row's own."""
    answers = []
    for match, row in zip(match_rows(images), labelled, strict=True):
        exemplars = [content_id(match.instruction_id, shot) for shot in "ab"]
        request_id = content_id(match.match_id, "a") + content_id(match.match_id, "b")
        answers.append(
            Answer(
                match.match_id,
                match.image_id,
                match.instruction_id,
                row["answer"],
                "stop",
                exemplars,
                MODEL,
                request_id,
            )
        )
    return answers


def sample_rows(images: Sequence[Image], labelled: Sequence[dict[str, Any]]) -> list[Sample]:
    """Return one sample an image."""
    instructions = {row.instruction_id: row.text for row in instruction_rows(320)}
    matches, answers = match_rows(images), answer_rows(images, labelled)
    return [
        Sample(
            sample_id=answer.answer_id,
            image_id=image.image_id,
            image=image.path,
            instruction_id=answer.instruction_id,
            instruction=instructions[answer.instruction_id],
            answer=answer.answer,
            source=image.source,
            category="writing",
            description=image.description,
            score=match.score,
            width=image.width,
            height=image.height,
            model=MODEL,
            request_id=answer.request_id,
        )
        for image, match, answer in zip(images, matches, answers, strict=True)
    ]


def word_chains(texts: list[str], n: int, n_words: int) -> Iterator[str]:
    """Yield texts in which each word follows one that it follows in `texts`."""
    following: dict[str, list[str]] = defaultdict(list)
    for text in texts:
        words = text.split()
        for word, after in itertools.pairwise(words):
            following[word].append(after)
    starts, draw = sorted(following), random.Random(0)
    for _ in range(n):
        words = [draw.choice(starts)]
        while len(words) < n_words:
            words.append(draw.choice(following.get(words[-1]) or starts))
        yield " ".join(words)
