"""One door to all formats: read a source, check it before a run, name the files that it depends on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from mminstruct.config.images import (
    CocoSource,
    CsvSource,
    FolderSource,
    JsonLinesSource,
    LlavaSource,
    ParquetSource,
    Source,
    WebDatasetSource,
)
from mminstruct.readers.coco import check_coco, read_coco
from mminstruct.readers.folder import check_folder, folder_files, read_folder
from mminstruct.readers.llava import check_llava, read_llava
from mminstruct.readers.records import CaptionRecord
from mminstruct.readers.table import check_csv, check_jsonl, check_parquet, read_csv, read_jsonl, read_parquet
from mminstruct.readers.webdataset import check_webdataset, read_webdataset, tar_files
from mminstruct.rows import Reject


def read_source(source: Source) -> Iterator[CaptionRecord | Reject]:
    """Yield exactly one record or reject for each record of the source, lazily and always in the same order."""
    match source:
        case CocoSource():
            return read_coco(source)
        case JsonLinesSource():
            return read_jsonl(source)
        case CsvSource():
            return read_csv(source)
        case ParquetSource():
            return read_parquet(source)
        case FolderSource():
            return read_folder(source)
        case WebDatasetSource():
            return read_webdataset(source)
        case LlavaSource():
            return read_llava(source)
        case _:
            assert_never(source)


def check_source(source: Source) -> None:
    """Raise SourceError where a source as a whole cannot be read; opens no image and is done before any request."""
    match source:
        case CocoSource():
            check_coco(source)
        case JsonLinesSource():
            check_jsonl(source)
        case CsvSource():
            check_csv(source)
        case ParquetSource():
            check_parquet(source)
        case FolderSource():
            check_folder(source)
        case WebDatasetSource():
            check_webdataset(source)
        case LlavaSource():
            check_llava(source)
        case _:
            assert_never(source)


def source_files(source: Source) -> list[str]:
    """Return the files whose size and time tell whether the source has changed: captions, tars, a folder's files."""
    match source:
        case FolderSource():
            return folder_files(source)
        case WebDatasetSource():
            return tar_files(source)
        case _:
            return [source.path]
