"""Samples and rejected answers with their points: what the map draws and what is written for other programs.

explorer's rows ⋈ the points of their images ─► PlacedSamples ─► map_columns.py, or a Parquet file
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mminstruct.errors import RunError
from mminstruct.rows import Answer
from mminstruct.web.explore.library import RunExplorer
from mminstruct.web.maps.kept import kept_image_points
from mminstruct.web.maps.project import Points, Told
from mminstruct.web.maps.sample_map import sample_points

_ROWS = """
SELECT id, status, reason, instruction_id, image_id, category, source, score
FROM rows WHERE image_id IS NOT NULL AND instruction_id IS NOT NULL ORDER BY n
"""
_TEXTS = ("id", "instruction", "answer", "status", "reason", "category", "source", "image_id")
_SCHEMA = pa.schema(
    [("x", pa.float32()), ("y", pa.float32()), *((name, pa.string()) for name in _TEXTS), ("score", pa.float64())]
)


@dataclass(frozen=True)
class PlacedSamples:
    """A point a row."""

    rows: list[tuple[Any, ...]]  # id, status, reason, instruction_id, image_id, category, source, score
    xy: Points
    note: str  # what is not on the map, and why


def placed_samples(explorer: RunExplorer, told: Told) -> PlacedSamples:
    """Return all samples and rejected answers whose image has a point. Raises RunError where there is none."""
    rows = explorer.select(_ROWS)
    if not rows:
        raise RunError("There are no answers yet: stage answer writes them. The map comes when they do.")
    images = kept_image_points(explorer.own, explorer.config, explorer.folder, explorer.tables, told)
    places = {image_id: place for place, image_id in enumerate(images.image_ids)}
    placed = [row for row in rows if row[4] in places]
    if not placed:
        raise RunError(images.note or "None of the answers belongs to an image of this run.")
    xy = sample_points(images.xy, np.array([places[row[4]] for row in placed], np.int64))
    n_left_out = len(rows) - len(placed)
    return PlacedSamples(placed, xy, f"{n_left_out:,} rows are not on the map. {images.note}" if n_left_out else "")


def write_atlas(run_dir: str, file: Path) -> int:
    """Write the map of samples as Parquet with columns x, y, texts and score; return the number of rows.

    `embedding-atlas FILE --x x --y y --text instruction` shows it. Raises RunError where there is no map.
    """
    explorer = RunExplorer(run_dir)
    temporary = file.with_name(f"{file.name}.tmp")
    n = 0
    try:
        placed = placed_samples(explorer, lambda share: None)
        points = {row[0]: (row, point) for row, point in zip(placed.rows, placed.xy.tolist(), strict=True)}
        instructions = dict(explorer.select("SELECT instruction_id, text FROM instructions"))
        with pq.ParquetWriter(temporary, _SCHEMA, compression="zstd") as writer:
            for part in explorer.tables.answers.parts():
                answers = [answer for answer in explorer.tables.answers.read_part(part) if answer.answer_id in points]
                lines = [_line(answer, *points[answer.answer_id], instructions) for answer in answers]
                writer.write_table(pa.Table.from_pylist(lines, _SCHEMA))
                n += len(lines)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
        explorer.close()
    return n


def _line(answer: Answer, row: tuple[Any, ...], point: list[float], instructions: dict[str, str]) -> dict[str, Any]:
    row_id, status, reason, instruction_id, image_id, category, source, score = row
    texts = (row_id, instructions.get(instruction_id), answer.answer, status, reason, category, source, image_id)
    return dict(zip(_SCHEMA.names, (*point, *texts, score), strict=True))
