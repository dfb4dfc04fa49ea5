"""Rows of somebody's LLaVA or ShareGPT file that train beside a run's samples, as the paper trains on the 665k mix too.

    llava_v1_5_mix665k.json, ratio 0.5  ─►  Conversation("mix-17-000000033471", ("images/mix/33471.jpg",), …)

The file is read a row at a time, a JSON list on one line of a gigabyte as well. Which rows are taken depends on their
number, their id and the seed alone. Ids get the row's number, for the ids of that file repeat.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from mminstruct.errors import ExportError
from mminstruct.writers.checks import check_conversations
from mminstruct.writers.conversations import Conversation, Fault, FaultKind, Turn
from mminstruct.writers.format import as_text
from mminstruct.writers.sharegpt import read_sharegpt

SOURCE = "mix"  # the folder of its images in an export

PlaceFile = Callable[[Path, str, str], str | bytes]  # file, source, row id to what a row holds


@dataclass(frozen=True, slots=True)
class Mix:
    """Which rows of which file are added."""

    file: Path
    ratio: float = 1.0  # over 0 up to 1: the share of its rows that is taken
    image_root: Path | None = None  # what its image paths are relative to; None: the file's folder
    seed: int = 0

    @property
    def root(self) -> Path:
        """The folder of its images."""
        return self.image_root if self.image_root is not None else self.file.parent


@dataclass
class MixTally:
    """What became of a mix's rows."""

    n_rows: int = 0
    n_taken: int = 0
    n_text_only: int = 0  # of those taken
    n_signs: int = 0  # spaced out in texts
    left_out: Counter[FaultKind] = field(default_factory=Counter)  # rows that no trainer could use
    first_left_out: Fault | None = None


def mixed_rows(mix: Mix, place_file: PlaceFile, tally: MixTally) -> Iterator[Conversation]:
    """Yield the rows that are taken, in the file's order, with their images placed; count all in `tally`.

    A row that the checks of every export would refuse is left out and counted by its fault. Rows without an image are
    taken as text.

    Raises SourceError where the file cannot be read, ExportError where the ratio is none, an image is not there, or no
    row that was drawn can be used.
    """
    if not 0 < mix.ratio <= 1:
        raise ExportError(f"The mix's ratio is {mix.ratio}, expected more than 0 and at most 1: the share to be taken.")
    for number, row in enumerate(read_sharegpt(mix.file), start=1):
        tally.n_rows += 1
        if not _is_drawn(mix, number, row.id):
            continue
        fault = row if isinstance(row, Fault) else _fault(mix, number, row)
        if fault is not None:
            tally.left_out[fault.kind] += 1
            tally.first_left_out = tally.first_left_out or replace(fault, row=number)
        elif isinstance(row, Conversation):
            tally.n_taken += 1
            tally.n_text_only += not row.images
            yield _placed(mix, number, row, place_file, tally)
    if tally.first_left_out and not tally.n_taken:
        raise ExportError(
            f"Of {mix.file} no row can be used: {tally.left_out.total():,} were drawn, and the first, row "
            f"{tally.first_left_out.row:,}, has this fault: {tally.first_left_out.detail}. Expected rows in LLaVA's or "
            f"ShareGPT's form; `mminstruct validate {mix.file}` says more."
        )


def _is_drawn(mix: Mix, number: int, row_id: str) -> bool:
    if mix.ratio == 1:
        return True
    digest = hashlib.blake2b(f"{mix.seed}/{number}/{row_id}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") < mix.ratio * 2**64


def _fault(mix: Mix, number: int, row: Conversation) -> Fault | None:
    """Return what is wrong with a row, None where nothing is. Raises ExportError for an image that is not there."""
    report = check_conversations([row], mix.root, open_images=False, n_examples=1)
    if not report.faults:
        return None
    fault = next(iter(report.faults.values())).examples[0]
    if fault.kind in (FaultKind.MISSING_IMAGE, FaultKind.BROKEN_IMAGE):
        raise ExportError(
            f"Row {number} of {mix.file} (id {row.id!r}): {fault.detail}. Name the folder of the mix's images with "
            "--mix-image-root, or take the row out."
        )
    return fault


def _placed(mix: Mix, number: int, row: Conversation, place_file: PlaceFile, tally: MixTally) -> Conversation:
    row_id = f"{SOURCE}-{number}-{row.id}" if row.id else f"{SOURCE}-{number}"
    images = tuple(
        place_file(mix.root / image, SOURCE, row_id) if isinstance(image, str) and "://" not in image else image
        for image in row.images
    )
    turns = []
    for turn in row.turns:
        text, n_signs = as_text(turn.text)
        tally.n_signs += n_signs
        turns.append(Turn(turn.role, text))
    return Conversation(row_id, images, tuple(turns), None)
