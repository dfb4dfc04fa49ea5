"""A run's tables on disk: numbered Parquet parts, each written under a temporary name and renamed.

    04_matches/part-00000.parquet            rows that go on
    04_matches/rejects/part-00000.parquet    rows that were dropped, with their reasons

Part k is finished exactly when `part-k.parquet` exists: its rejects are written before it. The folder is a path or
any URI that pyarrow's file systems read (`s3://…`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import fields
from typing import Any, Generic, NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from mminstruct.errors import RunError
from mminstruct.pipeline.row_index import RowIndex, part_number
from mminstruct.rows import Reason, Reject, arrow_schema

RowT = TypeVar("RowT")
_COMPRESSION = "zstd"


class FileState(NamedTuple):
    """What changes when a file does; `changed_ns` is its time of change in nanoseconds."""

    name: str
    size: int
    changed_ns: int


class Folder:
    """A folder on a local disk or an object store."""

    def __init__(self, location: str) -> None:
        if "://" in location:
            self._files, self._root = pafs.FileSystem.from_uri(location)
        else:
            self._files, self._root = pafs.LocalFileSystem(), location
        self.location = location

    def path(self, name: str) -> str:
        """Return the file system's own path of `name`."""
        return f"{self._root.rstrip('/')}/{name}"

    def names(self, name: str) -> list[str]:
        """Return the names of the files right inside the folder `name`, sorted; none where it is missing."""
        return [state.name for state in self.states(name)]

    def states(self, name: str) -> list[FileState]:
        """Return the states of the files right inside the folder `name`, sorted; none where it is missing."""
        selector = pafs.FileSelector(self.path(name), allow_not_found=True)
        infos = (info for info in self._files.get_file_info(selector) if info.is_file)
        return sorted(FileState(info.base_name, info.size or 0, info.mtime_ns or 0) for info in infos)

    def exists(self, name: str) -> bool:
        """Tell whether the file or folder is there."""
        return bool(self._files.get_file_info(self.path(name)).type != pafs.FileType.NotFound)

    def read(self, name: str) -> bytes:
        """Return a file's bytes."""
        with self._files.open_input_file(self.path(name)) as stream:
            data: bytes = stream.read()
            return data

    def open(self, name: str) -> pa.NativeFile:
        """Return a file for reading at any place."""
        return self._files.open_input_file(self.path(name))

    def write(self, name: str, data: bytes | pa.Buffer) -> None:
        """Write a file whole or not at all."""
        path = self.path(name)
        self._files.create_dir(path.rpartition("/")[0], recursive=True)
        with self._files.open_output_stream(f"{path}.tmp") as stream:
            stream.write(data)
        self._files.move(f"{path}.tmp", path)

    def remove(self, name: str) -> None:
        """Remove a folder and all in it, if it is there."""
        if self.exists(name):
            self._files.delete_dir(self.path(name))


class Table(Generic[RowT]):
    """One table of a run, in parts that speak of the same images throughout the run (part k of each)."""

    def __init__(self, folder: Folder, name: str, row_type: type[RowT]) -> None:
        self.name = name
        self.row_type = row_type
        self._folder = folder

    def write_part(self, index: int, rows: Sequence[RowT], rejects: Sequence[Reject] = ()) -> None:
        """Write part `index`; the part counts as finished once this returns."""
        if rejects:
            self._folder.write(self._rejects_name(index), _to_parquet(rejects, Reject))
        self._folder.write(self._name(index), _to_parquet(rows, self.row_type))

    def parts(self) -> list[int]:
        """Return the numbers of the finished parts."""
        numbers = (part_number(name) for name in self._folder.names(self.name))
        return sorted(number for number in numbers if number is not None)

    def read_part(self, index: int) -> list[RowT]:
        """Return the rows of one part."""
        return self._read(self._name(index), self.row_type)

    def read_rejects(self, index: int) -> list[Reject]:
        """Return the rejects of one part; none where it has no rejects file."""
        name = self._rejects_name(index)
        if not self._folder.exists(name):
            return []
        return [_with_reason(reject) for reject in self._read(name, Reject)]

    def rows(self) -> Iterator[RowT]:
        """Yield all rows, part by part."""
        for index in self.parts():
            yield from self.read_part(index)

    def rejects(self) -> Iterator[Reject]:
        """Yield all rejects, part by part."""
        for index in self.parts():
            yield from self.read_rejects(index)

    def columns(self, names: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
        """Yield each part's number and some of its columns: what is counted need not become objects."""
        for index in self.parts():
            yield index, self._read_columns(self._name(index), names)

    def reject_columns(self, names: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
        """Yield the number of each part that has rejects, and some columns of these."""
        for index in self.parts():
            if self._folder.exists(self._rejects_name(index)):
                yield index, self._read_columns(self._rejects_name(index), names)

    def pick(self, index: int, ids: Collection[str]) -> list[RowT]:
        """Return the rows of one part that have one of these ids."""
        return self._read(self._name(index), self.row_type, ids)

    def pick_rejects(self, index: int, row_id: str) -> list[Reject]:
        """Return the rejects of one part that speak of this row."""
        return [_with_reason(reject) for reject in self._read(self._rejects_name(index), Reject, [row_id])]

    def get(self, row_id: str) -> RowT | None:
        """Return the row with this id; None where it is not in the table, or rejected."""
        for place in self.index().places(row_id):
            if not place.rejected:
                return next(iter(self.pick(place.part, [row_id])), None)
        return None

    def index(self) -> RowIndex:
        """Return where each row is. Raises RunError where a part cannot be read."""
        id_column = fields(self.row_type)[0].name  # type: ignore[arg-type]  # row types are dataclasses
        try:
            return RowIndex(self._folder, self.name, id_column)
        except (OSError, pa.ArrowException, KeyError) as error:
            raise self._unreadable(self._folder.path(self.name), error) from error

    def counts(self) -> dict[int, int]:
        """Return the number of rows of each part."""
        return self.index().counts()

    def count(self) -> int:
        """Return the number of rows; of a table that has not changed since the last time, without opening its parts."""
        return sum(self.counts().values())

    def clear(self) -> None:
        """Remove all parts."""
        self._folder.remove(self.name)

    def content_hash(self) -> str:
        """Return a hash of all rows, for the fingerprints of the stages that read them."""
        digest = hashlib.blake2b(digest_size=16)
        for index in self.parts():
            digest.update(self._folder.read(self._name(index)))
        return digest.hexdigest()

    def _name(self, index: int) -> str:
        return f"{self.name}/part-{index:05d}.parquet"

    def _rejects_name(self, index: int) -> str:
        return f"{self.name}/rejects/part-{index:05d}.parquet"

    def _read(self, name: str, row_type: type[Any], ids: Collection[str] | None = None) -> list[Any]:
        try:
            table = _from_parquet(self._folder.read(name))
            if ids is not None:
                table = table.filter(pc.is_in(table.column(0), pa.array(ids, pa.string())))
            columns = [table.column(field.name).to_pylist() for field in fields(row_type)]
        except (OSError, pa.ArrowException, KeyError) as error:
            raise self._unreadable(self._folder.path(name), error) from error
        return [row_type(*values) for values in zip(*columns, strict=True)]

    def _read_columns(self, name: str, columns: Sequence[str]) -> pa.Table:
        try:
            with self._folder.open(name) as stream, pq.ParquetFile(stream, pre_buffer=False) as file:
                return file.read(columns=list(columns), use_threads=False)
        except (OSError, pa.ArrowException, KeyError) as error:
            raise self._unreadable(self._folder.path(name), error) from error

    def _unreadable(self, path: str, error: Exception) -> RunError:
        return RunError(
            f"{path} cannot be read as a part of table {self.name}: {error}. Remove the folder "
            f"{self.name} and run again: the stage is made anew from the replies on disk."
        )


def part_rejects(results: Sequence[RowT | Reject]) -> tuple[list[RowT], list[Reject]]:
    """Return a stage's results as what `write_part` takes: the rows that go on, and the rejects.

    >>> part_rejects(["row", Reject("r1", "match", Reason.NO_MATCH, "", "")])[0]
    ['row']
    """
    rows = [result for result in results if not isinstance(result, Reject)]
    return rows, [result for result in results if isinstance(result, Reject)]


def _to_parquet(rows: Sequence[Any], row_type: type[Any]) -> pa.Buffer:
    schema = arrow_schema(row_type)
    columns = [pa.array([getattr(row, name) for row in rows], schema.field(name).type) for name in schema.names]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns, schema=schema), sink, compression=_COMPRESSION)
    return sink.getvalue()


def _from_parquet(data: bytes) -> pa.Table:
    """Return a part's table, read in this thread alone.

    A thread of Arrow's pool may be the last to let go of `data`; where Python is ending just then, that aborts the
    process (apache/arrow#34314). For parts of some hundred rows a pool is no faster.
    """
    with pq.ParquetFile(pa.BufferReader(data)) as file:
        return file.read(use_threads=False)


def _with_reason(reject: Reject) -> Reject:
    return Reject(reject.row_id, reject.stage, Reason(reject.reason), reject.detail, reject.raw_text, reject.request_id)
