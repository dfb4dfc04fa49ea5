"""The map of instructions, as much of it as a page can carry."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from mminstruct.config.run import RunConfig
from mminstruct.errors import MMInstructError
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.tables import Folder
from mminstruct.rows import Instruction
from mminstruct.web.maps import instruction_map as maps
from mminstruct.web.maps.kept import kept_instruction_map
from mminstruct.web.own_folder import OwnFolder
from mminstruct.web.report.contents import InstructionMap, MapPoint

_MOST_RAW = 4000  # dots that a browser draws and moves without delay


def read_map(
    config: RunConfig, folder: Folder, tables: Tables, instructions: Sequence[Instruction]
) -> tuple[InstructionMap | None, str]:
    """Return the map, or None and why there is none."""
    n_raw = tables.raw_instructions.count()
    if not n_raw:
        return None, ""
    n_texts = n_raw + sum(part.num_rows for _, part in tables.raw_instructions.reject_columns(["row_id"]))
    try:
        found = _made(config, folder, tables, n_texts)
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
    return InstructionMap(points, n_texts, len(points) - n_final, n_final, found.note), ""


def _made(config: RunConfig, folder: Folder, tables: Tables, n_texts: int) -> maps.InstructionMap:
    """Return the explorer's map, which is kept beside the run; where that has too many dots, a smaller one."""
    if n_texts > _MOST_RAW:
        return maps.instruction_map(config, tables, _MOST_RAW)
    with closing(OwnFolder(folder.location)) as own:
        return kept_instruction_map(own, config, folder, tables, lambda share: None)
