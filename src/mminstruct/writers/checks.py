"""What every training file must hold, whatever its format, so that no training run breaks on a row hours later.

Conversation, Conversation, Fault, …  ─►  CheckReport(n_rows=3, …, faults={missing_image: 1 row, the first examples})
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mminstruct.imaging import BadImage, inspect_image
from mminstruct.writers.conversations import Conversation, Fault, FaultKind
from mminstruct.writers.seen import Seen

# Trainers open images with Pillow, which refuses more than twice its `MAX_IMAGE_PIXELS` of 2^30 / 12.
_MAX_PIXELS = 2 * (2**30 // 12)


@dataclass(slots=True)
class FaultTally:
    """How many rows have one kind of fault, and the first of them."""

    n_rows: int = 0
    examples: list[Fault] = field(default_factory=list)


@dataclass(slots=True)
class CheckReport:
    """What a check found. A row may have faults of several kinds."""

    n_rows: int = 0
    n_faulty_rows: int = 0
    n_text_only: int = 0  # rows without an image
    n_images: int = 0  # different ones
    n_addresses: int = 0  # of these, http://… and the like, which nobody looked at
    faults: dict[FaultKind, FaultTally] = field(default_factory=dict)  # in the order of FaultKind


def check_conversations(
    rows: Iterable[Conversation | Fault],
    base: Path | None,
    open_images: bool,
    needs_image: bool = False,
    n_examples: int = 3,
    ignore: Collection[FaultKind] = (),
) -> CheckReport:
    """Check all rows in one pass, each different image once; of rows gone by, hashes of ids and images stay in memory.

    Image paths are relative to `base`, or to the working folder without one. With `open_images` each image is decoded;
    without, it has to be a file that is not empty. With `needs_image` a row without an image is a fault; else it is
    text for a text-only batch. Faults of the kinds in `ignore` are none.
    """
    report = CheckReport()
    images = _Images(base, open_images)
    ids = Seen()
    tallies = {kind: FaultTally() for kind in FaultKind}
    told = set(FaultKind) if n_examples else set()  # kinds that want more examples
    for number, row in enumerate(rows, start=1):
        found = [(row.kind, row.detail)] if isinstance(row, Fault) else list(turn_faults(row, needs_image))
        if row.id and ids.add(row.id):
            found.append((FaultKind.DUPLICATE_ID, "its id came before"))
        if isinstance(row, Conversation):
            report.n_text_only += not row.images
            found += images.faults(row, told)
        report.n_rows = number
        if not found:
            continue
        first = {kind: detail for kind, detail in reversed(found) if kind not in ignore}  # of each kind
        report.n_faulty_rows += bool(first)
        for kind, detail in first.items():
            tallies[kind].n_rows += 1
            if kind in told:
                tallies[kind].examples.append(Fault(kind, number, row.id, detail))
                told -= {kind} if len(tallies[kind].examples) == n_examples else set()
    report.n_images, report.n_addresses = images.n_images, images.n_addresses
    report.faults = {kind: tally for kind, tally in tallies.items() if tally.n_rows}
    return report


def turn_faults(row: Conversation, needs_image: bool) -> Iterator[tuple[FaultKind, str]]:
    """Yield what the row itself shows, without looking at files or other rows."""
    roles = [turn.role for turn in row.turns]
    spoken = roles[1:] if roles[:1] == ["system"] else roles
    if not roles:
        yield FaultKind.NO_TURNS, "it has no turns"
    elif spoken != ["user", "assistant"] * (len(spoken) // 2) or not spoken:
        shown = ", ".join(roles[:6]) + (", …" if len(roles) > 6 else "")
        yield FaultKind.TURN_ORDER, f"its turns do not alternate from user to assistant: {shown}"
    for number, turn in enumerate(row.turns, start=1):
        if not turn.text.strip() and turn.role != "system":
            if turn.role == "user":
                yield FaultKind.EMPTY_INSTRUCTION, f"its instruction is empty (turn {number})"
            else:
                yield FaultKind.EMPTY_ANSWER, f"its answer is empty (turn {number})"
    if row.n_marks is not None and row.n_marks != len(row.images):
        yield FaultKind.MARK_COUNT, f"found {row.n_marks} image marks for {len(row.images)} images"
    if needs_image and not row.images:
        yield FaultKind.NO_IMAGE, "it has no image"


class _Images:
    """Looks at each different image once, and remembers by its hash what kind of fault it has."""

    def __init__(self, base: Path | None, open_images: bool) -> None:
        self.n_addresses = 0
        self._base = base
        self._open_images = open_images
        self._seen = Seen()
        self._faulty: dict[int, FaultKind] = {}

    @property
    def n_images(self) -> int:
        return len(self._seen)

    def faults(self, row: Conversation, told: set[FaultKind]) -> list[tuple[FaultKind, str]]:
        """Return the faults of the row's images, those of the kinds `told` with their detail."""
        found = []
        for image in row.images:
            is_known = self._seen.add(image)
            kind = self._faulty.get(hash(image)) if is_known else None
            if is_known and kind is None:
                continue
            if kind is not None and kind not in told:
                found.append((kind, ""))
                continue
            # Details of known images are not kept, for a million may be missing: look again.
            fault = image_fault(image, self._base, self._open_images)
            if fault is not None:
                self._faulty[hash(image)] = fault[0]
                found.append(fault)
            elif not is_known:
                self.n_addresses += isinstance(image, str) and "://" in image
        return found


def image_fault(image: str | bytes, base: Path | None, open_image: bool) -> tuple[FaultKind, str] | None:
    """Return what is wrong with one image, None if nothing is, or if it is an address, which nobody looks at.

    A path is relative to `base`. Without `open_image` the file has to be there, and not empty.
    """
    if isinstance(image, bytes):
        return _bytes_fault(image, "its embedded image", open_image)
    if "://" in image:
        return None
    path = os.path.join(base or "", image)  # noqa: PTH118 - a Path takes twice the time, for every image
    try:
        state = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):  # ValueError: a path with a null character
        state = None
    if state is None or not stat.S_ISREG(state.st_mode):
        where = f" below {base}" if base and not os.path.isabs(image) else ""  # noqa: PTH117
        return FaultKind.MISSING_IMAGE, f"its image {image} does not exist{where}"
    if state.st_size == 0:
        return FaultKind.BROKEN_IMAGE, f"its image {image} is an empty file"
    if not open_image:
        return None
    try:
        return _bytes_fault(Path(path).read_bytes(), f"its image {image}", True)
    except OSError as error:
        return FaultKind.MISSING_IMAGE, f"its image {image} cannot be read ({error})"


def _bytes_fault(data: bytes, name: str, open_images: bool) -> tuple[FaultKind, str] | None:
    if not data:
        return FaultKind.BROKEN_IMAGE, f"{name} is an empty file"
    if open_images:
        try:
            inspect_image(data, _MAX_PIXELS)
        except BadImage as error:
            return FaultKind.BROKEN_IMAGE, f"{name} does not open: {error.detail}"
    return None
