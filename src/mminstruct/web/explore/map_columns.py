"""What the map's page is sent: positions as bytes, and everything else as columns of one JSON text.

points    x of all points, then y of all points: little-endian float32
columns   {"ids": [...], "text": [...], "detail": [...], "score": [...], "image": COLUMN, "colours": {name: COLUMN}}
COLUMN    {"values": [...], "ids": [...], "codes": [...]}: a value of few, by its number, for each point; ids of
          values are what links are made of, where they have any
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mminstruct.errors import RunError
from mminstruct.rows import content_id
from mminstruct.web.explore.map_samples import placed_samples
from mminstruct.web.maps.instruction_map import NOWHERE, InstructionMap
from mminstruct.web.maps.kept import kept_instruction_map
from mminstruct.web.maps.project import Points, Told

if TYPE_CHECKING:
    from mminstruct.web.explore.library import RunExplorer


@dataclass(frozen=True)
class Drawing:
    """A map as it goes to the page; `key` names this one and no other."""

    key: str
    n: int
    note: str  # what is not on it, and why
    points: bytes
    columns: bytes


def instruction_drawing(explorer: RunExplorer, told: Told) -> Drawing:
    """Return the map of raw and final instructions. Raises RunError where there is none."""
    made = kept_instruction_map(explorer.own, explorer.config, explorer.folder, explorer.tables, told)
    if not made.ids:
        raise RunError("There are no instructions yet: stage augment writes them. The map comes when they do.")
    columns = {
        "ids": made.ids,
        "text": made.text,
        "detail": made.detail,
        "colours": {
            "cluster": _clusters(made),
            "category": _column(made.category),
            "kind": _column(made.kind),
            "reason": _column(made.reason),
        },
    }
    return _drawing(made.xy, columns, made.note)


def sample_drawing(explorer: RunExplorer, told: Told) -> Drawing:
    """Return the map of samples and rejected answers. Raises RunError where there is none."""
    samples = placed_samples(explorer, told)
    ids, status, reason, instruction, image, category, source, score = zip(*samples.rows, strict=True)
    texts = dict(explorer.select("SELECT instruction_id, text FROM instructions"))
    columns = {
        "ids": ids,
        "score": [None if value is None else round(value, 3) for value in score],
        "image": _column(image),
        "colours": {
            "instruction": _column(instruction, texts),
            "category": _column(category),
            "source": _column(source),
            "status": _column(status),
            "reason": _column(reason),
        },
    }
    return _drawing(samples.xy, columns, samples.note)


def _drawing(xy: Points, columns: dict[str, Any], note: str) -> Drawing:
    points = np.ascontiguousarray(xy.T).astype("<f4").tobytes()
    text = json.dumps(columns, ensure_ascii=False, separators=(",", ":"))
    return Drawing(content_id(points.hex(), text), len(xy), note, points, text.encode("utf-8", "replace"))


def _clusters(made: InstructionMap) -> dict[str, Any]:
    """Return the clusters under the final instruction that each became; of a rejected one, its number is the name."""
    finals = {
        row_id: text for row_id, text, kind in zip(made.ids, made.text, made.kind, strict=True) if kind == "final"
    }
    keys = [became or number for became, number in zip(made.became, made.cluster, strict=True)]
    column = _column(keys)
    column["values"] = [finals.get(key, "" if key == NOWHERE else f"#{key}") for key in column["values"]]
    column["ids"] = [key if key in finals else "" for key in column["ids"]]
    return column


def _column(values: Sequence[Hashable], texts: dict[Any, str] | None = None) -> dict[str, Any]:
    """Return a column of few different values; with `texts`, the values are ids, and are shown by their text."""
    codes: dict[Hashable, int] = {}
    numbers = [codes.setdefault(value, len(codes)) for value in values]
    keys = ["" if key is None else key for key in codes]
    return {"values": [texts.get(key, key) for key in keys] if texts else keys, "ids": keys, "codes": numbers}
