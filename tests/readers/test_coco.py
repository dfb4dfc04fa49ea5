"""COCO captions: several an image, bad entries rejected one by one, other files refused as a whole."""

import json
from pathlib import Path
from typing import Any

import pytest

from mminstruct.config.images import CocoSource
from mminstruct.errors import SourceError
from mminstruct.readers.records import CaptionRecord
from mminstruct.readers.sources import check_source, read_source, source_files
from mminstruct.rows import Reason, Reject


def coco(folder: Path, images: list[Any], annotations: list[Any], **more: Any) -> CocoSource:
    path = folder / "captions.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, **more}), encoding="utf-8")
    return CocoSource(path=str(path))


def image(number: int) -> dict[str, Any]:
    return {"id": number, "file_name": f"{number}.jpg"}


def caption(number: int, text: Any) -> dict[str, Any]:
    return {"id": 1000, "image_id": number, "caption": text}


def test_captions_are_grouped_by_image(tmp_path: Path) -> None:
    source = coco(tmp_path, [image(7), image(3)], [caption(3, "c"), caption(7, "a"), caption(7, "b")])
    check_source(source)
    assert list(read_source(source)) == [
        CaptionRecord("captions", "7", f"{tmp_path}/7.jpg", "7.jpg", ["a", "b"], f"{source.path}, images[0]"),
        CaptionRecord("captions", "3", f"{tmp_path}/3.jpg", "3.jpg", ["c"], f"{source.path}, images[1]"),
    ]
    assert source_files(source) == [source.path]


def test_bad_entries(tmp_path: Path) -> None:
    images = [image(1), {"id": 2}, "no object", {"id": 3, "file_name": "../3.jpg"}, {"file_name": "4.jpg"}]
    annotations = [caption(1, "a"), caption(9, "orphan"), caption(1, 7), {"image_id": 1}]
    found = list(read_source(coco(tmp_path, images, annotations)))
    assert isinstance(found[0], CaptionRecord)
    rejects = [row for row in found[1:] if isinstance(row, Reject)]
    assert [(row.row_id, row.reason) for row in rejects] == [
        ("2", Reason.MISSING_IMAGE),
        ("images[2]", Reason.INVALID_RECORD),
        ("3", Reason.PATH_OUTSIDE_ROOT),
        ("images[4]", Reason.INVALID_RECORD),
        ("9", Reason.MISSING_IMAGE),
        ("annotations[2]", Reason.INVALID_RECORD),
        ("annotations[3]", Reason.INVALID_RECORD),
    ]
    assert all("captions.json, " in row.detail for row in rejects)


def test_bytes_that_are_no_utf8_spoil_one_record(tmp_path: Path) -> None:
    source = coco(tmp_path, [image(1), image(2)], [caption(1, "QQ"), caption(2, "b")])
    path = Path(source.path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"QQ", b"caf\xe9"))
    check_source(source)
    bad, good = read_source(source)
    assert isinstance(bad, Reject)
    assert bad.reason is Reason.INVALID_UTF8
    assert isinstance(good, CaptionRecord)


def test_half_a_surrogate_pair(tmp_path: Path) -> None:
    [bad] = read_source(coco(tmp_path, [image(1)], [caption(1, "\ud83d")]))
    assert isinstance(bad, Reject)
    assert bad.reason is Reason.INVALID_UTF8


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("[1, 2]", ["JSON list"]),
        ("no json", ["line 1", "column 1"]),
        ('{"images": [],\n "annotations": [}', ["line 2"]),
        ('{"images": [{"id": 1}]}', ["'images'", "expected COCO captions"]),
        ('{"images": [], "annotations": [{}]}', ["no entries in 'images'"]),
        ('{"images": [{"id": 1}], "annotations": [{"bbox": [1]}]}', ["captions file"]),
        ("", ["an empty file"]),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: str, parts: list[str]) -> None:
    (tmp_path / "captions.json").write_text(content, encoding="utf-8")
    with pytest.raises(SourceError) as caught:
        check_source(CocoSource(path=str(tmp_path / "captions.json"), name="mine"))
    message = str(caught.value)
    assert all(part in message for part in [*parts, "'mine'", "captions.json", "found", "expected"]), message


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        check_source(CocoSource(path=str(tmp_path / "captions.json")))
    source = coco(tmp_path, [image(1)], [caption(1, "a")])
    with pytest.raises(SourceError, match="no such folder"):
        check_source(source.model_copy(update={"image_root": str(tmp_path / "images")}))
    with pytest.raises(SourceError, match="not a file"):
        check_source(CocoSource(path=str(tmp_path)))
