"""A run's tables on disk: numbered Parquet parts, each written under a temporary name and renamed.

    04_matches/part-00000.parquet            rows that go on
    04_matches/rejects/part-00000.parquet    rows that were dropped, with their reasons

Part k is finished exactly when `part-k.parquet` exists: its rejects are written before it. The folder is a path or
any URI that pyarrow's file systems read (`s3://…`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any, Generic, TypeVar

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from mminstruct.errors import RunError
from mminstruct.rows import Reason, Reject, arrow_schema

RowT = TypeVar("RowT")
_COMPRESSION = "zstd"


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
        selector = pafs.FileSelector(self.path(name), allow_not_found=True)
        return sorted(info.base_name for info in self._files.get_file_info(selector) if info.is_file)

    def exists(self, name: str) -> bool:
        """Tell whether the file or folder is there."""
        return bool(self._files.get_file_info(self.path(name)).type != pafs.FileType.NotFound)

    def read(self, name: str) -> bytes:
        """Return a file's bytes."""
        with self._files.open_input_file(self.path(name)) as stream:
            data: bytes = stream.read()
            return data

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
        return _part_numbers(self._folder.names(self.name))

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

    def ids(self) -> Iterator[str]:
        """Yield the id of every row: the first column."""
        column = fields(self.row_type)[0].name  # type: ignore[arg-type]  # row types are dataclasses
        for index in self.parts():
            yield from _from_parquet(self._folder.read(self._name(index)), [column]).column(0).to_pylist()

    def count(self) -> int:
        """Return the number of rows, from the parts' footers alone."""
        parts = (pa.BufferReader(self._folder.read(self._name(index))) for index in self.parts())
        return sum(pq.read_metadata(part).num_rows for part in parts)

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

    def _read(self, name: str, row_type: type[Any]) -> list[Any]:
        try:
            table = _from_parquet(self._folder.read(name))
            columns = [table.column(field.name).to_pylist() for field in fields(row_type)]
        except (OSError, pa.ArrowException, KeyError) as error:
            raise RunError(
                f"{self._folder.path(name)} cannot be read as a part of table {self.name}: {error}. Remove the folder "
                f"{self.name} and run again: the stage is made anew from the replies on disk."
            ) from error
        return [row_type(*values) for values in zip(*columns, strict=True)]


def part_rejects(results: Sequence[RowT | Reject]) -> tuple[list[RowT], list[Reject]]:
    """Return a stage's results as what `write_part` takes: the rows that go on, and the rejects.

    >>> part_rejects(["row", Reject("r1", "match", Reason.NO_MATCH, "", "")])[0]
    ['row']
    """
    rows = [result for result in results if not isinstance(result, Reject)]
    return rows, [result for result in results if isinstance(result, Reject)]


def _part_numbers(names: list[str]) -> list[int]:
    numbers = [name.removeprefix("part-").removesuffix(".parquet") for name in names if name.endswith(".parquet")]
    return sorted(int(number) for number in numbers if number.isdigit())


def _to_parquet(rows: Sequence[Any], row_type: type[Any]) -> pa.Buffer:
    schema = arrow_schema(row_type)
    columns = [pa.array([getattr(row, name) for row in rows], schema.field(name).type) for name in schema.names]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns, schema=schema), sink, compression=_COMPRESSION)
    return sink.getvalue()


def _from_parquet(data: bytes, columns: list[str] | None = None) -> pa.Table:
    """Return a part's table, read in this thread alone.

    A thread of Arrow's pool may be the last to let go of `data`; where Python is ending just then, that aborts the
    process (apache/arrow#34314). For parts of some hundred rows a pool is no faster.
    """
    with pq.ParquetFile(pa.BufferReader(data)) as file:
        return file.read(columns=columns, use_threads=False)


def _with_reason(reject: Reject) -> Reject:
    return Reject(reject.row_id, reject.stage, Reason(reject.reason), reject.detail, reject.raw_text, reject.request_id)
