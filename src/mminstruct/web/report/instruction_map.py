"""The map of instructions, as much of it as a page can carry."""

from __future__ import annotations

from collections.abc import Sequence

from mminstruct.config.run import RunConfig
from mminstruct.errors import MMInstructError
from mminstruct.pipeline.run_tables import Tables
from mminstruct.rows import Instruction
from mminstruct.web.report.contents import InstructionMap, MapPoint

_MOST_RAW = 4000  # dots that a browser draws and moves without delay


def read_map(
    config: RunConfig, tables: Tables, instructions: Sequence[Instruction]
) -> tuple[InstructionMap | None, str]:
    """Return the map, or None and why there is none."""
    from mminstruct.web.maps.instruction_map import instruction_map

    n_raw = tables.raw_instructions.count()
    if not n_raw:
        return None, ""
    try:
        found = instruction_map(config, tables, _MOST_RAW)
    except MMInstructError as error:
        return None, str(error)
    final_ones = {each.instruction_id: each for each in instructions}
    points = []
    for (x, y), text, kind, cluster, became, reason in zip(
        found.xy.tolist(), found.text, found.kind, found.cluster, found.became, found.reason, strict=True
    ):
        final = final_ones.get(became)
        n_members = len(final.members) if final and kind == "final" else 0
        points.append(MapPoint(x, y, text, kind, min(final.clusters) if final else cluster, reason, n_members))
    n_final = sum(point.kind == "final" for point in points)
    n_texts = n_raw + sum(part.num_rows for _, part in tables.raw_instructions.reject_columns(["row_id"]))
    return InstructionMap(points, n_texts, len(points) - n_final, n_final, found.note), ""
