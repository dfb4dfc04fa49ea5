"""A folder of images with their captions beside them, read in one order, links that lead out refused."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from mminstruct.config.images import FolderSource
from mminstruct.errors import SourceError
from mminstruct.readers.records import CaptionRecord
from mminstruct.readers.sources import check_source, read_source, source_files
from mminstruct.rows import Reason


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"text of {name}", encoding="utf-8")


def outcomes(folder: Path) -> list[Any]:
    return [
        (row.file_name, row.captions) if isinstance(row, CaptionRecord) else (row.row_id, row.reason)
        for row in read_source(FolderSource(path=str(folder)))
    ]


def test_order_and_sub_folders(tmp_path: Path) -> None:
    write(tmp_path, "b.JPG", "b.txt", "z/1.png", "z/1.txt", "a/2.webp", "a/2.txt", "a/b/3.jpg", "a/b/3.TXT", "notes.md")
    write(tmp_path, ".hidden/9.jpg", "._b.jpg", ".DS_Store")
    check_source(FolderSource(path=str(tmp_path)))
    assert outcomes(tmp_path) == [
        ("b.JPG", ["text of b.txt"]),
        ("a/2.webp", ["text of a/2.txt"]),
        ("a/b/3.jpg", ["text of a/b/3.TXT"]),
        ("z/1.png", ["text of z/1.txt"]),
    ]
    first = next(read_source(FolderSource(path=str(tmp_path), name="mine")))
    assert first == CaptionRecord("mine", "b.JPG", f"{tmp_path}/b.JPG", "b.JPG", ["text of b.txt"], f"{tmp_path}/b.txt")


def test_files_that_tell_of_a_change(tmp_path: Path) -> None:
    write(tmp_path, "b.jpg", "b.txt", "a/c.jpg", "notes.md")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    names = [os.path.relpath(path, tmp_path) for path in source_files(FolderSource(path=str(tmp_path)))]
    assert names == ["b.jpg", "b.txt", "a/c.jpg"]


def test_without_a_partner(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", "b.txt")
    assert outcomes(tmp_path) == [("a.jpg", []), ("b.txt", Reason.MISSING_IMAGE)]


def test_captions(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    (tmp_path / "a.txt").write_bytes("\ufeffzwei\nZeilen\n".encode())
    (tmp_path / "b.txt").write_bytes(b"caf\xe9")
    (tmp_path / "c.txt").write_bytes(b"")
    os.mkfifo(tmp_path / "d.txt")
    assert outcomes(tmp_path) == [
        ("a.jpg", ["zwei\nZeilen\n"]),
        ("b.jpg", Reason.INVALID_UTF8),
        ("c.jpg", [""]),
        ("d.jpg", Reason.MISSING_CAPTION),
    ]


def test_links(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    write(outside, "secret.jpg", "secret.txt")
    write(root, "a.jpg", "real/c.jpg", "real/c.txt")
    (root / "a.txt").symlink_to(outside / "secret.txt")
    (root / "b.jpg").symlink_to(outside / "secret.jpg")
    (root / "folder").symlink_to(outside)
    (root / "inner.jpg").symlink_to(root / "real" / "c.jpg")
    assert outcomes(root) == [
        ("a.jpg", Reason.PATH_OUTSIDE_ROOT),
        ("b.jpg", Reason.PATH_OUTSIDE_ROOT),
        ("inner.jpg", []),
        ("folder", Reason.PATH_OUTSIDE_ROOT),
        ("real/c.jpg", ["text of real/c.txt"]),
    ]


def test_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")).write_bytes(b"1")
    except OSError:
        pytest.skip("this file system keeps names as UTF-8")
    assert outcomes(tmp_path) == [("caf\\udce9.jpg", Reason.INVALID_UTF8)]


def test_whole_folders_that_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such folder"):
        check_source(FolderSource(path=str(tmp_path / "nowhere")))
    write(tmp_path, "a/b.txt")
    with pytest.raises(SourceError, match="no image in it"):
        check_source(FolderSource(path=str(tmp_path)))
    shutil.rmtree(tmp_path / "a")
