"""Which rows the gallery shows: samples spread over the instructions, and rejects of every reason.

Ids are hashes of content, so the smallest ones are as good as drawn at random, and the same on every look: nothing is
chosen for how it looks. Two columns are read of every part, whole rows of the chosen ones alone.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import PurePath
from typing import Any

import pyarrow as pa

from mminstruct.pipeline.row_index import RowIndex
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.tables import Table
from mminstruct.rows import Image, Reject, Sample
from mminstruct.web.report.contents import Exhibit, Picture, RejectLine
from mminstruct.web.report.flow import TABLE_OF
from mminstruct.web.report.pictures import make_picture

N_SAMPLES = 24
N_PER_REASON = 2
_OF_AN_IMAGE = ("describe", "match")  # stages whose rejects have an image's id
_OF_A_PAIR = ("exemplars", "answer", "filter", "split")  # and a match's


@dataclass(frozen=True, order=True)
class _Place:
    row_id: str
    part: int


class Gallery:
    """Chooses and reads the rows. A row whose image or instruction is not there any more is shown without."""

    def __init__(self, tables: Tables, instructions: dict[str, str], max_pixels: int) -> None:
        """`instructions` are the final ones' texts by id."""
        self._tables = tables
        self._instructions = instructions
        self._max_pixels = max_pixels
        self._pictures: dict[str, Picture] = {}

    def samples(self) -> list[Exhibit]:
        """Return at most 24 samples: of as many instructions as possible, one after the other."""
        of_instruction = _smallest(self._tables.samples.columns(["sample_id", "instruction_id"]), N_SAMPLES)
        exhibits = []
        for place in _in_turn(of_instruction, N_SAMPLES):
            sample: Sample = self._tables.samples.pick(place.part, [place.row_id])[0]
            image = self._image(sample.image_id, place.part)
            exhibits.append(
                Exhibit(
                    row_id=sample.sample_id,
                    picture=self._picture(image),
                    instruction=sample.instruction,
                    text=sample.answer,
                    category=sample.category,
                    score=sample.score,
                    description=sample.description,
                    image_name=image.file_name if image else PurePath(sample.image).name,
                )
            )
        return exhibits

    def rejects(self, lines: Iterable[RejectLine]) -> list[Exhibit]:
        """Return two rejects of each stage and reason, in the order of `lines`."""
        by_stage: dict[str, list[RejectLine]] = {}
        for line in lines:
            by_stage.setdefault(line.stage, []).append(line)
        exhibits = []
        for stage, of_stage in by_stage.items():
            table = self._tables.of(TABLE_OF[stage])
            chosen = _smallest(table.reject_columns(["row_id", "reason"]), N_PER_REASON)
            exhibits += [self._reject(table, place, line) for line in of_stage for place in chosen.get(line.reason, [])]
        return exhibits

    def _reject(self, table: Table[Any], place: _Place, line: RejectLine) -> Exhibit:
        found = table.pick_rejects(place.part, place.row_id)
        reject = next(each for each in found if each.reason == line.reason)
        image, instruction = self._subject(reject, place.part)
        return Exhibit(
            row_id=reject.row_id,
            picture=self._picture(image),
            instruction=instruction,
            text=reject.raw_text,
            stage=line.stage,
            reason=line.reason,
            detail=reject.detail,
            description=image.description if image and image.description != reject.raw_text else "",
            n_of_reason=line.n,
            image_name=image.file_name if image else "",
        )

    def _subject(self, reject: Reject, part: int) -> tuple[Image | None, str]:
        """Return the image and the instruction that a reject speaks of, where its stage has them."""
        if reject.stage in _OF_AN_IMAGE:
            return self._image(reject.row_id, part), ""
        if reject.stage not in _OF_A_PAIR:
            return None, ""
        for place in self._matches.places(reject.row_id):
            for match in self._tables.matches.pick(place.part, [reject.row_id]):
                return self._image(match.image_id, place.part), self._instructions.get(match.instruction_id, "")
        return None, ""

    @cached_property
    def _matches(self) -> RowIndex:
        return self._tables.matches.index()

    @cached_property
    def _parts(self) -> dict[str, frozenset[int]]:
        """The numbers of the parts that have images: each look costs a listing of the folder."""
        return {table.name: frozenset(table.parts()) for table in (self._tables.captioned, self._tables.images)}

    def _image(self, image_id: str, part: int) -> Image | None:
        """Return an image's row; part k of each table speaks of the same images."""
        for table in (self._tables.captioned, self._tables.images):
            if part in self._parts[table.name] and (found := table.pick(part, [image_id])):
                return found[0]
        return None

    def _picture(self, image: Image | None) -> Picture | None:
        if image is None:
            return None
        if image.image_id not in self._pictures:
            self._pictures[image.image_id] = make_picture(image, self._max_pixels)
        return self._pictures[image.image_id]


def _smallest(parts: Iterable[tuple[int, pa.Table]], n: int) -> dict[str, list[_Place]]:
    """Return the `n` rows with the smallest ids for each value of the second column; the ids are in the first."""
    chosen: dict[str, list[_Place]] = {}
    for index, part in parts:
        ids, groups = (column.to_pylist() for column in part.columns)
        for row_id, group in zip(ids, groups, strict=True):
            places = chosen.setdefault(group, [])
            if len(places) < n or row_id < places[-1].row_id:
                insort(places, _Place(row_id, index))
                del places[n:]
    return chosen


def _in_turn(groups: dict[str, list[_Place]], n: int) -> list[_Place]:
    """Return `n` places, one of each group in turn; the groups in the order of their first ids."""
    ordered = sorted(groups.values())
    rounds = (places[turn] for turn in range(n) for places in ordered if turn < len(places))
    return list(islice(rounds, n))
