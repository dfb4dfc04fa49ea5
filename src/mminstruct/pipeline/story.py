"""A row's whole story: where it came from, what was asked, what was judged. Read-only, from the run folder alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mminstruct.config.file import parse_config
from mminstruct.config.run import RunConfig
from mminstruct.errors import RunError
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.tables import Folder
from mminstruct.rows import Answer, Image, Instruction, Match, RawInstruction, Reject
from mminstruct.stages.filter import candidate_of, judge_text

Story = dict[str, Any]
"""JSON-able; keys in the order in which a reader wants them, absent where the row has no such thing."""


def open_run(run_dir: str) -> tuple[RunConfig, Folder]:
    """Return a run folder's config and the folder. Raises RunError where it is no run folder."""
    folder = Folder(run_dir)
    if not folder.exists("config.yaml"):
        raise RunError(f"{run_dir} is not a run folder: it has no config.yaml. `mminstruct run CONFIG` makes one.")
    text = folder.read("config.yaml").decode()
    return parse_config(text, folder.path("config.yaml"), Path(run_dir)), folder


def tell_story(run_dir: str, wanted: str) -> Story:
    """Return the story of the row whose id is, or begins with, `wanted`.

    The id may be a sample's, an image's, an instruction's, a raw instruction's, or a reject's. Raises RunError where
    no row, or more than one, has it.
    """
    config, folder = open_run(run_dir)
    teller = _Teller(config, Tables(folder, config.describe.is_on))
    row_id = teller.find(wanted)
    return teller.tell(row_id)


class _Teller:
    """Looks rows up by id in all tables of one run."""

    def __init__(self, config: RunConfig, tables: Tables) -> None:
        self.config = config
        self.tables = tables

    def find(self, wanted: str) -> str:
        """Return the full id that `wanted` is, or begins."""
        found = {row_id for row_id in self._all_ids() if row_id.startswith(wanted)}
        if wanted in found:
            return wanted
        if not found:
            raise RunError(f"No row of this run has the id {wanted!r}. Ids are in the tables, and in exported files.")
        if len(found) > 1:
            some = ", ".join(sorted(found)[:5])
            raise RunError(f"{len(found)} rows have ids that begin with {wanted!r}: {some} … Give more digits.")
        return found.pop()

    def _all_ids(self) -> Iterable[str]:
        for table in self.tables.all():
            yield from table.ids()
            yield from (reject.row_id for reject in table.rejects())

    def tell(self, row_id: str) -> Story:
        """Return everything known of the row."""
        story: Story = {"id": row_id}
        rejects = [reject for table in self.tables.all() for reject in table.rejects() if reject.row_id == row_id]
        match = _one(self.tables.matches.rows(), "match_id", row_id)
        answer = _one(self.tables.answers.rows(), "answer_id", row_id)
        raw = _one(self.tables.raw_instructions.rows(), "raw_id", row_id)
        instruction_id = match.instruction_id if match else row_id
        instruction = _one(self.tables.instructions.rows(), "instruction_id", instruction_id)
        image_id = match.image_id if match else raw.image_id if raw else row_id
        image: Image | None = _one(self.tables.captioned.rows(), "image_id", image_id)
        image = image or _one(self.tables.images.rows(), "image_id", image_id)  # rejected before it was captioned
        story["became"] = self._outcome(row_id, rejects)
        if image:
            story["image"] = asdict(image)
            story |= self._description(image)
        if raw:
            story["raw_instruction"] = asdict(raw)
        if instruction:
            story["instruction"] = self._instruction(instruction)
        if match:
            story["match"] = self._match(match)
        if answer:
            story["answer"] = self._answer(answer, image, instruction)
        elif exemplar := _one(self.tables.exemplars.rows(), "exemplar_id", row_id):
            story["exemplar"] = asdict(exemplar)
        request_id = answer.request_id if answer else raw.request_id if raw else _request_of(rejects, instruction)
        if request_id:
            story["request"] = self._request(request_id)
        return story

    def _outcome(self, row_id: str, rejects: list[Reject]) -> list[str]:
        outcome = [f"row of {table.name}" for table in self.tables.all() if row_id in table.ids()]
        return outcome + [f"rejected by {reject.stage}: {reject.reason}: {reject.detail}" for reject in rejects]

    def _description(self, image: Image) -> Story:
        """Return who described the image, asked what, and what the check was asked; nothing for a given caption."""
        asked = {"description_request": image.request_id, "description_check": image.check_id}
        return {key: self._request(request_id) for key, request_id in asked.items() if request_id}

    def _instruction(self, instruction: Instruction) -> Story:
        wanted = set(instruction.shown)
        raws: dict[str, RawInstruction] = {
            raw.raw_id: raw for raw in self.tables.raw_instructions.rows() if raw.raw_id in wanted
        }
        shown = [raws[raw_id] for raw_id in instruction.shown if raw_id in raws]
        return {
            "instruction_id": instruction.instruction_id,
            "text": instruction.text,
            "category": instruction.category,
            "clusters": instruction.clusters,
            "n_members": len(instruction.members),
            "members_shown_to_the_model": [{"raw_id": raw.raw_id, "text": raw.text} for raw in shown],
            "seeds_of_those_members": sorted({seed for raw in shown for seed in raw.seeds}),
        }

    def _match(self, match: Match) -> Story:
        encoder = self.config.match.encoder.kind
        return {"score": match.score, "rank": match.rank, "encoder": encoder}

    def _answer(self, answer: Answer, image: Image | None, instruction: Instruction | None) -> Story:
        exemplars = {exemplar.exemplar_id: exemplar for exemplar in self.tables.exemplars.rows()}
        told: Story = {
            "text": answer.answer,
            "finish_reason": answer.finish_reason,
            "model": answer.model,
            "exemplars": [
                {"instruction": exemplars[exemplar_id].instruction, "answer": exemplars[exemplar_id].answer}
                for exemplar_id in answer.exemplars
                if exemplar_id in exemplars
            ],
        }
        if image and instruction:
            told["text_rules"] = self._verdicts(answer, image, instruction)
        return told

    def _verdicts(self, answer: Answer, image: Image, instruction: Instruction) -> Story:
        verdict = judge_text(candidate_of(answer, instruction, image), self.config.filter)
        return {str(finding.rule): f"{finding.outcome}: {finding.detail}".rstrip(": ") for finding in verdict.findings}

    def _request(self, request_id: str) -> Story:
        body, reply = None, None
        if Path(self.config.replies).is_dir():
            with ReplyStore(Path(self.config.replies)) as store:
                body, reply = store.request_body(request_id), store.get(request_id)
        if body is None or reply is None:
            return {"request_id": request_id, "note": f"not in the reply store {self.config.replies}"}
        return {"request_id": request_id, "body": body, "reply": reply.text, "finish_reason": reply.finish_reason}


def _request_of(rejects: list[Reject], instruction: Instruction | None) -> str:
    return next((reject.request_id for reject in rejects if reject.request_id), "") or (
        instruction.request_id if instruction else ""
    )


def _one(rows: Iterable[Any], key: str, value: str) -> Any:
    return next((row for row in rows if getattr(row, key) == value), None)
