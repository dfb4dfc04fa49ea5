"""Members of a tar, in order and by name, without unpacking: the tar's headers are read, its data only where asked.

A member's path is written `…/shard.tar::member`. Tars are read as plain files; a compressed tar has no such paths.
"""

from __future__ import annotations

import errno
import os
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_BLOCK = 512  # bytes in a tar's header (POSIX.1-1988)
_N_INDEXES = 16  # tars whose list of members is kept in memory


@dataclass(frozen=True, slots=True)
class TarMember:
    """One entry of a tar that is no folder; `offset` and `size` are bytes of its data in the tar."""

    name: str
    offset: int
    size: int
    is_link: bool


class DamagedTar(Exception):
    """A tar that ends, or turns into something else, in the middle; what came before it is sound."""


def iterate_members(tar_path: str) -> Iterator[TarMember]:
    """Yield files and links in the order of the tar.

    Raises DamagedTar where the tar cannot be read on (at once where it is no tar), and OSError.
    """
    with Path(tar_path).open("rb") as file:
        try:
            with tarfile.open(fileobj=file, mode="r:", encoding="utf-8", errors="surrogateescape") as tar:
                while (entry := tar.next()) is not None:
                    tar.members.clear()  # type: ignore[attr-defined]  # tarfile keeps every entry it has seen
                    if entry.isreg() or entry.issym() or entry.islnk():
                        yield TarMember(entry.name, entry.offset_data, entry.size, not entry.isreg())
                end: int = tar.offset
        except tarfile.TarError as error:
            raise DamagedTar(str(error)) from error
        # tarfile takes a broken header in the middle for the end of the tar; a real end is zeros, or nothing.
        file.seek(end)
        if file.read(_BLOCK).strip(b"\0"):
            raise DamagedTar(f"found no tar header at byte {end}")


def split_tar_path(path: str) -> tuple[str, str] | None:
    """Return the tar and the member of a path such as `…/shard.tar::member`, or None for a plain path.

    >>> split_tar_path("/data/0.tar::a/1.jpg"), split_tar_path("/data/1.jpg")
    (('/data/0.tar', 'a/1.jpg'), None)
    """
    head, separator, member = path.partition(".tar::")
    return (f"{head}.tar", member) if separator else None


def read_member(tar_path: str, name: str) -> bytes:
    """Return the bytes of the first member of that name. Raises OSError: no such tar, no such member."""
    state = Path(tar_path).stat()
    with _INDEX_LOCK:  # so that several threads that need the same index wait for one of them to make it
        members = _index(tar_path, state.st_size, state.st_mtime_ns)
    member = members.get(name)
    if member is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), f"{tar_path}::{name}")
    return read_range(tar_path, *member)


def read_range(tar_path: str, offset: int, size: int) -> bytes:
    """Return `size` bytes of a file from `offset` on; fewer where the file ends before."""
    with Path(tar_path).open("rb") as file:
        file.seek(offset)
        return file.read(size)


_INDEX_LOCK = threading.Lock()


@lru_cache(maxsize=_N_INDEXES)
def _index(tar_path: str, size: int, mtime_ns: int) -> dict[str, tuple[int, int]]:
    """Return offset and size of each file in the tar; size and time of the tar make a changed tar a new one."""
    members: dict[str, tuple[int, int]] = {}
    try:
        for member in iterate_members(tar_path):
            if not member.is_link:
                members.setdefault(member.name, (member.offset, member.size))
    except DamagedTar:
        pass  # what stands before the damage can be read
    return members
