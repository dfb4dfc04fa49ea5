"""A row's whole story: where it came from, what was asked, what was judged. Read-only, from the run folder alone."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from mminstruct.config.file import parse_config
from mminstruct.config.run import RunConfig
from mminstruct.errors import RunError, StoreError
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.pipeline.row_index import Place, to_places
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.tables import Folder, Table
from mminstruct.rows import Answer, Image, Instruction, Match, RawInstruction, Reject
from mminstruct.stages.filter import candidate_of, judge_text

RowT = TypeVar("RowT")
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
    return story_of(config, Tables(folder, config.describe.is_on), wanted)


def story_of(config: RunConfig, tables: Tables, wanted: str) -> Story:
    """Return what `tell_story` does, for a run that is open already."""
    return _Teller(config, tables).tell(wanted)


class _Teller:
    """Looks rows up by id in all tables of one run; reads the parts that hold them, and no others."""

    def __init__(self, config: RunConfig, tables: Tables) -> None:
        self.config = config
        self.tables = tables

    def _find(self, wanted: str) -> tuple[str, dict[str, list[Place]]]:
        """Return the full id that `wanted` is, or begins, and its places by the table's name."""
        found = {table.name: table.index().find(wanted) for table in self.tables.all()}
        ids = pc.unique(pa.concat_tables(found.values()).column("id"))
        if not len(ids):
            raise RunError(f"No row of this run has the id {wanted!r}. Ids are in the tables, and in exported files.")
        if len(ids) == 1:
            row_id = str(ids[0])
        elif pc.any(pc.equal(ids, wanted)).as_py():
            row_id = wanted
        else:
            some = ", ".join(ids.sort()[:5].to_pylist())
            raise RunError(f"{len(ids):,} rows have ids that begin with {wanted!r}: {some} … Give more digits.")
        exact = {name: rows.filter(pc.equal(rows.column("id"), row_id)) for name, rows in found.items()}
        return row_id, {name: to_places(rows) for name, rows in exact.items() if len(rows)}

    def tell(self, wanted: str) -> Story:
        """Return everything known of the row."""
        row_id, places = self._find(wanted)
        story: Story = {"id": row_id}
        tables = self.tables
        rejects = self._rejects(row_id, places)
        match: Match | None = self._row(tables.matches, row_id, places)
        answer: Answer | None = self._row(tables.answers, row_id, places)
        raw: RawInstruction | None = self._row(tables.raw_instructions, row_id, places)
        instruction = tables.instructions.get(match.instruction_id if match else row_id)
        image = self._image(match, raw, row_id, places)
        story["became"] = self._outcome(places, rejects)
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
        elif exemplar := self._row(tables.exemplars, row_id, places):
            story["exemplar"] = asdict(exemplar)
        request_id = answer.request_id if answer else raw.request_id if raw else _request_of(rejects, instruction)
        if request_id:
            story["request"] = self._request(request_id)
        return story

    def _row(self, table: Table[RowT], row_id: str, places: dict[str, list[Place]]) -> RowT | None:
        for place in places.get(table.name, ()):
            if not place.rejected:
                return next(iter(table.pick(place.part, [row_id])), None)
        return None

    def _rejects(self, row_id: str, places: dict[str, list[Place]]) -> list[Reject]:
        """Return all rejects of the row, in the order of the stages."""
        rejects: list[Reject] = []
        for table in self.tables.all():
            parts = {place.part for place in places.get(table.name, ()) if place.rejected}
            rejects += (reject for part in sorted(parts) for reject in table.pick_rejects(part, row_id))
        return rejects

    def _image(
        self, match: Match | None, raw: RawInstruction | None, row_id: str, places: dict[str, list[Place]]
    ) -> Image | None:
        if match:  # part k of each table speaks of the same images
            part = places[self.tables.matches.name][0].part
            return next(iter(self.tables.captioned.pick(part, [match.image_id])), None)
        if raw:
            return self.tables.captioned.get(raw.image_id)
        image = self._row(self.tables.captioned, row_id, places)
        return image or self._row(self.tables.images, row_id, places)  # rejected before it was captioned

    def _outcome(self, places: dict[str, list[Place]], rejects: list[Reject]) -> list[str]:
        outcome = [f"row of {name}" for name, found in places.items() if not all(place.rejected for place in found)]
        return outcome + [f"rejected by {reject.stage}: {reject.reason}: {reject.detail}" for reject in rejects]

    def _description(self, image: Image) -> Story:
        """Return who described the image, asked what, and what the check was asked; nothing for a given caption."""
        asked = {"description_request": image.request_id, "description_check": image.check_id}
        return {key: self._request(request_id) for key, request_id in asked.items() if request_id}

    def _instruction(self, instruction: Instruction) -> Story:
        table = self.tables.raw_instructions
        found = (raw for part in table.parts() for raw in table.pick(part, instruction.shown))
        raws: dict[str, RawInstruction] = {raw.raw_id: raw for raw in found}
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
                {"description": shown.description, "instruction": shown.instruction, "answer": shown.answer}
                for exemplar_id in answer.exemplars
                if (shown := exemplars.get(exemplar_id))
            ],
        }
        if image and instruction:
            told["text_rules"] = self._verdicts(answer, image, instruction)
        return told

    def _verdicts(self, answer: Answer, image: Image, instruction: Instruction) -> Story:
        verdict = judge_text(candidate_of(answer, instruction, image), self.config.filter)
        return {str(finding.rule): f"{finding.outcome}: {finding.detail}".rstrip(": ") for finding in verdict.findings}

    def _request(self, request_id: str) -> Story:
        body, reply, note = None, None, f"not in the reply store {self.config.replies}"
        if Path(self.config.replies).is_dir():
            try:
                with ReplyStore(Path(self.config.replies), create=False) as store:
                    body, reply = store.request_body(request_id), store.get(request_id)
            except StoreError as error:  # the rest of the story is worth telling
                note = str(error)
        if body is None or reply is None:
            return {"request_id": request_id, "note": note}
        return {
            "request_id": request_id,
            "body": body,
            "reply": reply.text,
            "finish_reason": reply.finish_reason,
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.completion_tokens,
        }


def _request_of(rejects: list[Reject], instruction: Instruction | None) -> str:
    return next((reject.request_id for reject in rejects if reject.request_id), "") or (
        instruction.request_id if instruction else ""
    )
