"""Stage 2, summarize: a cluster of raw instructions → one general instruction that many images can serve.

    ["Write an ad for the red bike …", "Draft a pitch for this mug …", …]  →  "Write an ad for the item in the image."

The paper's second stage, with its last sentence, "duplicates and over-specific instructions go", made definite:

- *Over-specific* is a draft that takes a thing over from the images behind it which hardly any other image has: a word
  that the description of a shown member's image has, and fewer than `min_image_share` of all descriptions
  (see `image_words.py`). It is asked for again, and dropped after the last attempt.
- *Duplicates* are drafts whose embeddings are near, or which repeat each other word for word. They become one
  instruction with the clusters and members of all; the wording of the largest cluster stays.

The rule, its measure and its thresholds are ours; the paper does not give any.

With `method: raw` nobody is asked, and the instruction nearest to the cluster's centre stands for it as it was written,
over-specific or not; duplicates are merged all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import SupportsInt

import numpy as np

from mminstruct.config.instructions import SummarizeConfig
from mminstruct.encoders.protocols import Embeddings
from mminstruct.llm.chat import Chat, Reply, Request, RequestFailed
from mminstruct.near_copies import near_copies
from mminstruct.prompts.template import Prompt
from mminstruct.rows import Instruction, RawInstruction, Reason, Reject, Seed, content_id
from mminstruct.stages.augment import read_reply
from mminstruct.stages.image_words import mask_image_words, named_things, rare_words
from mminstruct.stages.instruction_form import Fault
from mminstruct.texts import content_stems

STAGE = "summarize"


@dataclass(frozen=True, slots=True)
class ClusterTask:
    """A cluster, and what the language model is shown of it."""

    cluster: int
    members: tuple[str, ...]  # raw_ids of all of them
    shown: tuple[RawInstruction, ...]  # the nearest to the centre, nearest first
    masked: tuple[str, ...]  # the shown ones' texts, with "the image" for what their images show
    rare: frozenset[str]  # stems of things that the shown ones' images show, and hardly any other image


@dataclass(frozen=True, slots=True)
class Draft:
    """The instruction that stands for one cluster, before merging."""

    cluster: int
    text: str
    members: tuple[str, ...]
    shown: tuple[str, ...]
    model: str
    request_id: str


def plan_summaries(
    raws: Sequence[RawInstruction],
    labels: Iterable[SupportsInt],
    nearest: Sequence[Sequence[int]],
    descriptions: Mapping[str, str],
    config: SummarizeConfig,
) -> list[ClusterTask]:
    """Return one task a cluster that has members, in the clusters' order.

    `labels` holds each raw instruction's cluster, `nearest` each cluster's members to show, as positions in `raws`.
    `descriptions` are those of all images by image_id, at least of those that `raws` were written for.
    """
    rare = rare_words(descriptions.values(), config.min_image_share)
    members: dict[int, list[str]] = {}
    for raw, label in zip(raws, labels, strict=True):
        members.setdefault(int(label), []).append(raw.raw_id)
    tasks: list[ClusterTask] = []
    for cluster, raw_ids in sorted(members.items()):
        shown = tuple(raws[position] for position in nearest[cluster])
        texts = [descriptions[raw.image_id] for raw in shown]
        masked = tuple(mask_image_words(raw.text, text) for raw, text in zip(shown, texts, strict=True))
        of_these = frozenset().union(*(content_stems(text) for text in texts))
        tasks.append(ClusterTask(cluster, tuple(raw_ids), shown, masked, rare & of_these))
    return tasks


async def summarize(task: ClusterTask, chat: Chat, prompt: Prompt, config: SummarizeConfig) -> Draft | Reject:
    """Ask until a reply is one instruction that is not over-specific, at most `config.attempts` times.

    The last attempt's fault becomes the Reject; its detail names the members that were left without an instruction.
    """
    reject: Reject | None = None
    for attempt in range(config.attempts):
        try:
            reply = await chat.ask(_request(task, prompt, config, attempt))
        except RequestFailed as failure:
            row_id = content_id(failure.request_id)
            return Reject(row_id, STAGE, failure.reason, failure.detail, "", failure.request_id)
        found = _judged(read_reply(reply, config.max_words), task)
        if isinstance(found, str):
            shown = tuple(raw.raw_id for raw in task.shown)
            return Draft(task.cluster, found, task.members, shown, reply.model, reply.request_id)
        reject = _reject(found, task, reply)
    assert reject is not None, "attempts is at least 1"
    return reject


def nearest_as_it_is(task: ClusterTask) -> Draft:
    """Return the member nearest to the cluster's centre in place of a summary."""
    nearest = task.shown[0]
    return Draft(task.cluster, nearest.text, task.members, (nearest.raw_id,), nearest.model, nearest.request_id)


def _request(task: ClusterTask, prompt: Prompt, config: SummarizeConfig, attempt: int) -> Request:
    return prompt.render(
        {
            "members": [raw.text for raw in task.shown],
            "masked": list(task.masked),
            "max_words": config.max_words,
        },
        parameters={"temperature": config.temperature, "max_tokens": config.max_tokens},
        sample=attempt,
    )


def _judged(found: str | Fault, task: ClusterTask) -> str | Fault:
    """Return the instruction, or the fault that it is over-specific."""
    if isinstance(found, Fault):
        return found
    things = named_things(found, task.rare)
    if not things:
        return found
    return Fault(Reason.OVER_SPECIFIC, f"names what few images show: {', '.join(dict.fromkeys(things))}")


def _reject(fault: Fault, task: ClusterTask, reply: Reply) -> Reject:
    detail = f"cluster {task.cluster} of {len(task.members)} members: {fault.detail}"
    return Reject(content_id(reply.request_id), STAGE, fault.reason, detail, reply.text, reply.request_id)


def merge_drafts(
    drafts: Sequence[Draft],
    embeddings: Embeddings,
    seeds: Sequence[Seed],
    seed_embeddings: Embeddings,
    config: SummarizeConfig,
) -> tuple[list[Instruction], list[Reject]]:
    """Return the final instructions and a Reject for each draft that became part of another one.

    `embeddings` are those of the drafts' texts, `seed_embeddings` those of the seeds' instructions: an instruction's
    category is that of its nearest seed. The drafts of large clusters come first, and so does their wording.
    """
    if not drafts:
        return [], []
    order = sorted(range(len(drafts)), key=lambda index: (-len(drafts[index].members), drafts[index].cluster))
    copies = near_copies([drafts[index].text for index in order], config.merge_similarity)
    groups: dict[int, list[int]] = {}  # position of a kept draft -> positions of all that became one with it
    home: dict[int, int] = {}  # position of a draft -> position of the kept one
    rejects: list[Reject] = []
    for index, copy in zip(order, copies, strict=True):
        kept = _near(embeddings, index, list(groups), config.merge_similarity)
        if kept is None and copy is not None:
            kept = home[order[copy]]
        home[index] = index if kept is None else kept
        groups.setdefault(home[index], []).append(index)
        if kept is not None:
            rejects.append(_merged(drafts[index], drafts[kept], float(embeddings[index] @ embeddings[kept])))
    categories = [seeds[int(nearest)].category for nearest in np.argmax(embeddings @ seed_embeddings.T, axis=1)]
    kept_in_order = sorted(groups, key=lambda index: drafts[index].cluster)
    return [_instruction([drafts[i] for i in groups[k]], categories[k]) for k in kept_in_order], rejects


def _near(embeddings: Embeddings, index: int, kept: list[int], threshold: float) -> int | None:
    """Return which kept draft has the greatest cosine with this one, if that reaches the threshold."""
    if not kept:
        return None
    cosines = embeddings[kept] @ embeddings[index]
    best = int(np.argmax(cosines))
    return kept[best] if cosines[best] >= threshold else None


def _merged(draft: Draft, kept: Draft, cosine: float) -> Reject:
    detail = f"says what {content_id(kept.text)} says (cosine {cosine:.3f}): {kept.text}"
    return Reject(content_id(draft.request_id), STAGE, Reason.MERGED, detail, draft.text, draft.request_id)


def _instruction(group: list[Draft], category: str) -> Instruction:
    """Return the instruction of a group of drafts; the first is the one that was kept."""
    first = group[0]
    return Instruction(
        instruction_id=content_id(first.text),
        text=first.text,
        category=category,
        clusters=sorted(draft.cluster for draft in group),
        members=[raw_id for draft in group for raw_id in draft.members],
        shown=[raw_id for draft in group for raw_id in draft.shown],
        model=first.model,
        request_id=first.request_id,
    )
