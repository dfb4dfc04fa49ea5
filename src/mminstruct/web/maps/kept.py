"""Maps on disk, so that the next look takes no time: RUN/explore/NAME.parquet, with the state that it was made of.

Written under a name of its own and renamed, whole or not at all: two processes may make the same map, and any may be
killed. Where the tables or the settings behind it have changed since, or it cannot be read, it is made anew.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mminstruct.config.run import RunConfig
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.tables import Folder
from mminstruct.rows import content_id
from mminstruct.web.maps.instruction_map import InstructionMap, instruction_map
from mminstruct.web.maps.project import Points, Told
from mminstruct.web.maps.sample_map import ImagePoints, image_points
from mminstruct.web.own_folder import OwnFolder

_WAY = "1"  # another number where the same tables come to give another map
_INSTRUCTIONS, _IMAGES = "instruction_map", "image_map"
_TEXTS = ("ids", "text", "kind", "became", "reason", "detail", "category")


def kept_instruction_map(
    own: OwnFolder, config: RunConfig, folder: Folder, tables: Tables, told: Told
) -> InstructionMap:
    """Return the map of all instructions, from disk where it is there. Raises what `instruction_map` does."""
    state = instruction_state(config, folder, tables)
    found = _read(own, _INSTRUCTIONS, state)
    if found is not None:
        columns = {name: found.column(name).to_pylist() for name in _TEXTS}
        return InstructionMap(_points(found), cluster=found.column("cluster").to_pylist(), **columns)
    made = instruction_map(config, tables, told=told)
    if not made.note:  # what is missing now may be there next time
        texts = {name: pa.array(getattr(made, name), pa.string()) for name in _TEXTS}
        _keep(own, _INSTRUCTIONS, state, made.xy, {**texts, "cluster": pa.array(made.cluster, pa.int32())})
    return made


def kept_image_points(own: OwnFolder, config: RunConfig, folder: Folder, tables: Tables, told: Told) -> ImagePoints:
    """Return the points of all images, from disk where they are there. Raises what `image_points` does."""
    state = image_state(config, folder, tables)
    found = _read(own, _IMAGES, state)
    if found is not None:
        return ImagePoints(found.column("image_id").to_pylist(), _points(found))
    made = image_points(config, tables, told)
    if not made.note:
        _keep(own, _IMAGES, state, made.xy, {"image_id": pa.array(made.image_ids, pa.string())})
    return made


def instruction_state(config: RunConfig, folder: Folder, tables: Tables) -> str:
    """Return what changes when the map of instructions would become another one."""
    names = [tables.raw_instructions.name, tables.instructions.name]
    return _state(config, folder, [*names, *(f"{name}/rejects" for name in names)])


def image_state(config: RunConfig, folder: Folder, tables: Tables) -> str:
    """Return what changes when the points of images would become others."""
    return _state(config, folder, [tables.captioned.name])


def _state(config: RunConfig, folder: Folder, tables: Sequence[str]) -> str:
    sections = [config.embedder, config.match.encoder, config.summarize]
    settings = [section.model_dump_json() for section in sections]
    files = [[list(state) for state in folder.states(name) if state.name.startswith("part-")] for name in tables]
    return content_id(_WAY, str(config.seed), *settings, json.dumps(files))


def _read(own: OwnFolder, name: str, state: str) -> pa.Table | None:
    """Return the map on disk if it is of this state."""
    with contextlib.suppress(OSError, pa.ArrowException, LookupError, TypeError):
        table = pq.read_table(own.path / f"{name}.parquet", use_threads=False)
        if table.schema.metadata[b"state"] == state.encode():
            return table
    return None


def _keep(own: OwnFolder, name: str, state: str, xy: Points, columns: dict[str, pa.Array]) -> None:
    """Write the map; on a full disk it is made anew next time."""
    table = pa.table({"x": pa.array(xy[:, 0]), "y": pa.array(xy[:, 1]), **columns})
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata({"state": state}), sink, compression="zstd")
    with contextlib.suppress(OSError):
        own.write(f"{name}.parquet", sink.getvalue().to_pybytes())


def _points(table: pa.Table) -> Points:
    return np.stack([table.column(name).to_numpy() for name in ("x", "y")], axis=1)
