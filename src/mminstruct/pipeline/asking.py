"""The stages that ask a language model for each row of a part: describe, answer.

01_images part k ──► rows ──► asked, many at once ──► 01_described part k        (and matches ──► answers)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mminstruct.engines.local import run_shards
from mminstruct.llm.models import StageChat
from mminstruct.llm.usage import Usage
from mminstruct.pipeline.site import Site
from mminstruct.pipeline.tables import Table, part_rejects
from mminstruct.rows import Answer, Image, Instruction, Reject
from mminstruct.stages.answer import AnswerTask, ExemplarShelf, answer
from mminstruct.stages.describe import describe


@dataclass(frozen=True)
class Asking:
    """Such a stage, ready to work on any part."""

    inputs: Table[Any]  # whose parts it follows
    output: Table[Any]
    rows_of: Callable[[int], Sequence[Any]]
    ask: Callable[[Any], Awaitable[Any | Reject]]

    def finish(self, index: int, results: list[Any]) -> None:
        """Write what came of a part."""
        self.output.write_part(index, *part_rejects(results))


@dataclass(frozen=True, slots=True)
class PartAsked:
    """What a worker tells of a part that it has written."""

    n_rows: int
    n_rejected: int
    usage: Usage  # of this part, or of those that were at work with it: the sums are right


def answer_asking(site: Site, chat: StageChat) -> Asking:
    """04_matches, 05_exemplars, 03_instructions, 01_images → 06_answers."""
    tables, config = site.tables, site.config.answer
    instructions = tables.instructions_by_id()
    shelf = ExemplarShelf(tables.exemplars.rows(), _neighbours(site, list(instructions.values())))

    def rows_of(index: int) -> list[AnswerTask]:
        images = {image.image_id: image for image in tables.captioned.read_part(index)}
        # By instruction, because requests with the same exemplars begin alike: servers keep that part of the prompt.
        matches = sorted(tables.matches.read_part(index), key=lambda match: (match.instruction_id, match.match_id))
        return [
            AnswerTask(row, images[row.image_id], instructions[row.instruction_id], shelf.pick(row, config.shots))
            for row in matches
        ]

    ask: Callable[[AnswerTask], Awaitable[Answer | Reject]] = partial(
        answer, chat=chat, prompt=site.backends.prompt("answer"), config=config
    )
    return Asking(tables.matches, tables.answers, rows_of, ask)


def describe_asking(site: Site, chat: StageChat) -> Asking:
    """01_images → 01_described."""
    backends = site.backends
    ask: Callable[[Image], Awaitable[Image | Reject]] = partial(
        describe,
        chat=chat,
        prompt=backends.prompt("describe"),
        check_prompt=backends.check_prompt,
        config=site.config.describe,
    )
    return Asking(site.tables.images, site.tables.described, site.tables.images.read_part, ask)


ASKING: dict[str, Callable[[Site, StageChat], Asking]] = {"describe": describe_asking, "answer": answer_asking}


class PartAsker:
    """Works on single parts, several at a time, and tells what each took; for a worker of a cluster."""

    def __init__(self, asking: Asking, chat: StageChat) -> None:
        self._asking = asking
        self._chat = chat
        self._told = Usage()

    async def work(self, index: int) -> PartAsked:
        """Ask for all rows of a part and write it."""
        rows = self._asking.rows_of(index)
        n_rejected = 0

        def finish(index: int, results: list[Any]) -> None:
            nonlocal n_rejected
            n_rejected = sum(isinstance(result, Reject) for result in results)
            self._asking.finish(index, results)

        await run_shards([(index, rows)], self._asking.ask, finish, self._chat.rows_at_once)
        usage = self._chat.usage.minus(self._told)
        self._told = self._told.plus(usage)
        return PartAsked(len(rows), n_rejected, usage)


def _neighbours(site: Site, instructions: Sequence[Instruction]) -> dict[str, list[str]]:
    """Return for each instruction_id all others, the most similar first."""
    ids = [instruction.instruction_id for instruction in instructions]
    embeddings = site.backends.kept_text_encoder.encode_texts([instruction.text for instruction in instructions])
    order = np.argsort(-(embeddings @ embeddings.T), axis=1, kind="stable")
    return {ids[row]: [ids[column] for column in order[row] if column != row] for row in range(len(ids))}
