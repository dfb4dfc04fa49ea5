"""Every image is opened once; every bad one has its exact reason; an interrupted intake goes on where it was."""

import hashlib
import io
import itertools
import json
import os
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mminstruct.config.images import (
    CocoSource,
    CsvSource,
    FolderSource,
    IntakeConfig,
    JsonLinesSource,
    LlavaSource,
    ParquetSource,
    Source,
    WebDatasetSource,
)
from mminstruct.errors import BadInputError, SourceError
from mminstruct.imaging import inspect_image, read_image_bytes
from mminstruct.readers import intake as intake_module
from mminstruct.readers.intake import Seen, intake
from mminstruct.readers.records import CaptionRecord
from mminstruct.readers.sources import check_source, read_source
from mminstruct.rows import Image, Reason, Reject, arrow_schema, content_id

COCO_MINI = Path(__file__).parents[2].parent / "shared" / "data" / "coco-mini"
AddPicture = Callable[..., Path]
Picture = Callable[[int], bytes]


def run(*sources: Source, **config: Any) -> list[Image | Reject]:
    records = itertools.chain.from_iterable(read_source(source) for source in sources)
    return list(intake(records, IntakeConfig(**config)))


def table(folder: Path, *rows: dict[str, Any], name: str = "captions") -> JsonLinesSource:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return JsonLinesSource(path=str(path), id_column="id" if any("id" in row for row in rows) else None)


def bomb(side: int) -> bytes:
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    return b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


def test_the_row(tmp_path: Path, add_picture: AddPicture, picture: Picture) -> None:
    add_picture("photos/a.jpg", 1)
    [row] = run(table(tmp_path, {"image": "photos/a.jpg", "caption": ["A dog ", "A dog", "It runs."]}))
    assert isinstance(row, Image)
    assert row.image_id == content_id(row.content_hash)
    assert len(row.content_hash) == 32
    assert (row.source, row.source_id, row.file_name) == ("captions", "photos/a.jpg", "photos/a.jpg")
    assert row.path == str(tmp_path / "photos" / "a.jpg")
    assert (row.description, row.captions) == ("A dog. It runs.", ["A dog ", "A dog", "It runs."])
    assert (row.width, row.height, row.format) == (16, 12, "JPEG")
    assert read_image_bytes(row.path) == picture(1)


class TestReasons:
    def reason(self, tmp_path: Path, *rows: dict[str, Any], **config: Any) -> Reject:
        """Return what became of the last row, which must be the only one that is rejected."""
        *good, last = run(table(tmp_path, *rows), **config)
        assert all(isinstance(row, Image) for row in good)
        assert isinstance(last, Reject)
        assert last.stage == "images"
        assert f"captions: {tmp_path}/captions.jsonl, line {len(rows)}: " in last.detail
        return last

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"", Reason.EMPTY_IMAGE),
            (b"<html>404</html>", Reason.NOT_AN_IMAGE),
            (bomb(50_000), Reason.TOO_MANY_PIXELS),
        ],
    )
    def test_content(self, tmp_path: Path, data: bytes, reason: Reason) -> None:
        (tmp_path / "a.jpg").write_bytes(data)
        row = self.reason(tmp_path, {"image": "a.jpg", "caption": "A dog"})
        assert (row.row_id, row.reason, row.raw_text) == ("a.jpg", reason, "a.jpg")
        assert str(tmp_path / "a.jpg") in row.detail

    def test_truncated(self, tmp_path: Path, picture: Picture) -> None:
        (tmp_path / "a.jpg").write_bytes(picture(1)[:-100])
        assert self.reason(tmp_path, {"image": "a.jpg", "caption": "A dog"}).reason is Reason.TRUNCATED_IMAGE

    def test_over_a_limit_of_ones_own(self, tmp_path: Path, add_picture: AddPicture) -> None:
        add_picture("a.jpg", 1)
        row = self.reason(tmp_path, {"image": "a.jpg", "caption": "A dog"}, max_pixels=16 * 12 - 1)
        assert row.reason is Reason.TOO_MANY_PIXELS
        assert "16 × 12 = 192 pixels; expected at most 191" in row.detail

    @pytest.mark.parametrize(
        "name", ["nowhere.jpg", "folder", "a.jpg/b.jpg", "x" * 300, "nul\0.jpg", ".", "http://a/b.jpg"]
    )
    def test_missing(self, tmp_path: Path, add_picture: AddPicture, name: str) -> None:
        add_picture("a.jpg", 1)
        (tmp_path / "folder").mkdir()
        assert self.reason(tmp_path, {"image": name, "caption": "A dog"}).reason is Reason.MISSING_IMAGE

    def test_a_pipe_does_not_hang(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "a.jpg")
        assert self.reason(tmp_path, {"image": "a.jpg", "caption": "A dog"}).reason is Reason.MISSING_IMAGE

    @pytest.mark.parametrize("name", ["../a.jpg", "/etc/passwd", "link.jpg", "folder/../../a.jpg"])
    def test_outside(self, tmp_path: Path, add_picture: AddPicture, name: str) -> None:
        add_picture("a.jpg", 1)
        root = tmp_path / "root"
        root.mkdir()
        (root / "link.jpg").symlink_to(tmp_path / "a.jpg")
        source = table(tmp_path, {"image": name, "caption": "A dog"}).model_copy(update={"image_root": str(root)})
        [row] = run(source)
        assert isinstance(row, Reject)
        assert row.reason is Reason.PATH_OUTSIDE_ROOT

    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            ({}, Reason.MISSING_CAPTION),
            ({"caption": None}, Reason.MISSING_CAPTION),
            ({"caption": []}, Reason.MISSING_CAPTION),
            ({"caption": ""}, Reason.EMPTY_CAPTION),
            ({"caption": [" ", "\n"]}, Reason.EMPTY_CAPTION),
        ],
    )
    def test_captions(self, tmp_path: Path, add_picture: AddPicture, row: dict[str, Any], reason: Reason) -> None:
        add_picture("a.jpg", 1)
        source = table(tmp_path, {"image": "a.jpg", **row})
        assert self.reason(tmp_path, {"image": "a.jpg", **row}).reason is reason
        [image] = intake(read_source(source), IntakeConfig(), needs_captions=False)
        assert isinstance(image, Image) and image.description == ""

    def test_duplicate_id(self, tmp_path: Path, add_picture: AddPicture) -> None:
        add_picture("a.jpg", 1)
        add_picture("b.jpg", 2)
        rows = [{"id": 7, "image": name, "caption": "A dog"} for name in ("a.jpg", "b.jpg")]
        assert self.reason(tmp_path, *rows).reason is Reason.DUPLICATE_ID

    def test_duplicate_image(self, tmp_path: Path, add_picture: AddPicture) -> None:
        add_picture("a.jpg", 1)
        add_picture("b.jpg", 1)
        row = self.reason(tmp_path, *({"image": name, "caption": "A dog"} for name in ("a.jpg", "b.jpg")))
        assert row.reason is Reason.DUPLICATE_IMAGE
        assert "the record 'a.jpg' of the source 'captions'" in row.detail

    def test_a_rejected_record_leaves_its_id_free(self, tmp_path: Path, add_picture: AddPicture) -> None:
        add_picture("a.jpg", 1)
        first, second = run(
            table(tmp_path, *({"id": 7, "image": name, "caption": "A"} for name in ("no.jpg", "a.jpg")))
        )
        assert isinstance(first, Reject)
        assert isinstance(second, Image)

    def test_the_machines_own_faults_are_not_the_records(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(path: str) -> bytes:
            raise OSError(5, "Input/output error")

        (tmp_path / "a.jpg").write_bytes(b"1")
        monkeypatch.setattr(intake_module, "read_image_bytes", fail)
        with pytest.raises(SourceError, match="Input/output error"):
            run(table(tmp_path, {"image": "a.jpg", "caption": "A dog"}))


class TestNormalInput:
    @pytest.mark.parametrize("mode", ["RGB", "CMYK", "P", "L", "1", "LA", "RGBA", "I;16"])
    def test_modes(self, tmp_path: Path, mode: str) -> None:
        image_format = "TIFF" if mode in ("CMYK", "I;16") else "PNG"
        PIL.Image.new(mode, (8, 4)).save(tmp_path / "a.img", image_format)
        [row] = run(table(tmp_path, {"image": "a.img", "caption": "A dog"}))
        assert isinstance(row, Image)
        assert (row.width, row.height, row.format) == (8, 4, image_format)

    def test_rotated(self, tmp_path: Path) -> None:
        exif = PIL.Image.Exif()
        exif[274] = 6
        PIL.Image.new("RGB", (8, 4)).save(tmp_path / "a.jpg", exif=exif)
        [row] = run(table(tmp_path, {"image": "a.jpg", "caption": "A dog"}))
        assert isinstance(row, Image)
        assert (row.width, row.height) == (4, 8)

    def test_animated_under_another_ending(self, tmp_path: Path) -> None:
        frames = [PIL.Image.new("RGB", (8, 4), colour) for colour in ("red", "blue")]
        frames[0].save(tmp_path / "a.jpg", "GIF", save_all=True, append_images=frames[1:])
        [row] = run(table(tmp_path, {"image": "a.jpg", "caption": "A dog"}))
        assert isinstance(row, Image)
        assert row.format == "GIF"


class TestFail:
    def test_it_stops_at_the_first(self, tmp_path: Path, add_picture: AddPicture) -> None:
        add_picture("a.jpg", 1)
        source = table(tmp_path, *({"image": name, "caption": "A dog"} for name in ("a.jpg", "no.jpg", "gone.jpg")))
        rows = intake(read_source(source), IntakeConfig(on_bad_input="fail"))
        assert isinstance(next(rows), Image)
        with pytest.raises(BadInputError) as caught:
            next(rows)
        message = str(caught.value)
        expected = ["missing_image", "'no.jpg'", "captions: ", f"{source.path}, line 2", "on_bad_input: reject"]
        assert all(part in message for part in expected), message

    def test_a_line_that_is_not_json(self, tmp_path: Path) -> None:
        (tmp_path / "c.jsonl").write_text("{oh\n", encoding="utf-8")
        with pytest.raises(BadInputError, match=r"invalid_json.*c\.jsonl, line 1"):
            run(JsonLinesSource(path=str(tmp_path / "c.jsonl")), on_bad_input="fail")

    def test_good_input_passes(self, tmp_path: Path, add_picture: AddPicture) -> None:
        add_picture("a.jpg", 1)
        assert len(run(table(tmp_path, {"image": "a.jpg", "caption": "A dog"}), on_bad_input="fail")) == 1


def every_format(folder: Path, picture: Picture) -> list[Source]:
    """The same two pictures with captions, in each format."""
    images, captions = ["1.jpg", "2.jpg"], ["A dog", "A cat"]
    photos = folder / "photos"
    photos.mkdir()
    for number, (image, caption) in enumerate(zip(images, captions, strict=True), start=1):
        (photos / image).write_bytes(picture(number))
        (photos / image).with_suffix(".txt").write_text(caption, encoding="utf-8")
    rows = [{"image": image, "caption": caption} for image, caption in zip(images, captions, strict=True)]
    coco = {
        "images": [{"id": number, "file_name": image} for number, image in enumerate(images)],
        "annotations": [{"image_id": number, "caption": caption} for number, caption in enumerate(captions)],
    }
    llava = [
        {"id": row["image"], "image": row["image"], "conversations": [{"from": "gpt", "value": row["caption"]}]}
        for row in rows
    ]
    (folder / "coco.json").write_text(json.dumps(coco), encoding="utf-8")
    (folder / "llava.json").write_text(json.dumps(llava), encoding="utf-8")
    (folder / "c.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (folder / "c.csv").write_text("image,caption\n1.jpg,A dog\n2.jpg,A cat\n", encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(rows), folder / "c.parquet")
    with tarfile.open(folder / "0.tar", "w") as tar:
        for file in sorted(photos.iterdir()):
            tar.add(file, file.name)
    root = str(photos)
    return [
        CocoSource(path=f"{folder}/coco.json", image_root=root),
        JsonLinesSource(path=f"{folder}/c.jsonl", image_root=root, name="jsonl"),
        CsvSource(path=f"{folder}/c.csv", image_root=root, name="csv"),
        ParquetSource(path=f"{folder}/c.parquet", image_root=root, name="parquet"),
        FolderSource(path=root, name="folder"),
        WebDatasetSource(path=f"{folder}/*.tar", name="tars"),
        LlavaSource(path=f"{folder}/llava.json", image_root=root),
    ]


class TestFormats:
    def test_all_give_the_same_images(self, tmp_path: Path, picture: Picture) -> None:
        hashes = [hashlib.blake2b(picture(number), digest_size=16).hexdigest() for number in (1, 2)]
        for source in every_format(tmp_path, picture):
            check_source(source)
            rows = run(source, on_bad_input="fail")
            found = [(row.source, row.description, row.content_hash) for row in rows if isinstance(row, Image)]
            assert [name for name, _, _ in found] == [source.name] * 2
            assert [text for _, text, _ in found] == ["A dog", "A cat"]
            assert [image_hash for _, _, image_hash in found] == hashes
            for row in rows:
                assert isinstance(row, Image)
                assert inspect_image(read_image_bytes(row.path), 1000).width == row.width

    def test_several_in_one_run(self, tmp_path: Path, picture: Picture) -> None:
        sources = every_format(tmp_path, picture)
        rows = run(*sources)
        assert [row.source for row in rows if isinstance(row, Image)] == ["coco", "coco"]
        rest = [row for row in rows if isinstance(row, Reject)]
        assert len(rest) == 12
        assert {row.reason for row in rest} == {Reason.DUPLICATE_IMAGE}
        assert "the record '0' of the source 'coco'" in rest[0].detail

    def test_the_same_id_in_two_sources_is_fine(self, tmp_path: Path, add_picture: AddPicture) -> None:
        add_picture("a.jpg", 1)
        add_picture("b.jpg", 2)
        first = table(tmp_path, {"id": 1, "image": "a.jpg", "caption": "A dog"}, name="one")
        second = table(tmp_path, {"id": 1, "image": "b.jpg", "caption": "A cat"}, name="two")
        rows = run(first, second)
        assert [(row.source, row.source_id) for row in rows if isinstance(row, Image)] == [("one", "1"), ("two", "1")]


def mixed(folder: Path, add_picture: AddPicture) -> JsonLinesSource:
    """Thirty records, among them bad ones and repeats of every kind."""
    rows: list[dict[str, Any]] = []
    for number in range(30):
        add_picture(f"{number}.jpg", number // 4)  # four files with the same bytes each
        rows.append({"id": number % 11, "image": f"{number}.jpg", "caption": "A dog" if number % 5 else ""})
    (folder / "7.jpg").write_bytes(b"no image")
    return table(folder, *rows)


class TestResume:
    def test_it_gives_the_same_rows(self, tmp_path: Path, add_picture: AddPicture) -> None:
        source = mixed(tmp_path, add_picture)
        whole = run(source)
        assert len(whole) == 30
        assert {row.reason for row in whole if isinstance(row, Reject)} == {
            Reason.EMPTY_CAPTION,
            Reason.DUPLICATE_ID,
            Reason.DUPLICATE_IMAGE,
            Reason.NOT_AN_IMAGE,
        }
        for n_done in range(31):
            seen = Seen()
            seen.add(row for row in whole[:n_done] if isinstance(row, Image))
            rest = itertools.islice(read_source(source), n_done, None)
            assert whole[:n_done] + list(intake(rest, IntakeConfig(), seen=seen)) == whole

    def test_seen_follows_what_was_yielded(self, tmp_path: Path, add_picture: AddPicture) -> None:
        source, seen = mixed(tmp_path, add_picture), Seen()
        rows = intake(read_source(source), IntakeConfig(), seen=seen)
        first_five = list(itertools.islice(rows, 5))
        rows.close()  # type: ignore[attr-defined]  # a generator
        accepted = [row for row in first_five if isinstance(row, Image)]
        later = [row for row in intake(read_source(source), IntakeConfig()) if isinstance(row, Image)][len(accepted) :]
        assert accepted and later
        assert all(seen.first_with(row.content_hash) == (row.source, row.source_id) for row in accepted)
        assert not any(seen.has_id(row.source, row.source_id) for row in later)

    def test_records_are_taken_as_they_are_needed(self, tmp_path: Path, add_picture: AddPicture) -> None:
        add_picture("a.jpg", 1)
        n_taken = 0

        def endless() -> Iterator[CaptionRecord]:
            nonlocal n_taken
            while True:
                n_taken += 1
                yield CaptionRecord("s", str(n_taken), str(tmp_path / "a.jpg"), "a.jpg", ["A dog"], "here")

        rows = intake(endless(), IntakeConfig())
        list(itertools.islice(rows, 3))
        rows.close()  # type: ignore[attr-defined]  # a generator
        assert n_taken < 50


def test_rows_and_rejects_can_be_stored(tmp_path: Path, add_picture: AddPicture) -> None:
    add_picture("a.jpg", 1)
    lines = [
        b'{"id": "\\udc80", "image": "a.jpg", "caption": "A dog"}',
        b'{"id": "1", "image": "\\ud800.jpg", "caption": "A dog"}',
        b'{"id": "2", "image": "a.jpg", "caption": "\xff\xfe"}',
        b"\xff\xfe\n",
        '{"id": "3", "image": "a.jpg", "caption": "Ein Hund 🐕"}'.encode(),
    ]
    (tmp_path / "c.jsonl").write_bytes(b"\n".join(lines))
    rows = run(JsonLinesSource(path=str(tmp_path / "c.jsonl"), id_column="id"))
    rejects = [row for row in rows if isinstance(row, Reject)]
    assert [row.reason for row in rejects] == [Reason.INVALID_UTF8] * 4
    for kind, wanted in ((Reject, rejects), (Image, [row for row in rows if isinstance(row, Image)])):
        names = [field.name for field in fields(kind)]
        values = [dict(zip(names, astuple(row), strict=True)) for row in wanted]
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(values, arrow_schema(kind)), buffer)


@pytest.mark.skipif(not COCO_MINI.is_dir(), reason="the shared COCO sample is not here")
def test_eighty_photographs_of_coco() -> None:
    source = CocoSource(path=str(COCO_MINI / "captions.json"), image_root=str(COCO_MINI / "images"))
    check_source(source)
    rows = run(source, on_bad_input="fail")
    assert len(rows) == 80
    assert all(isinstance(row, Image) and row.format == "JPEG" and len(row.captions) == 5 for row in rows)
