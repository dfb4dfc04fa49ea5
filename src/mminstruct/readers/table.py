"""Tables with one row an image and named columns: JSON Lines, CSV, Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mminstruct.config.images import CsvSource, JsonLinesSource, ParquetSource, TableSource
from mminstruct.readers.faults import (
    BadRecord,
    reject,
    require_columns,
    require_file,
    require_image_root,
    source_error,
)
from mminstruct.readers.jsonlines import first_objects, iterate_lines
from mminstruct.readers.records import CaptionRecord, captions_of, image_name_of, record_in_folder, source_id_of
from mminstruct.rows import Reason, Reject

_N_ROWS_READ = 1000  # of a Parquet file at a time


def check_jsonl(source: JsonLinesSource) -> None:
    """Raise SourceError unless the file has lines of JSON objects with the columns named."""
    require_image_root(source.name, source.image_root)
    require_file(source.name, source.path, "JSON Lines")
    objects = first_objects(source.name, source.path)
    # One line may lack its caption and be rejected for that; a column that no line has is a wrong column.
    columns = dict.fromkeys(key for line in objects for key in line.value)
    require_columns(source.name, f"{source.path}, line {objects[0].number}", columns, _needed(source))


def read_jsonl(source: JsonLinesSource) -> Iterator[CaptionRecord | Reject]:
    """Yield one record or reject a line, blank lines left out."""
    for line in iterate_lines(source.path):
        if line.fault is not None:
            place = f"{source.path}, line {line.number}"
            yield reject(source.name, f"line {line.number}", line.fault, place, line.text)
        else:
            yield _record(source, line.value, f"line {line.number}", line.text)


def check_csv(source: CsvSource) -> None:
    """Raise SourceError unless the header line has the columns named, each once."""
    require_image_root(source.name, source.image_root)
    require_file(source.name, source.path, "CSV with a header line")
    with Path(source.path).open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        try:
            header: list[str] = next(_csv_reader(file, source), [])
        except csv.Error as error:
            found = f"a line that is not CSV ({error})"
            advice = "Correct the file, or `format` and `delimiter`."
            raise source_error(source.name, f"{source.path}, line 1", found, "a header line", advice) from error
    require_columns(source.name, f"{source.path}, line 1", header, _needed(source))
    for column in _needed(source).values():
        if header.count(column) > 1:
            found = f"{header.count(column)} columns {column!r}"
            raise source_error(source.name, f"{source.path}, line 1", found, "one", "Rename the others.")


def read_csv(source: CsvSource) -> Iterator[CaptionRecord | Reject]:
    """Yield one record or reject a row, blank lines left out; `line` is the row's first line in the file."""
    with Path(source.path).open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = _csv_reader(file, source)
        header: list[str] = next(reader, [])
        while True:
            row_id = f"line {reader.line_num + 1}"
            fault, cells = None, []
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                fault = BadRecord(Reason.INVALID_RECORD, f"found a line that is not CSV ({error}); expected a row")
            if fault is None and cells and len(cells) != len(header):
                fault = BadRecord(Reason.INVALID_RECORD, f"found {len(cells)} cells; expected {len(header)}")
            raw_text = source.delimiter.join(cells)
            if fault is not None:
                yield reject(source.name, row_id, fault, f"{source.path}, {row_id}", raw_text)
            elif cells:
                values: dict[str, Any] = dict(zip(header, cells, strict=True))
                if source.caption_column is not None:
                    values[source.caption_column] = _caption_cell(values[source.caption_column])
                yield _record(source, values, row_id, raw_text)


def check_parquet(source: ParquetSource) -> None:
    """Raise SourceError unless the file is Parquet and the columns named hold paths and texts."""
    require_image_root(source.name, source.image_root)
    require_file(source.name, source.path, "a Parquet file")
    try:
        schema = pq.read_schema(source.path)
    except (pa.ArrowException, OSError) as error:
        advice = "Correct the file, or `format` and `path`."
        raise source_error(source.name, source.path, f"no Parquet ({error})", "a Parquet file", advice) from error
    require_columns(source.name, source.path, schema.names, _needed(source))
    for column, lists_too in ((source.image_column, False), (source.caption_column, True)):
        if column is None:  # no image has a caption
            continue
        kind = schema.field(column).type
        if not (_is_text(kind) or (lists_too and hasattr(kind, "value_type") and _is_text(kind.value_type))):
            expected = "strings or lists of strings" if lists_too else "strings: the images' paths"
            advice = "Images that are stored inside the table must be written out as files first."
            raise source_error(source.name, f"{source.path}, column {column!r}", str(kind), expected, advice)


def read_parquet(source: ParquetSource) -> Iterator[CaptionRecord | Reject]:
    """Yield one record or reject a row; `row` counts from 0."""
    columns = list(dict.fromkeys(_needed(source).values()))
    n_rows = 0
    with pq.ParquetFile(source.path) as file:
        try:
            for batch in file.iter_batches(batch_size=_N_ROWS_READ, columns=columns, use_threads=False):
                for row in _rows(batch):
                    yield _parquet_record(source, row, f"row {n_rows}")
                    n_rows += 1
        except (pa.ArrowException, OSError) as error:
            where, found = f"{source.path}, from row {n_rows} on", f"a damaged file ({error})"
            raise source_error(source.name, where, found, "Parquet", "Fetch the file again.") from error


def _needed(source: TableSource) -> dict[str, str]:
    columns = {
        "image_column": source.image_column,
        "caption_column": source.caption_column,
        "id_column": source.id_column,
    }
    return {key: column for key, column in columns.items() if column is not None}


def _record(source: TableSource, row: Mapping[str, Any], row_id: str, raw_text: str) -> CaptionRecord | Reject:
    """Return a row's record; `row_id` says where it stands, until its own id is known."""
    place = f"{source.path}, {row_id}"
    try:
        if source.id_column is not None:
            row_id = source_id_of(row.get(source.id_column), source.id_column)
        name = image_name_of(row.get(source.image_column), source.image_column)
        if source.id_column is None:
            row_id = name
        column = source.caption_column
        captions = [] if column is None else captions_of(row.get(column), column)
        return record_in_folder(source.name, row_id, source.image_root, name, captions, place)
    except BadRecord as fault:
        return reject(source.name, row_id, fault, place, raw_text)


def _csv_reader(file: Any, source: CsvSource) -> Any:
    # strict: a quote that is never closed would otherwise swallow the rest of the file as one caption.
    return csv.reader(file, delimiter=source.delimiter, strict=True, skipinitialspace=True)


def _caption_cell(cell: str) -> str | list[str] | None:
    """Return the captions of a CSV cell: a JSON list of strings, the usual way to put several into one, or the text."""
    if cell.startswith("["):
        try:
            value = json.loads(cell)
        except (ValueError, RecursionError):
            return cell
        if isinstance(value, list) and all(isinstance(caption, str) for caption in value):
            return value
    return cell


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | BadRecord]:
    """Yield a batch's rows; Parquet does not promise that its strings are UTF-8."""
    try:
        yield from batch.to_pylist()
        return
    except UnicodeDecodeError:
        pass  # to_pylist converts all before the first is handed out
    for index in range(batch.num_rows):
        try:
            yield batch.slice(index, 1).to_pylist()[0]
        except UnicodeDecodeError as error:
            yield BadRecord(Reason.INVALID_UTF8, f"found text that is not UTF-8 ({error.reason}); expected UTF-8")


def _parquet_record(source: ParquetSource, row: dict[str, Any] | BadRecord, row_id: str) -> CaptionRecord | Reject:
    if isinstance(row, BadRecord):
        return reject(source.name, row_id, row, f"{source.path}, {row_id}", "")
    return _record(source, row, row_id, json.dumps(row, ensure_ascii=False, default=str))
