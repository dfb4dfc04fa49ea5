"""The tables of a run, by name: which there are, and what kind of row each holds."""

from __future__ import annotations

from typing import Any

from mminstruct.pipeline.tables import Folder, Table
from mminstruct.rows import Answer, Exemplar, Image, Instruction, Match, Question, RawInstruction, Sample


class Tables:
    """The tables of a run folder, in the order in which they are made.

    `captioned` are the images with the descriptions that the run rests on: `described` in a run with that stage, else
    `images`.
    """

    def __init__(self, folder: Folder, with_described: bool = False) -> None:
        self._with_described = with_described
        self.images = Table(folder, "01_images", Image)
        self.described = Table(folder, "01_described", Image)
        self.raw_instructions = Table(folder, "02_raw_instructions", RawInstruction)
        self.instructions = Table(folder, "03_instructions", Instruction)
        self.matches = Table(folder, "04_matches", Match)
        self.exemplars = Table(folder, "05_exemplars", Exemplar)
        self.answers = Table(folder, "06_answers", Answer)
        self.kept = Table(folder, "06_kept", Sample)
        self.samples = Table(folder, "07_samples", Sample)
        self.benchmark = Table(folder, "08_benchmark", Question)

    @property
    def captioned(self) -> Table[Image]:
        """The images as every stage after them reads them."""
        return self.described if self._with_described else self.images

    def instructions_by_id(self) -> dict[str, Instruction]:
        """Return the final instructions, which are few."""
        return {instruction.instruction_id: instruction for instruction in self.instructions.rows()}

    def of(self, name: str) -> Table[Any]:
        """Return the table with this attribute's name."""
        table: Table[Any] = getattr(self, name)
        return table

    def all(self) -> list[Table[Any]]:
        """Return all tables in order."""
        return [table for table in vars(self).values() if isinstance(table, Table)]
