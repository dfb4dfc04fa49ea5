"""Tars of images and captions: grouped as WebDataset groups them, damaged and hostile ones included."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mminstruct.config.images import IntakeConfig, WebDatasetSource
from mminstruct.errors import SourceError
from mminstruct.imaging import read_image_bytes
from mminstruct.readers.intake import intake
from mminstruct.readers.records import CaptionRecord
from mminstruct.readers.sources import check_source, read_source, source_files
from mminstruct.rows import Image, Reason, Reject

Member = tuple[str, bytes]


def write_tar(path: Path, *members: Member) -> WebDatasetSource:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return WebDatasetSource(path=str(path))


def as_json(**values: Any) -> bytes:
    return json.dumps(values).encode()


def outcomes(source: WebDatasetSource) -> list[Any]:
    return [
        (row.source_id, row.captions) if isinstance(row, CaptionRecord) else (row.row_id, row.reason)
        for row in read_source(source)
    ]


def test_txt_and_json(tmp_path: Path) -> None:
    source = write_tar(
        tmp_path / "00000.tar",
        ("01.jpg", b"1"),
        ("01.txt", b"A dog"),
        ("02.json", as_json(caption="A cat", url="…")),
        ("02.PNG", b"2"),
        ("03.webp", b"3"),
        ("03.json", as_json(caption=["x", "y"])),
        ("04.txt", b"text"),
        ("04.json", as_json(caption="json")),
        ("04.jpg", b"4"),
    )
    check_source(source)
    assert outcomes(source) == [
        ("00000/01", ["A dog"]),
        ("00000/02", ["A cat"]),
        ("00000/03", ["x", "y"]),
        ("00000/04", ["text"]),
    ]
    first = next(read_source(source))
    assert isinstance(first, CaptionRecord)
    assert (first.path, first.file_name) == (f"{source.path}::01.jpg", "00000/01.jpg")
    assert read_image_bytes(first.path) == b"1"


def test_another_key(tmp_path: Path) -> None:
    source = write_tar(tmp_path / "0.tar", ("1.jpg", b"1"), ("1.json", as_json(text="A dog")))
    assert outcomes(source) == [("0/1", [])]
    assert outcomes(source.model_copy(update={"caption_key": "text"})) == [("0/1", ["A dog"])]


def test_grouping(tmp_path: Path) -> None:
    source = write_tar(
        tmp_path / "0.tar",
        ("__meta__.json", b"{}"),
        ("./a/1.seg.png", b"mask"),
        ("./a/1.jpg", b"picture"),
        ("./a/1.txt", b"one"),
        ("b/1.jpg", b"other folder, other record"),
        ("._b.jpg", b"hidden"),
        ("b/1.txt", b"two"),
        ("b/1.jpg", b"the same again"),
        ("b/1.txt", b"three"),
    )
    assert outcomes(source) == [("0/a/1", ["one"]), ("0/b/1", ["two"]), ("0/b/1", ["three"])]
    first = next(read_source(source))
    assert isinstance(first, CaptionRecord)
    assert first.file_name == "0/a/1.jpg"
    assert read_image_bytes(first.path) == b"picture"


def test_bad_records(tmp_path: Path) -> None:
    source = write_tar(
        tmp_path / "0.tar",
        ("1.txt", b"no image"),
        ("2.jpg", b"2"),
        ("3.jpg", b"3"),
        ("3.txt", b"caf\xe9"),
        ("4.jpg", b"4"),
        ("4.json", b"{oh"),
        ("5.jpg", b"5"),
        ("5.json", b"[1]"),
        ("6.jpg", b"6"),
        ("6.json", as_json(caption=6)),
        ("7.cls", b"7"),
    )
    assert outcomes(source) == [
        ("0/1", Reason.MISSING_IMAGE),
        ("0/2", []),
        ("0/3", Reason.INVALID_UTF8),
        ("0/4", Reason.INVALID_JSON),
        ("0/5", Reason.INVALID_RECORD),
        ("0/6", Reason.INVALID_RECORD),
        ("0/7", Reason.MISSING_IMAGE),
    ]


@pytest.mark.parametrize("name", ["../1.jpg", "a/../../1.jpg", "/etc/1.jpg", "..\\1.jpg", "C:/1.jpg"])
def test_names_that_leave_the_tar(tmp_path: Path, name: str) -> None:
    source = write_tar(tmp_path / "0.tar", (name, b"1"), (name.replace(".jpg", ".txt"), b"A dog"))
    [row] = read_source(source)
    assert isinstance(row, Reject)
    assert row.reason is Reason.PATH_OUTSIDE_ROOT


def test_links_in_a_tar(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        for kind, name in ((tarfile.SYMTYPE, "1.jpg"), (tarfile.LNKTYPE, "2.jpg"), (tarfile.DIRTYPE, "folder")):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            tar.addfile(entry)
    source = WebDatasetSource(path=str(tmp_path / "0.tar"))
    assert outcomes(source) == [("0/1", Reason.MISSING_IMAGE), ("0/2", Reason.MISSING_IMAGE)]


def test_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "0.tar", "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as tar:
        tar.addfile(tarfile.TarInfo("café.jpg"))
    [row] = read_source(WebDatasetSource(path=str(tmp_path / "0.tar")))
    assert isinstance(row, Reject)
    assert row.reason is Reason.INVALID_UTF8


def test_several_tars(tmp_path: Path) -> None:
    for name in ("b/0.tar", "a/0.tar", "a/1.tar"):
        write_tar(tmp_path / name, ("1.jpg", name.encode()), ("1.txt", name.encode()))
    in_both = WebDatasetSource(path=f"{tmp_path}/*/*.tar")
    check_source(in_both)
    assert outcomes(in_both) == [("a/0/1", ["a/0.tar"]), ("a/1/1", ["a/1.tar"]), ("b/0/1", ["b/0.tar"])]
    in_folder = WebDatasetSource(path=f"{tmp_path}/a")
    assert [row for row, _ in outcomes(in_folder)] == ["0/1", "1/1"]
    assert source_files(in_folder) == [f"{tmp_path}/a/0.tar", f"{tmp_path}/a/1.tar"]


def test_a_tar_cut_in_the_middle(tmp_path: Path, picture: Callable[[int], bytes]) -> None:
    members = [
        member for number in range(3) for member in ((f"{number}.txt", b"A dog"), (f"{number}.jpg", picture(number)))
    ]
    source = write_tar(tmp_path / "0.tar", *members)
    path = Path(source.path)
    block = 1024 + 512 + (len(picture(0)) + 511) // 512 * 512  # one record
    path.write_bytes(path.read_bytes()[: 2 * block - 600])
    check_source(source)
    rows = list(intake(read_source(source), IntakeConfig()))
    assert [type(row) for row in rows] == [Image, Reject, Reject]
    assert [row.reason for row in rows if isinstance(row, Reject)] == [Reason.TRUNCATED_IMAGE, Reason.INVALID_RECORD]


def test_a_caption_cut_in_the_middle(tmp_path: Path) -> None:
    source = write_tar(tmp_path / "0.tar", ("1.jpg", b"1"), ("1.txt", b"A dog" * 100))
    path = Path(source.path)
    path.write_bytes(path.read_bytes()[: 512 + 512 + 512 + 50])
    assert outcomes(source) == [("0/1", Reason.INVALID_RECORD), ("0", Reason.INVALID_RECORD)]


def test_whole_tars_that_are_refused(tmp_path: Path) -> None:
    def refused(name: str) -> str:
        with pytest.raises(SourceError) as caught:
            check_source(WebDatasetSource(path=str(tmp_path / name)))
        return str(caught.value)

    assert "no such file" in refused("0.tar")
    assert "no such file" in refused("*.tar")
    (tmp_path / "0.tar").write_bytes(b"no tar" * 500)
    assert "no tar (" in refused("0.tar")
    (tmp_path / "0.tar").write_bytes(b"")
    assert "no tar (" in refused("0.tar")
    with tarfile.open(tmp_path / "1.tar", "w:gz"):
        pass
    assert "gunzip" in refused("1.tar")
    (tmp_path / "2.zip").write_bytes(b"PK")
    assert "uncompressed tar" in refused("2.zip")
