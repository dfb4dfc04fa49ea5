"""Stage 1, augment: an image's description + a few seed instructions → one new instruction.

    "A barista pours milk …" + ["Draft an email …", "Plan a day …", "Pen a limerick …"]
        →  RawInstruction("Write the menu card for the drink being made in the image.")

The paper's first stage. Every request is drawn on its own: which seeds it shows depends on the run's seed, the image
and the round, and on nothing else, so that asking for more instructions later repeats none of the requests.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from mminstruct.config.instructions import AugmentConfig
from mminstruct.llm.chat import Chat, Reply, RequestFailed
from mminstruct.near_copies import near_copies
from mminstruct.prompts.template import Prompt
from mminstruct.rows import Image, RawInstruction, Reason, Reject, Seed, content_id
from mminstruct.stages.instruction_form import Fault, read_instruction
from mminstruct.twins import twins_among

STAGE = "augment"
_EXACT_UP_TO = 100_000  # texts; among more, the exact search would take the memory, and one copy in a hundred may stay


@dataclass(frozen=True, slots=True)
class AugmentTask:
    """One request to come: an image, and the seed instructions that it is shown with."""

    image: Image
    seeds: tuple[str, ...]
    round: int  # how often this image has been asked about before; also the request's sample number


def plan_augment(images: Sequence[Image], seeds: Sequence[Seed], config: AugmentConfig, seed: int) -> list[AugmentTask]:
    """Return `config.n_instructions` tasks: the images in rounds, each round in an order of its own.

    No image is used twice more often than another. Without images there are no tasks.
    """
    tasks: list[AugmentTask] = []
    for n_round in range(-(-config.n_instructions // len(images)) if images else 0):
        keyed = {content_id("augment", str(seed), str(n_round), image.image_id): image for image in images}
        for key, image in sorted(keyed.items(), key=lambda item: item[0])[: config.n_instructions - len(tasks)]:
            draw = random.Random(key)
            shown = draw.sample(seeds, min(config.shots, len(seeds)))
            tasks.append(AugmentTask(image, tuple(item.instruction for item in shown), n_round))
    return tasks


async def augment(task: AugmentTask, chat: Chat, prompt: Prompt, config: AugmentConfig) -> RawInstruction | Reject:
    """Ask for one instruction; a reply that is not one becomes a Reject with the reply as its raw text."""
    request = prompt.render(
        {"description": task.image.description, "seeds": list(task.seeds), "max_words": config.max_words},
        parameters={"temperature": config.temperature, "max_tokens": config.max_tokens},
        sample=task.round,
    )
    try:
        reply = await chat.ask(request)
    except RequestFailed as failure:
        row_id = content_id(failure.request_id)
        return Reject(row_id, STAGE, failure.reason, failure.detail, "", failure.request_id)
    found = read_reply(reply, config.max_words)
    row_id = content_id(reply.request_id)
    if isinstance(found, Fault):
        return Reject(row_id, STAGE, found.reason, found.detail, reply.text, reply.request_id)
    return RawInstruction(row_id, found, task.image.image_id, list(task.seeds), reply.model, reply.request_id)


def read_reply(reply: Reply, max_words: int) -> str | Fault:
    """Return the instruction in a reply, or the fault; a reply cut off by the token limit is no instruction."""
    if reply.finish_reason == "length":
        return Fault(Reason.INSTRUCTION_TOO_LONG, "the reply was cut off at max_tokens")
    return read_instruction(reply.text, max_words)


def drop_near_copies(
    raws: Sequence[RawInstruction], seeds: Sequence[Seed], threshold: float
) -> tuple[list[RawInstruction], list[Reject]]:
    """Return the instructions that repeat neither a seed nor an earlier one, and a Reject for each of the others."""
    instructions = list(dict.fromkeys(seed.instruction for seed in seeds))
    texts = [*instructions, *(raw.text for raw in raws)]
    kept: list[RawInstruction] = []
    rejects: list[Reject] = []
    search = near_copies if len(texts) <= _EXACT_UP_TO else twins_among
    for raw, twin in zip(raws, search(texts, threshold)[len(instructions) :], strict=True):
        if twin is None:
            kept.append(raw)
            continue
        of_seed = twin < len(instructions)
        reason = Reason.NEAR_COPY_OF_SEED if of_seed else Reason.NEAR_COPY
        named = texts[twin] if of_seed else f"{raws[twin - len(instructions)].raw_id}: {texts[twin]}"
        rejects.append(Reject(raw.raw_id, STAGE, reason, f"repeats {named}", raw.text, raw.request_id))
    return kept, rejects
