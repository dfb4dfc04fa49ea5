"""Rows to Parquet files of bounded size, typed as `datasets` types them, and back.

    {"id": "5f…", "image": {"bytes": …, "path": "17.jpg"}, …}  ─►  data/train-00000-of-00002.parquet, …

Neither direction holds more than a row group: 32 MiB or 1,000 rows, whichever comes first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mminstruct.errors import ExportError, SourceError
from mminstruct.rows import Sample
from mminstruct.tars import split_tar_path

DATA_FOLDER = "data"
SHARD_FILES = f"{DATA_FOLDER}/train-*.parquet"

Row = dict[str, Any]

_SHARD_BYTES = 500_000_000  # `max_shard_size` of `datasets.Dataset.push_to_hub`
_GROUP_BYTES = 32 * 1024 * 1024
_GROUP_ROWS = 1_000
_READ_ROWS = 100


def image_struct(sample: Sample, image: str | bytes) -> Row:
    """Return the image as `datasets.Image` stores it: bytes with the file's name, or a path alone."""
    if isinstance(image, str):
        return {"bytes": None, "path": image}
    member = split_tar_path(sample.image)
    name = (member[1] if member else sample.image).replace("\\", "/").rpartition("/")[2]
    return {"bytes": image, "path": name}


def hub_schema(schema: pa.Schema, features: Mapping[str, Any]) -> pa.Schema:
    """Return the schema with the note by which `datasets` knows that structs are images.

    `features` are the columns as `datasets.Features.to_dict` has them: {"image": {"_type": "Image"}, …}.
    """
    return schema.with_metadata({"huggingface": json.dumps({"info": {"features": dict(features)}})})


def write_shards(rows: Iterable[Row], folder: Path, schema: pa.Schema, shard_bytes: int = _SHARD_BYTES) -> list[Path]:
    """Write `folder/data/train-00000-of-000NN.parquet`, … and return them; each ends once it has `shard_bytes`.

    Raises ExportError where there is no row.
    """
    data = folder / DATA_FOLDER
    data.mkdir(parents=True)
    groups = _groups(rows)
    group = next(groups, [])
    partial: list[Path] = []
    while group:
        partial.append(data / f"train-{len(partial):05d}.partial")
        with pa.OSFile(str(partial[-1]), "wb") as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
            is_full = False
            while group and not is_full:
                writer.write_table(pa.Table.from_pylist(group, schema=schema))
                is_full = file.tell() >= shard_bytes
                group = next(groups, [])
    if not partial:
        raise ExportError("There is not one sample to export. See the rejects of the run for where they were dropped.")
    # How many there are is known only now.
    names = [data / f"train-{number:05d}-of-{len(partial):05d}.parquet" for number in range(len(partial))]
    return [path.rename(name) for path, name in zip(partial, names, strict=True)]


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    group: list[Row] = []
    n_bytes = 0
    for row in rows:
        group.append(row)
        n_bytes += _size(row)
        if n_bytes >= _GROUP_BYTES or len(group) == _GROUP_ROWS:
            yield group
            group, n_bytes = [], 0
    if group:
        yield group


def _size(value: object) -> int:
    """Return about how many bytes of text and images a value holds."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_size, value.values()))
    return sum(map(_size, value)) if isinstance(value, list) else 8


def read_shards(path: Path, known: frozenset[str]) -> Iterator[Row]:
    """Yield the rows of a Parquet file, or of all Parquet files below a folder in the order of their names.

    Only the columns in `known` are read, and image bytes are among them where the file has any.

    Raises SourceError where there is no Parquet file, or one cannot be read.
    """
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise SourceError(f"{path} has no Parquet file; expected data/train-*.parquet, as an export writes them.")
    for file in files:
        try:
            with pq.ParquetFile(file) as parquet:
                columns = [name for name in parquet.schema_arrow.names if name in known]
                if not columns:
                    raise SourceError(
                        f"{file} has the columns {', '.join(parquet.schema_arrow.names)}, and none of those that are "
                        f"read here: {', '.join(sorted(known))}. Name a file of one of the formats."
                    )
                for group in range(parquet.num_row_groups):
                    # One group a call: a call for all of them keeps each group that was read until the file's end.
                    for batch in parquet.iter_batches(_READ_ROWS, [group], columns, use_threads=False):
                        yield from batch.to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise SourceError(f"{file} cannot be read as Parquet: {error}. Fetch or export it again.") from error


def is_parquet(path: Path) -> bool:
    """Tell by its first bytes whether a file is Parquet: https://parquet.apache.org/docs/file-format/.

    Raises SourceError where it cannot be opened.
    """
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PAR1"
    except OSError as error:
        raise SourceError(f"{path} cannot be opened: {error.strerror}. Name a file of training rows.") from error


def dataset_info(features: list[Row], shards: list[Path]) -> Row:
    """Return the `dataset_info` of a data card's YAML head, by which the Hub shows columns and sizes unread.

    `features` are the columns as `datasets.Features` has them in YAML: [{"name": "image", "dtype": "image"}, …].
    """
    footers = [pq.read_metadata(shard) for shard in shards]
    n_bytes = sum(footer.row_group(i).total_byte_size for footer in footers for i in range(footer.num_row_groups))
    n_rows = sum(footer.num_rows for footer in footers)
    return {
        "features": features,
        "splits": [{"name": "train", "num_bytes": n_bytes, "num_examples": n_rows}],
        "download_size": sum(shard.stat().st_size for shard in shards),
        "dataset_size": n_bytes,
    }
