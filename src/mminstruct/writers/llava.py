"""LLaVA's training format: a JSON list of conversations about images.

    Sample  ─►  {"id": "5f…", "image": "images/coco/17.jpg", "conversations": [
                    {"from": "human", "value": "<image>\\nWrite a slogan for …"}, {"from": "gpt", "value": "Ride …"}]}

The form is the one that `llava/train/train.py` of LLaVA reads (`LazySupervisedDataset`, `preprocess_multimodal`,
`preprocess_v1`); LLaVA-NeXT and ms-swift read the same. The file has one row a line, so that neither writing nor
checking it holds more than a row in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mminstruct.errors import ExportError
from mminstruct.rows import Sample
from mminstruct.writers.folder import whole_folder
from mminstruct.writers.images import ImageMode, ImagePlacer

TRAIN_FILE = "train.json"
IMAGE_MARK = "<image>"

# What LLaVA's loader reads as a sign of its own wherever it stands: the place of the image, and the end of a turn.
_SIGNS = {IMAGE_MARK: "< image >", "</s>": "< /s >", "<s>": "< s >"}


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export wrote."""

    out: Path
    n_samples: int
    n_images: int
    n_copied: int  # image files written
    n_linked: int  # links made
    n_signs_spaced: int  # literal "<image>", "</s>" and "<s>" in texts, spaced out so that they stay text


def write_llava(
    samples: Iterable[Sample],
    out: Path,
    image_mode: ImageMode = "copy",
    image_root: Path | None = None,
    overwrite: bool = False,
) -> ExportReport:
    """Write `out/train.json` and, unless the mode is `none`, `out/images/<source>/…`; then read it back and check it.

    With `none`, image paths are relative to `image_root`, and absolute without one.

    Raises ExportError where `out` is in the way, an image cannot be reached, or the check fails; `out` is then as it
    was before.
    """
    with whole_folder(out, overwrite, TRAIN_FILE) as folder:
        images = ImagePlacer(folder, out, image_mode, image_root)
        n_samples, n_signs = _write(samples, folder / TRAIN_FILE, images)
        check_llava(folder / TRAIN_FILE, images.base, n_samples, images.n_images)
    return ExportReport(out, n_samples, images.n_images, images.n_copied, images.n_linked, n_signs)


def _write(samples: Iterable[Sample], path: Path, images: ImagePlacer) -> tuple[int, int]:
    """Write all rows; return how many, and how many signs were spaced out."""
    n_samples = n_signs = 0
    with path.open("w", encoding="ascii", newline="\n") as file:
        for sample in samples:
            row, n_spaced = _row(sample, images.place(sample))
            # ASCII, because LLaVA opens the file in whatever encoding its machine prefers.
            file.write(("[\n" if n_samples == 0 else ",\n") + json.dumps(row, ensure_ascii=True))
            n_samples += 1
            n_signs += n_spaced
        file.write("\n]\n")
    if n_samples == 0:
        raise ExportError("There is not one sample to export. See the rejects of the run for where they were dropped.")
    return n_samples, n_signs


def _row(sample: Sample, image: str) -> tuple[dict[str, Any], int]:
    instruction, n_in_instruction = _as_text(sample.instruction)
    answer, n_in_answer = _as_text(sample.answer)
    turns = [{"from": "human", "value": f"{IMAGE_MARK}\n{instruction}"}, {"from": "gpt", "value": answer}]
    return {"id": sample.sample_id, "image": image, "conversations": turns}, n_in_instruction + n_in_answer


def _as_text(text: str) -> tuple[str, int]:
    """Return the text with the loader's signs spaced out, and their number.

    >>> _as_text("Use the <image> tag.")
    ('Use the < image > tag.', 1)
    """
    n_signs = 0
    for sign, spaced in _SIGNS.items():
        n_signs += text.count(sign)
        text = text.replace(sign, spaced)
    return text.strip(), n_signs


def check_llava(path: Path, base: Path | None, n_samples: int, n_images: int) -> None:
    """Read an export back and check what a trainer relies on.

    Every row has an image that exists and one image mark, at the start of its first turn; turns alternate from human
    to gpt and none is empty; ids are unique; rows and images are as many as were written.

    Raises ExportError, which names the row.
    """
    ids: set[str] = set()
    images: set[str] = set()
    n_rows = 0
    for row in _rows(path):
        n_rows += 1
        fault = _fault(row)
        if row["id"] in ids:
            fault = "its id came before"
        elif row["image"] not in images and not _exists(base, row["image"]):
            fault = f"its image {row['image']} does not exist" + (f" below {base}" if base else "")
        if fault:
            raise ExportError(f"The export did not pass its check: sample {row['id']} in row {n_rows}: {fault}.")
        ids.add(row["id"])
        images.add(row["image"])
    if (n_rows, len(images)) != (n_samples, n_images):
        raise ExportError(
            f"The export did not pass its check: found {n_rows} rows with {len(images)} images, expected {n_samples} "
            f"with {n_images}."
        )


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a JSON list that has one a line: "[", rows with a comma after each but the last, "]"."""
    with path.open(encoding="ascii") as file:
        lines = (line.rstrip("\n") for line in file)
        well_formed = next(lines, "") == "["
        more = True
        while well_formed and more:
            line = next(lines, "")
            more = line.endswith(",")
            try:
                yield json.loads(line.removesuffix(","))
            except json.JSONDecodeError:
                well_formed = False
        if not well_formed or list(lines) != ["]"]:
            raise ExportError(f"The export did not pass its check: {path.name} is not a JSON list with a row a line.")


def _fault(row: dict[str, Any]) -> str:
    """Return what is wrong with a row's turns, "" where nothing is."""
    turns = row["conversations"]
    first = turns[0]["value"] if turns else ""
    n_marks = sum(turn["value"].count(IMAGE_MARK) for turn in turns)
    if [turn["from"] for turn in turns] != ["human", "gpt"] * (len(turns) // 2) or not turns:
        return "its turns do not alternate from human to gpt"
    if n_marks != 1 or not first.startswith(f"{IMAGE_MARK}\n"):
        return f"found {n_marks} image marks, expected one at the start of the first turn"
    if not first.removeprefix(IMAGE_MARK).strip():
        return "its instruction is empty"
    if not all(turn["value"].strip() for turn in turns):
        return "its answer is empty"
    return ""


def _exists(base: Path | None, image: str) -> bool:
    path = base / image if base else Path(image)
    return path.is_file() and path.stat().st_size > 0
