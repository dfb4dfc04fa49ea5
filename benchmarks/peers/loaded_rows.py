"""What a trainer's data code made of an export, in the form that trainer_loaders.py compares with the samples.

    input_ids, labels, pixel_values  ─►  {"seen": "USER: <image>\\nWrite a slogan. ASSISTANT: Ride on!</s>",
                                          "trained": ["Ride on!</s>"], "images": [[1.9, -1.7, -1.4]]}

It imports nothing of its own, for the trainers' environments have little in common.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

IGNORED = -100
MEAN, SPREAD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # of CLIP


def loaded_row(
    input_ids: Sequence[int], labels: Sequence[int] | None, decode: Callable[[list[int]], str], pixel_values: Any
) -> dict[str, Any]:
    """Return one row: the text of its tokens, of each run of tokens with a label, and its images' mean colours.

    `pixel_values`: images × 3 × height × width, None where the row has no image. Ids below 0 are places of images.
    """
    spans: list[list[int]] = []
    before = IGNORED
    for label in labels or []:
        if label != IGNORED:
            if before == IGNORED:
                spans.append([])
            spans[-1].append(label)
        before = label
    return {
        "seen": decode([token for token in input_ids if token >= 0]),
        "trained": None if labels is None else [decode([token for token in span if token >= 0]) for span in spans],
        "images": [] if pixel_values is None else pixel_values.float().mean(dim=(2, 3)).tolist(),
    }


def read_row(texts: Sequence[str], images: Sequence[Any]) -> dict[str, Any]:
    """Return a row of a reader that makes no tokens, its images (of PIL) as CLIP's processor would have them."""
    colours = [image.convert("RGB").resize((1, 1)).getpixel((0, 0)) for image in images]
    scaled = [
        [(value / 255 - mean) / spread for value, mean, spread in zip(colour, MEAN, SPREAD, strict=True)]
        for colour in colours
    ]
    return {"seen": "\n".join(texts), "trained": None, "images": scaled}


def write_rows(file: str, rows: list[dict[str, Any]]) -> None:
    """Write the rows to `file` as JSON: what the trainers print stays out of it."""
    Path(file).write_text(json.dumps(rows), encoding="utf-8")
