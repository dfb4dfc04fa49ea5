"""Stage 4, exemplars: the stronger language model writes a few example answers for each instruction.

    Instruction "Write an ad …" with its best-matching image  →  Exemplar(description, instruction, answer)

An exemplar stands in the prompt of many answers, so a bad one is worse than none: each must pass the filter's text
rules, and is asked for again when it does not.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mminstruct.config.answers import ExemplarsConfig
from mminstruct.llm.chat import Chat, Reply, RequestFailed
from mminstruct.prompts.template import Prompt
from mminstruct.rows import Exemplar, Image, Instruction, Match, Reject

Check = Callable[["ExemplarTask", Reply], Reject | None]
"""Judges an example answer; None is a pass."""

_SPARE_MATCHES = 4  # candidates kept for each exemplar wanted, so that one image need not serve many instructions


@dataclass(frozen=True, slots=True)
class ExemplarTask:
    """The image and the instruction that an exemplar is written for."""

    image: Image
    instruction: Instruction
    match: Match


def choose_matches(matches: Iterable[Match], per_instruction: int) -> list[Match]:
    """Return the matches to write exemplars for: each instruction's best, images spread where there is a choice.

    Reads the matches once and keeps a few for each instruction, so their number does not matter.
    """
    if not per_instruction:
        return []
    best: dict[str, list[tuple[float, str, Match]]] = defaultdict(list)
    for match in matches:
        heap = best[match.instruction_id]
        heapq.heappush(heap, (match.score, match.match_id, match))
        if len(heap) > per_instruction * _SPARE_MATCHES:
            heapq.heappop(heap)
    uses: Counter[str] = Counter()
    chosen = []
    for instruction_id in sorted(best):
        candidates = sorted(best[instruction_id], key=lambda item: (-item[0], item[1]))
        candidates.sort(key=lambda item: uses[item[2].image_id])  # stable: the best score among the least used
        for _, _, match in candidates[:per_instruction]:
            uses[match.image_id] += 1
            chosen.append(match)
    return chosen


async def write_exemplar(
    task: ExemplarTask, chat: Chat, prompt: Prompt, config: ExemplarsConfig, check: Check
) -> Exemplar | Reject:
    """Ask until an example answer passes `check`, at most `config.attempts` times; the last fault is the reject's."""
    fault: Reject | None = None
    for attempt in range(config.attempts):
        request = prompt.render(
            {"description": task.image.description, "instruction": task.instruction.text},
            parameters={"max_tokens": config.max_tokens, "temperature": config.temperature},
            sample=attempt,
        )
        try:
            reply = await chat.ask(request)
        except RequestFailed as failure:
            row_id = task.match.match_id
            return Reject(row_id, "exemplars", failure.reason, failure.detail, "", failure.request_id)
        fault = check(task, reply)
        if fault is None:
            return _exemplar(task, reply)
    assert fault is not None, "attempts is at least 1"
    return fault


def _exemplar(task: ExemplarTask, reply: Reply) -> Exemplar:
    return Exemplar(
        exemplar_id=task.match.match_id,
        image_id=task.image.image_id,
        instruction_id=task.instruction.instruction_id,
        description=task.image.description,
        instruction=task.instruction.text,
        answer=reply.text.strip(),
        model=reply.model,
        request_id=reply.request_id,
    )
