"""Links from an export to the folders that hold its images: one a folder, where one a file would take minutes.

/data/coco/train2017/17.jpg of source coco  ─►  images/coco/train2017 -> /data/coco/train2017  ─►
images/coco/train2017/17.jpg
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from mminstruct.rows import content_id

_LONGEST_NAME = 200  # bytes; file systems stop at 255


class FolderLinks:
    """Links each folder of images once, and gives its files the paths below that link."""

    def __init__(self, folder: Path, out: Path) -> None:
        """Links go to `folder` now, which will become `out`."""
        self.n_links = 0
        self._folder = folder
        self._out = out.resolve()
        # Source and folder to the folder's path in the export; None where its files have to be linked one by one.
        self._places: dict[tuple[str, str], str | None] = {}
        self._taken: set[str] = set()  # in lower case: some file systems do not tell case apart

    def place(self, source: str, path: str) -> str | None:
        """Return the path in the export of a local image file; None where its folder cannot be linked."""
        parent, name = os.path.split(path)
        if not name or "\\" in name:  # a trainer may take the second for a folder
            return None
        key = (source, parent)
        if key not in self._places:
            self._places[key] = self._link(source, os.path.abspath(parent))  # noqa: PTH100
        place = self._places[key]
        return f"{place}/{name}" if place else None

    def has(self, path: str) -> bool:
        """Tell whether a link to a folder has this path in the export."""
        return path.lower() in self._taken

    def _link(self, source: str, folder: str) -> str | None:
        # Whoever walks through the export would come back to it and never end.
        if self._out.is_relative_to(os.path.realpath(folder)) or not os.path.isdir(folder):  # noqa: PTH112
            return None
        place = next(place for place in _places(source, folder) if place.lower() not in self._taken)
        target = self._folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            target.symlink_to(folder, target_is_directory=True)
        except OSError:  # no symbolic links here (some file systems, some users of Windows), or a file of that name
            return None
        self._taken.add(place.lower())
        self.n_links += 1
        return place


def source_folder(source: str) -> str:
    """Return the folder of a source's images in an export.

    >>> source_folder("../my photos")
    'images/_my_photos'
    """
    return f"images/{_plain(source) or 'source'}"


def _places(source: str, folder: str) -> Iterator[str]:
    """Yield the path that a folder's link should have, and one that is its own for certain."""
    name = _plain(os.path.basename(folder))  # noqa: PTH119
    name = name if name and len(os.fsencode(name)) <= _LONGEST_NAME else "folder"
    yield f"{source_folder(source)}/{name}"
    yield f"{source_folder(source)}/{name}-{content_id(source, folder)}"


def _plain(name: str) -> str:
    """Return a name without signs that have a meaning in paths or shells, and that is not hidden."""
    return re.sub(r"[^\w.-]+", "_", name).lstrip(".")
