"""Members are found by name and read in place, in sound and in damaged tars."""

import io
import tarfile
from pathlib import Path

import pytest

from mminstruct.imaging import read_image_bytes
from mminstruct.tars import DamagedTar, iterate_members, read_member, split_tar_path


def write_tar(path: Path, members: dict[str, bytes], tar_format: int = tarfile.PAX_FORMAT) -> str:
    with tarfile.open(path, "w", format=tar_format) as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return str(path)


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_in_order(tmp_path: Path, tar_format: int) -> None:
    names = ["b/2.jpg", "a/1.jpg", "x" * 90 + ".jpg"]
    path = write_tar(tmp_path / "0.tar", {name: name.encode() for name in names}, tar_format)
    assert [member.name for member in iterate_members(path)] == names
    for name in names:
        assert read_image_bytes(f"{path}::{name}") == name.encode()


def test_a_changed_tar_is_read_anew(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "0.tar", {"a": b"old"})
    assert read_member(path, "a") == b"old"
    write_tar(tmp_path / "0.tar", {"before": b"1" * 600, "a": b"new one"})
    assert read_member(path, "a") == b"new one"


def test_the_first_of_two_of_one_name(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        for data in (b"first", b"second"):
            entry = tarfile.TarInfo("a")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    assert read_member(str(tmp_path / "0.tar"), "a") == b"first"


def test_no_such_member_or_tar(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "0.tar", {"a": b"1"})
    with pytest.raises(FileNotFoundError):
        read_member(path, "b")
    with pytest.raises(FileNotFoundError):
        read_image_bytes(f"{tmp_path}/1.tar::a")


def test_links_are_members_and_cannot_be_read(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        entry = tarfile.TarInfo("a.jpg")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(entry)
    assert [member.is_link for member in iterate_members(str(tmp_path / "0.tar"))] == [True]
    with pytest.raises(FileNotFoundError):
        read_member(str(tmp_path / "0.tar"), "a.jpg")


def test_no_tar_at_all(tmp_path: Path) -> None:
    (tmp_path / "0.tar").write_bytes(b"no tar " * 200)
    with pytest.raises(DamagedTar):
        list(iterate_members(str(tmp_path / "0.tar")))


@pytest.mark.parametrize("keep", [512 + 600, 512 + 1024 + 100])  # inside the data, inside the second header
def test_cut_short(tmp_path: Path, keep: int) -> None:
    path = write_tar(tmp_path / "0.tar", {"a": b"1" * 1000, "b": b"2"}, tarfile.USTAR_FORMAT)
    Path(path).write_bytes(Path(path).read_bytes()[:keep])
    found = []
    with pytest.raises(DamagedTar):
        for member in iterate_members(path):
            found.append(member.name)
    assert found == ["a"]


def test_rubbish_in_the_middle(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "0.tar", {"a": b"1" * 500, "b": b"2"}, tarfile.USTAR_FORMAT)
    data = bytearray(Path(path).read_bytes())
    data[1024:1536] = b"?" * 512
    Path(path).write_bytes(data)
    with pytest.raises(DamagedTar, match="byte 1024"):
        list(iterate_members(path))
    assert read_member(path, "a") == b"1" * 500


def test_plain_paths() -> None:
    assert split_tar_path("/a/b.jpg") is None
    assert split_tar_path("/a/b.tar::c::d.jpg") == ("/a/b.tar", "c::d.jpg")
