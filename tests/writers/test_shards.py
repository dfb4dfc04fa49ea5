"""Parquet of bounded size: how it is cut, and how it is read back."""

import os
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mminstruct.errors import ExportError, SourceError
from mminstruct.writers.shards import dataset_info, image_struct, read_shards, write_shards
from support.training_samples import training_samples

SCHEMA = pa.schema({"id": pa.string(), "data": pa.binary()})


class TestWriteShards:
    def test_shards_end_at_their_size_and_know_how_many_they_are(self, tmp_path: Path) -> None:
        rows = [{"id": str(number), "data": os.urandom(1_000)} for number in range(3_500)]
        shards = write_shards(rows, tmp_path, SCHEMA, shard_bytes=1_500_000)
        assert [shard.name for shard in shards] == ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]
        assert sorted(tmp_path.rglob("*.*")) == shards
        assert [pq.read_metadata(shard).num_rows for shard in shards] == [2_000, 1_500]
        assert list(read_shards(tmp_path, frozenset(["id", "data"]))) == rows

    def test_row_groups_are_bounded_in_rows_and_in_bytes(self, tmp_path: Path) -> None:
        mib = 1024 * 1024
        small = ({"id": "", "data": b"x"} for _ in range(1_001))
        large = ({"id": "", "data": bytes(10 * mib)} for _ in range(5))
        for name, rows, expected in (("a", small, [1_000, 1]), ("b", large, [4, 1])):
            footer = pq.read_metadata(write_shards(rows, tmp_path / name, SCHEMA)[0])
            assert [footer.row_group(i).num_rows for i in range(footer.num_row_groups)] == expected

    def test_no_row_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(ExportError, match="not one sample"):
            write_shards([], tmp_path, SCHEMA)


class TestReadShards:
    def test_a_folder_without_parquet(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="has no Parquet file"):
            list(read_shards(tmp_path, frozenset(["id"])))

    def test_a_file_that_is_no_parquet(self, tmp_path: Path) -> None:
        (tmp_path / "x.parquet").write_bytes(b"no Parquet")
        with pytest.raises(SourceError, match=r"x\.parquet cannot be read as Parquet"):
            list(read_shards(tmp_path, frozenset(["id"])))

    def test_other_columns_are_named(self, tmp_path: Path) -> None:
        shard = write_shards([{"id": "1", "data": b""}], tmp_path, SCHEMA)[0]
        with pytest.raises(SourceError, match="has the columns id, data, and none of those"):
            list(read_shards(shard, frozenset(["messages"])))

    def test_what_was_read_is_let_go(self, tmp_path: Path) -> None:
        rows = ({"id": "1", "data": os.urandom(10_000)} for _ in range(8_000))  # eight groups of 10 MB
        shard = write_shards(rows, tmp_path, SCHEMA)[0]
        before = pa.total_allocated_bytes()
        held = [pa.total_allocated_bytes() - before for _ in read_shards(shard, frozenset(["id", "data"]))]
        assert max(held) < 45_000_000  # a group, encoded and decoded


class TestImages:
    def test_bytes_go_with_the_file_name_and_paths_alone(self, tmp_path: Path) -> None:
        (sample,) = training_samples(tmp_path, 1)
        assert image_struct(sample, b"1") == {"bytes": b"1", "path": "0.png"}
        in_tar = replace(sample, image="/data/a.tar::x/2.png")
        assert image_struct(in_tar, b"1") == {"bytes": b"1", "path": "2.png"}
        assert image_struct(sample, "images/coco/0.png") == {"bytes": None, "path": "images/coco/0.png"}


def test_dataset_info_counts_rows_and_bytes(tmp_path: Path) -> None:
    rows = [{"id": str(number), "data": os.urandom(1_000)} for number in range(2_500)]
    shards = write_shards(rows, tmp_path, SCHEMA, shard_bytes=1)
    features = [{"name": "id", "dtype": "string"}]
    info = dataset_info(features, shards)
    assert len(shards) == 3
    assert info["features"] == features
    assert info["splits"] == [{"name": "train", "num_bytes": info["dataset_size"], "num_examples": 2_500}]
    assert info["dataset_size"] > 2_500_000
    assert info["download_size"] == sum(shard.stat().st_size for shard in shards)
