"""Each stage's work on one part that needs no other part, by the driver itself or by a worker of a cluster.

open(site) ──► work(item) ──► result. What must see the parts in their order (duplicates, caps) is the step's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from mminstruct.encoders.protocols import Embeddings
from mminstruct.pipeline.asking import ASKING, PartAsker
from mminstruct.pipeline.site import Site
from mminstruct.readers.intake import Opened, open_records
from mminstruct.readers.records import CaptionRecord
from mminstruct.rows import Answer, Image, Instruction, Reject, Sample
from mminstruct.stages.filter import AnswerFilter, Examined, candidate_of

PartWork = Callable[[Any], Awaitable[Any]]


async def open_part_work(stage: str, site: Site) -> PartWork:
    """Return what works on single parts of a stage, with its models opened."""
    if stage == "images":
        return partial(_open_images, site)
    if stage == "match":
        return partial(_encode, site)
    if stage == "filter":
        answer_filter = AnswerFilter(site.config.filter, site.backends.text_encoder)
        return partial(_examine, site, answer_filter, site.tables.instructions_by_id())
    chat = await site.backends.chat(stage, lambda text: None)
    return PartAsker(ASKING[stage](site, chat), chat).work


async def _open_images(site: Site, records: Sequence[CaptionRecord | Reject]) -> list[Opened | Reject]:
    """Open the images of some caption records."""
    config = site.config
    opened = partial(open_records, records, config.intake.max_pixels, needs_captions=not config.describe.writes)
    return await asyncio.to_thread(lambda: list(opened()))


async def _encode(site: Site, item: tuple[int, list[int] | None]) -> Embeddings:
    """Return `(n, d)` features of a part's images, or of their descriptions where the match is with those.

    With positions, of the images at these alone: the others' are kept.
    """
    index, positions = item
    images = await asyncio.to_thread(site.tables.captioned.read_part, index)
    if positions is not None:
        images = [images[position] for position in positions]
    encoder = site.backends.image_text_encoder
    if encoder is None:
        return site.backends.kept_text_encoder.encode_texts([image.description for image in images])
    return encoder.encode_images([image.path for image in images], [image.content_hash for image in images])


async def _examine(
    site: Site, answer_filter: AnswerFilter, instructions: dict[str, Instruction], index: int
) -> list[tuple[Sample, Examined]]:
    """Return a part's answers as the samples that they may become, with what the rules find of each by itself."""
    tables = site.tables
    images = {image.image_id: image for image in tables.captioned.read_part(index)}
    scores = {match.match_id: match.score for match in tables.matches.read_part(index)}
    answers = tables.answers.read_part(index)
    told = [(answer, instructions[answer.instruction_id], images[answer.image_id]) for answer in answers]
    samples = [sample_of(*each, scores[each[0].answer_id]) for each in told]
    return list(zip(samples, answer_filter.examine([candidate_of(*each) for each in told]), strict=True))


def sample_of(answer: Answer, instruction: Instruction, image: Image, score: float) -> Sample:
    """Return the sample that an answer becomes when it is kept."""
    return Sample(
        sample_id=answer.answer_id,
        image_id=image.image_id,
        image=image.path,
        instruction_id=instruction.instruction_id,
        instruction=instruction.text,
        answer=answer.answer,
        source=image.source,
        category=instruction.category,
        description=image.description,
        score=score,
        width=image.width,
        height=image.height,
        model=answer.model,
        request_id=answer.request_id,
    )
