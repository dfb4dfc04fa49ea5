"""Where each row of a table is, without reading the table: its ids, sorted, each with the number of its part.

    04_matches/_rows.index     id, part, rejected; sorted by id; and the number of rows of every part

The file is a Parquet file, of which a search reads one row group. The parts themselves stay the truth: the index holds
a hash of their names, sizes and times, and is made anew from their ids where that has changed, where the index is
missing (a run of an older version), or cannot be read. Few parts are read each time, and no index is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from mminstruct.pipeline.tables import FileState, Folder

NAME = "_rows.index"
_KEPT_FROM = 16  # files; an index of fewer would save nobody time
_N_THREADS = 8  # files are read at once, for object stores
_GROUP_SIZE = 16_384  # rows
_SCHEMA = pa.schema([("id", pa.string()), ("part", pa.int32()), ("rejected", pa.bool_())])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row is: in a part of a table, or in the rejects of that part."""

    row_id: str
    part: int
    rejected: bool


class RowIndex:
    """The index of one table, as it is at this moment. Raises what pyarrow does where a part cannot be read."""

    def __init__(self, folder: Folder, table: str, id_column: str) -> None:
        self._folder = folder
        self._name = f"{table}/{NAME}"
        parts, rejects = folder.states(table), folder.states(f"{table}/rejects")
        self._state = _hash_of([*_parts(parts), None, *_parts(rejects)])
        self._file = self._open()
        if self._file is None:
            files = [(f"{table}/{state.name}", number, id_column, False) for number, state in _numbered(parts)]
            known = {number for _, number, _, _ in files}
            files += [
                (f"{table}/rejects/{state.name}", number, "row_id", True)
                for number, state in _numbered(rejects)
                if number in known  # else the part is not finished: its rejects are written first
            ]
            self._file = self._make(files)
        self._counts: dict[str, int] = json.loads(self._file.schema_arrow.metadata[b"counts"])

    def counts(self) -> dict[int, int]:
        """Return the number of rows of each part, in the parts' order; rejects are not counted."""
        return {int(part): n for part, n in self._counts.items()}

    def find(self, prefix: str) -> pa.Table:
        """Return the columns id, part and rejected of all rows whose id begins with `prefix`."""
        assert self._file is not None
        groups = [group for group in range(self._file.num_row_groups) if self._may_hold(group, prefix)]
        found = self._file.read_row_groups(groups, use_threads=False)
        return found.filter(pc.starts_with(found.column("id"), pattern=prefix))

    def places(self, row_id: str) -> list[Place]:
        """Return where the row with this id is; more than one place where it was rejected more than once."""
        return [place for place in to_places(self.find(row_id)) if place.row_id == row_id]

    def _may_hold(self, group: int, prefix: str) -> bool:
        assert self._file is not None
        bounds = self._file.metadata.row_group(group).column(0).statistics
        if bounds is None or not bounds.has_min_max:
            return True
        return bool(bounds.min[: len(prefix)] <= prefix <= bounds.max[: len(prefix)])

    def _open(self) -> pq.ParquetFile | None:
        """Return the index on disk if it speaks of the parts as they are."""
        try:
            file = pq.ParquetFile(self._folder.open(self._name), pre_buffer=False)
            fresh = file.schema_arrow.metadata[b"state"] == self._state
        except (OSError, pa.ArrowException, LookupError, TypeError):
            return None
        return file if fresh else None

    def _make(self, files: list[tuple[str, int, str, bool]]) -> pq.ParquetFile:
        with ThreadPoolExecutor(_N_THREADS, thread_name_prefix="row-index") as pool:
            read = list(pool.map(lambda file: self._read_ids(*file), files))
        counts = {number: len(ids) for (_, number, _, rejected), ids in zip(files, read, strict=True) if not rejected}
        metadata = {b"state": self._state, b"counts": json.dumps(counts).encode()}
        table = pa.concat_tables([_SCHEMA.empty_table(), *read]).sort_by("id").replace_schema_metadata(metadata)
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", use_dictionary=["part"], row_group_size=_GROUP_SIZE)
        data = sink.getvalue()
        if len(files) >= _KEPT_FROM:
            with contextlib.suppress(OSError):  # somebody who may only read the run does without
                self._folder.write(self._name, data)
        return pq.ParquetFile(pa.BufferReader(data))

    def _read_ids(self, name: str, number: int, column: str, rejected: bool) -> pa.Table:
        with self._folder.open(name) as stream, pq.ParquetFile(stream, pre_buffer=False) as file:
            ids = file.read(columns=[column], use_threads=False).column(0)
        columns = [ids, pa.repeat(pa.scalar(number, pa.int32()), len(ids)), pa.repeat(rejected, len(ids))]
        return pa.table(columns, schema=_SCHEMA)


def to_places(found: pa.Table) -> list[Place]:
    """Return the rows of what `RowIndex.find` gives."""
    return [Place(*values) for values in zip(*(column.to_pylist() for column in found.columns), strict=True)]


def part_number(name: str) -> int | None:
    """Return the number in a part's file name; None where it is no part.

    >>> part_number("part-00012.parquet"), part_number("_rows.index")
    (12, None)
    """
    number = name.removeprefix("part-").removesuffix(".parquet")
    return int(number) if name.endswith(".parquet") and number.isdigit() else None


def _numbered(states: Iterable[FileState]) -> list[tuple[int, FileState]]:
    numbered = ((part_number(state.name), state) for state in states)
    return sorted((number, state) for number, state in numbered if number is not None)


def _parts(states: Iterable[FileState]) -> list[FileState]:
    return [state for _, state in _numbered(states)]


def _hash_of(states: list[FileState | None]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for state in states:
        digest.update(repr(state).encode())
    return digest.hexdigest().encode()
