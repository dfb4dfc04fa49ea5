"""JSON Lines, CSV and Parquet: one output a row, whatever the row holds."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mminstruct.config.images import CsvSource, JsonLinesSource, ParquetSource, Source
from mminstruct.errors import SourceError
from mminstruct.readers.records import CaptionRecord
from mminstruct.readers.sources import check_source, read_source, source_files
from mminstruct.rows import Reason, Reject


def outcomes(source: Source) -> list[Any]:
    """Each row's file name and captions, or its id and reason."""
    return [
        (row.file_name, row.captions) if isinstance(row, CaptionRecord) else (row.row_id, row.reason)
        for row in read_source(source)
    ]


def refused(source: Source) -> str:
    with pytest.raises(SourceError) as caught:
        check_source(source)
    return str(caught.value)


class TestJsonLines:
    def source(self, folder: Path, content: str | bytes, **columns: Any) -> JsonLinesSource:
        data = content if isinstance(content, bytes) else content.encode()
        (folder / "captions.jsonl").write_bytes(data)
        return JsonLinesSource(path=str(folder / "captions.jsonl"), **columns)

    def test_rows(self, tmp_path: Path) -> None:
        lines = (
            '\ufeff{"image": "a.jpg", "caption": "A dog"}\r\n\n{"caption": ["x", "y"], "image": "b/c.jpg", "more": 1}'
        )
        source = self.source(tmp_path, lines)
        check_source(source)
        assert outcomes(source) == [("a.jpg", ["A dog"]), ("b/c.jpg", ["x", "y"])]
        [first, second] = read_source(source)
        assert isinstance(first, CaptionRecord)
        assert isinstance(second, CaptionRecord)
        assert (first.source, first.source_id, first.path) == ("captions", "a.jpg", f"{tmp_path}/a.jpg")
        assert second.place.endswith("captions.jsonl, line 3")
        assert source_files(source) == [source.path]

    def test_named_columns(self, tmp_path: Path) -> None:
        columns = {"image_column": "file", "caption_column": "text", "id_column": "key"}
        source = self.source(tmp_path, '{"file": "a.jpg", "text": "A dog", "key": 7}', **columns)
        check_source(source)
        [record] = read_source(source)
        assert isinstance(record, CaptionRecord)
        assert record.source_id == "7"

    def test_bad_lines(self, tmp_path: Path) -> None:
        lines = [
            b'{"image": "a.jpg", "caption": "caf\xe9"}',
            b'{"image": "a.jpg", "caption": "A do',
            b'["a.jpg", "A dog"]',
            b'{"caption": "A dog"}',
            b'{"image": 7, "caption": "A dog"}',
            b'{"image": "a.jpg", "caption": 7}',
            b'{"image": "../a.jpg", "caption": "A dog"}',
            b'{"image": "b.jpg", "caption": "\\ud800"}',
            b'{"image": "c.jpg"}',
            b'{"image": "d.jpg", "caption": " "}',
            b"[" * 100_000,
            b"1" * 5000,
        ]
        source = self.source(tmp_path, b"\n".join(lines))
        check_source(source)
        assert outcomes(source) == [
            ("line 1", Reason.INVALID_UTF8),
            ("line 2", Reason.INVALID_JSON),
            ("line 3", Reason.INVALID_RECORD),
            ("line 4", Reason.MISSING_IMAGE),
            ("line 5", Reason.INVALID_RECORD),
            ("a.jpg", Reason.INVALID_RECORD),
            ("../a.jpg", Reason.PATH_OUTSIDE_ROOT),
            ("b.jpg", Reason.INVALID_UTF8),
            ("c.jpg", []),
            ("d.jpg", [" "]),
            ("line 11", Reason.INVALID_JSON),
            ("line 12", Reason.INVALID_JSON),
        ]
        rejects = [row for row in read_source(source) if isinstance(row, Reject)]
        assert rejects[1].detail.startswith(f"captions: {source.path}, line 2: found text that is not JSON")
        assert rejects[1].raw_text == '{"image": "a.jpg", "caption": "A do'
        assert rejects[0].raw_text == '{"image": "a.jpg", "caption": "caf\\xe9"}'

    @pytest.mark.parametrize("value", ["null", '""', "1.5", "true"])
    def test_an_id_that_is_none(self, tmp_path: Path, value: str) -> None:
        source = self.source(tmp_path, f'{{"image": "a.jpg", "caption": "A dog", "id": {value}}}', id_column="id")
        assert outcomes(source) == [("line 1", Reason.INVALID_RECORD)]

    @pytest.mark.parametrize(
        ("content", "part"),
        [
            (
                '{"image": "a.jpg", "text": "A dog"}',
                "line 1: found the columns 'image', 'text'; expected a column 'caption'",
            ),
            ('[\n{"image": "a.jpg", "caption": "A dog"}\n, 3]', "caption"),
            ("[\n 1,\n 2]", "one JSON object a line"),
            ("image,caption\na.jpg,A dog", "line 1: found 'image,caption'"),
            ("\n \n", "only blank lines"),
            ("", "an empty file"),
        ],
    )
    def test_other_files_are_refused(self, tmp_path: Path, content: str, part: str) -> None:
        source = self.source(tmp_path, content)
        if content.startswith("[\n{"):
            assert outcomes(source)[1] == ("a.jpg", ["A dog"])
        else:
            assert part in refused(source)

    def test_utf16_is_refused(self, tmp_path: Path) -> None:
        text = '{"image": "a.jpg", "caption": "A dog"}\n'
        assert "UTF-8" in refused(self.source(tmp_path, text.encode("utf-16")))

    def test_one_bad_line_at_the_start_is_no_bad_source(self, tmp_path: Path) -> None:
        source = self.source(tmp_path, 'oh\n{"image": "a.jpg"}\n{"image": "b.jpg", "caption": "b"}')
        check_source(source)
        assert len(outcomes(source)) == 3


class TestCsv:
    def source(self, folder: Path, content: str | bytes, **columns: Any) -> CsvSource:
        data = content if isinstance(content, bytes) else content.encode()
        (folder / "captions.csv").write_bytes(data)
        return CsvSource(path=str(folder / "captions.csv"), **columns)

    def test_rows(self, tmp_path: Path) -> None:
        content = '\ufeffimage,caption\r\na.jpg,"A dog, ""big""\nand old"\r\n\r\nb.jpg, "A cat"\r\n'
        source = self.source(tmp_path, content)
        check_source(source)
        assert outcomes(source) == [("a.jpg", ['A dog, "big"\nand old']), ("b.jpg", ["A cat"])]
        places = [row.place.rpartition(", ")[2] for row in read_source(source) if isinstance(row, CaptionRecord)]
        assert places == ["line 2", "line 5"]

    def test_several_captions_in_a_cell(self, tmp_path: Path) -> None:
        content = 'image,caption\na.jpg,"[""x"", ""y""]"\nb.jpg,[sic] a dog\nc.jpg,[1]'
        source = self.source(tmp_path, content)
        assert outcomes(source) == [("a.jpg", ["x", "y"]), ("b.jpg", ["[sic] a dog"]), ("c.jpg", ["[1]"])]

    def test_tabs_and_named_columns(self, tmp_path: Path) -> None:
        source = self.source(
            tmp_path, "key\ttext\tfile\n7\tA dog\ta.jpg", delimiter="\t", caption_column="text", image_column="file"
        )
        check_source(source)
        assert outcomes(source) == [("a.jpg", ["A dog"])]

    def test_bad_rows(self, tmp_path: Path) -> None:
        rows = [
            b"image,caption,note",
            b"a.jpg,caf\xe9,",
            b"b.jpg,A dog,caf\xe9",
            b"c.jpg,A dog",
            b"d.jpg,A dog,1,2",
            b",A dog,",
            b"e.jpg,,",
            b'f.jpg,"A "dog",',
            b"g.jpg,A dog,",
            b'h.jpg,"never closed,',
            b"i.jpg,A dog,",
        ]
        source = self.source(tmp_path, b"\n".join(rows))
        check_source(source)
        assert outcomes(source) == [
            ("a.jpg", Reason.INVALID_UTF8),
            ("b.jpg", ["A dog"]),
            ("line 4", Reason.INVALID_RECORD),
            ("line 5", Reason.INVALID_RECORD),
            ("line 6", Reason.MISSING_IMAGE),
            ("e.jpg", [""]),
            ("line 8", Reason.INVALID_RECORD),
            ("g.jpg", ["A dog"]),
            ("line 10", Reason.INVALID_RECORD),
        ]

    def test_a_cell_without_end(self, tmp_path: Path) -> None:
        source = self.source(tmp_path, f"image,caption\na.jpg,{'x' * 200_000}\nb.jpg,A dog")
        assert outcomes(source) == [("line 2", Reason.INVALID_RECORD), ("b.jpg", ["A dog"])]

    @pytest.mark.parametrize(
        ("content", "part"),
        [
            ("file,caption\na.jpg,A dog", "line 1: found the columns 'file', 'caption'; expected a column 'image'"),
            ("image,caption,image\n", "2 columns 'image'"),
            ('"image,caption\n', "not CSV"),
            ("image;caption\n", "'image;caption'"),
        ],
    )
    def test_other_files_are_refused(self, tmp_path: Path, content: str, part: str) -> None:
        assert part in refused(self.source(tmp_path, content))


class TestParquet:
    def source(self, folder: Path, table: pa.Table, **columns: Any) -> ParquetSource:
        pq.write_table(table, folder / "captions.parquet")
        return ParquetSource(path=str(folder / "captions.parquet"), **columns)

    def test_rows(self, tmp_path: Path) -> None:
        table = pa.table({"image": ["a.jpg", "b.jpg", None], "caption": ["A dog", None, "A cat"], "n": [1, 2, 3]})
        source = self.source(tmp_path, table)
        check_source(source)
        assert outcomes(source) == [("a.jpg", ["A dog"]), ("b.jpg", []), ("row 2", Reason.MISSING_IMAGE)]

    def test_lists_dictionaries_and_ids(self, tmp_path: Path) -> None:
        images = pa.array(["a.jpg", "b.jpg"]).dictionary_encode()
        captions = pa.array([["x", "y"], []], pa.large_list(pa.large_string()))
        source = self.source(tmp_path, pa.table({"image": images, "caption": captions, "id": [5, 6]}), id_column="id")
        check_source(source)
        assert outcomes(source) == [("a.jpg", ["x", "y"]), ("b.jpg", [])]
        assert [row.source_id for row in read_source(source) if isinstance(row, CaptionRecord)] == ["5", "6"]

    def test_many_rows_keep_their_order(self, tmp_path: Path) -> None:
        names = [f"{number}.jpg" for number in range(2500)]
        source = self.source(tmp_path, pa.table({"image": names, "caption": names}))
        assert [name for name, _ in outcomes(source)] == names

    def test_text_that_is_no_utf8(self, tmp_path: Path) -> None:
        offsets, data = pa.py_buffer(b"\0\0\0\0\4\0\0\0\5\0\0\0"), pa.py_buffer(b"caf\xe9b")
        captions = pa.StringArray.from_buffers(2, offsets, data)
        source = self.source(tmp_path, pa.table({"image": ["a.jpg", "b.jpg"], "caption": captions}))
        check_source(source)
        assert outcomes(source) == [("row 0", Reason.INVALID_UTF8), ("b.jpg", ["b"])]

    @pytest.mark.parametrize(
        ("table", "part"),
        [
            (pa.table({"image": ["a.jpg"], "text": ["A dog"]}), "expected a column 'caption'"),
            (pa.table({"image": [1], "caption": ["A dog"]}), "int64; expected strings: the images' paths"),
            (pa.table({"image": [{"bytes": b"1", "path": "a"}], "caption": ["A dog"]}), "written out as files"),
            (pa.table({"image": ["a.jpg"], "caption": [[1]]}), "strings or lists of strings"),
        ],
    )
    def test_other_tables_are_refused(self, tmp_path: Path, table: pa.Table, part: str) -> None:
        assert part in refused(self.source(tmp_path, table))

    def test_other_files_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "captions.parquet").write_bytes(b"image,caption\n" * 10)
        assert "no Parquet" in refused(ParquetSource(path=str(tmp_path / "captions.parquet")))

    def test_damage_in_the_middle_names_the_row(self, tmp_path: Path) -> None:
        names = [f"{number:08}.jpg" for number in range(4000)]
        source = self.source(tmp_path, pa.table({"image": names, "caption": names}))
        data = bytearray(Path(source.path).read_bytes())
        data[200:4000] = b"\xff" * 3800
        Path(source.path).write_bytes(data)
        with pytest.raises(SourceError, match="from row"):
            list(read_source(source))


@given(rows=st.lists(st.tuples(st.text(max_size=10), st.text(max_size=20)), max_size=8))
def test_the_three_kinds_read_the_same(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    """Any text that one of the formats can carry comes out of it as it went in."""
    folder = tmp_path_factory.mktemp("table")
    values = [{"image": f"{index}.jpg", "caption": f"<{first} {second}>"} for index, (first, second) in enumerate(rows)]
    expected = [(value["image"], [value["caption"]]) for value in values]
    (folder / "c.jsonl").write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    assert outcomes(JsonLinesSource(path=str(folder / "c.jsonl"))) == expected
    pq.write_table(
        pa.Table.from_pylist(values, pa.schema({"image": "string", "caption": "string"})), folder / "c.parquet"
    )
    assert outcomes(ParquetSource(path=str(folder / "c.parquet"))) == expected
    cells = ['{},"{}"'.format(value["image"], value["caption"].replace('"', '""')) for value in values]
    (folder / "c.csv").write_bytes("\n".join(["image,caption", *cells]).encode())
    assert outcomes(CsvSource(path=str(folder / "c.csv"))) == expected
