"""Stage 5, answer: a match with its description and example answers → an answer grounded in the description.

    Match(image 3f…, "Write an ad for the item in the image.")  →  Answer("Meet the mug that …", finish_reason="stop")

The language model never sees the image: the description grounds it, and the examples show the form (the paper's
second stage; the first writes the examples, see `exemplars.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mminstruct.config.answers import AnswerConfig
from mminstruct.llm.chat import Chat, RequestFailed
from mminstruct.prompts.template import Prompt
from mminstruct.rows import Answer, Exemplar, Image, Instruction, Match, Reject


@dataclass(frozen=True, slots=True)
class AnswerTask:
    """All that one answer is made from."""

    match: Match
    image: Image
    instruction: Instruction
    exemplars: tuple[Exemplar, ...]


class ExemplarShelf:
    """Finds the example answers for a match: of its own instruction, then of the most similar instructions."""

    def __init__(self, exemplars: Iterable[Exemplar], neighbours: Mapping[str, Sequence[str]]) -> None:
        """Take the exemplars, and for each instruction_id all others, the most similar first."""
        self._by_instruction: dict[str, list[Exemplar]] = defaultdict(list)
        for exemplar in exemplars:
            self._by_instruction[exemplar.instruction_id].append(exemplar)
        self._neighbours = neighbours

    def pick(self, match: Match, shots: int) -> tuple[Exemplar, ...]:
        """Return `shots` exemplars, or as many as there are; never one about the match's own image."""
        picked: list[Exemplar] = []
        for instruction_id in (match.instruction_id, *self._neighbours.get(match.instruction_id, ())):
            for exemplar in self._by_instruction.get(instruction_id, ()):
                if len(picked) == shots:
                    return tuple(picked)
                if exemplar.image_id != match.image_id:
                    picked.append(exemplar)
        return tuple(picked)


async def answer(task: AnswerTask, chat: Chat, prompt: Prompt, config: AnswerConfig) -> Answer | Reject:
    """Ask for the answer of one match; whether it is a good one is the filter's business."""
    request = prompt.render(
        {
            "description": task.image.description,
            "instruction": task.instruction.text,
            "exemplars": task.exemplars,
        },
        parameters={"max_tokens": config.max_tokens, "temperature": config.temperature},
    )
    match = task.match
    try:
        reply = await chat.ask(request)
    except RequestFailed as failure:
        return Reject(match.match_id, "answer", failure.reason, failure.detail, "", failure.request_id)
    return Answer(
        answer_id=match.match_id,
        image_id=match.image_id,
        instruction_id=match.instruction_id,
        answer=reply.text.strip(),
        finish_reason=reply.finish_reason,
        exemplars=[exemplar.exemplar_id for exemplar in task.exemplars],
        model=reply.model,
        request_id=reply.request_id,
    )
