"""Where an export's images are: copied into it, linked from it, inside its rows, or left in place and named."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from mminstruct.errors import ExportError
from mminstruct.imaging import read_image_bytes
from mminstruct.rows import Sample, content_id
from mminstruct.tars import split_tar_path
from mminstruct.writers.format import ImageMode
from mminstruct.writers.links import FolderLinks, source_folder
from mminstruct.writers.seen import Seen

_LONGEST_NAME = 200  # bytes; file systems stop at 255


class ImagePlacer:
    """Gives each image one path, with forward slashes, and puts the file there where the mode asks for it.

    `base` is the folder that the paths are relative to, None where they are absolute. With `embed` an image is its
    file's bytes. With `link` the folders of the files are linked; files one by one where that cannot be.
    """

    def __init__(self, folder: Path, out: Path, mode: ImageMode, image_root: Path | None) -> None:
        """Files go to `folder` now, which will become `out`."""
        self.base = image_root if mode == "none" else folder
        self.n_copied = 0
        self._folder = folder
        self._replaced = f"{out.resolve()}{os.sep}" if out.exists() else None
        self._real_folders: dict[str, str] = {}
        self._mode = mode
        self._links = FolderLinks(folder, out)
        self._n_file_links = 0
        self._seen = Seen()  # paths of images that keep their names
        # Of the others: hash of a path (in lower case, as some file systems do not tell case apart) to that of its key.
        self._owners: dict[int, int] = {}
        self._made: set[str] = set()
        self._last: tuple[str, str | bytes] = ("", "")  # key and place: samples of one image follow each other

    @property
    def n_images(self) -> int:
        """How many different images were placed."""
        return len(self._seen) + len(self._owners)

    @property
    def n_linked(self) -> int:
        """How many links were made, to folders and to files."""
        return self._links.n_links + self._n_file_links

    def place(self, sample: Sample) -> str | bytes:
        """Return the path of the sample's image, with `embed` its bytes.

        Raises ExportError where the file cannot be read, or cannot be reached in this mode.
        """
        if sample.image_id != self._last[0]:
            image = _Image(sample.image_id, sample.image, sample.source, f"sample {sample.sample_id}")
            self._last = (sample.image_id, self._place(image))
        return self._last[1]

    def place_file(self, path: Path, source: str, row_id: str) -> str | bytes:
        """Return the same for an image that is no sample's: a file, of a row that the error can name."""
        return self._place(_Image(content_id(path.as_posix()), path.as_posix(), source, f"row {row_id}"))

    def _place(self, image: _Image) -> str | bytes:
        self._check_not_replaced(image)
        place: str | bytes | None
        if self._mode == "embed":
            place = _read(image)
        elif self._mode == "none":
            place = self._path_in_place(image)
        else:
            is_linked = self._mode == "link" and _is_local(image.path)
            place = self._links.place(image.source, image.path) if is_linked else None
            if place is None:
                return self._bring_in(image)
        self._seen.add(place)
        return place

    def _check_not_replaced(self, image: _Image) -> None:
        if self._replaced is None:
            return
        tar = split_tar_path(image.path)
        file = tar[0] if tar else image.path
        if "://" in file:
            return
        folder, name = os.path.split(file)
        if folder not in self._real_folders:
            self._real_folders[folder] = os.path.realpath(folder)
        real = f"{self._real_folders[folder]}{os.sep}{name}"
        if os.path.islink(real):  # noqa: PTH114 - a Path takes several times as long, for every image
            real = os.path.realpath(real)
        if real.startswith(self._replaced):
            raise ExportError(
                f"Image {image.what} lies in {self._replaced[:-1]}, which this export replaces. Name another folder."
            )

    def _path_in_place(self, image: _Image) -> str:
        if not _is_local(image.path):
            raise ExportError(
                f"Image {image.what} is not a file of its own, so no path can name it for a trainer. Export with the "
                "images copied."
            )
        # Not resolve(): a link inside the image root may point anywhere, and is inside all the same.
        path = os.path.abspath(image.path)  # noqa: PTH100
        if self.base is None:
            return path.replace(os.sep, "/")
        local = Path(path)
        for file, root in ((local, Path(os.path.abspath(self.base))), (local.resolve(), self.base.resolve())):  # noqa: PTH100
            if file.is_relative_to(root):
                return file.relative_to(root).as_posix()
        raise ExportError(
            f"Image {image.what} is outside of the image root {self.base}. Name a root that holds all images, or "
            "export with the images copied."
        )

    def _bring_in(self, image: _Image) -> str:
        path, is_new = self._own_path(image)
        if not is_new:
            return path
        subfolder = path.rpartition("/")[0]
        if subfolder not in self._made:
            (self._folder / subfolder).mkdir(parents=True, exist_ok=True)
            self._made.add(subfolder)
        if self._mode == "link" and _is_local(image.path) and os.path.isfile(image.path):  # noqa: PTH113 - as _link
            _link(image.path, f"{self._folder}/{path}")
            self._n_file_links += 1
        else:  # a tar's member cannot be linked: it is copied
            (self._folder / path).write_bytes(_read(image))
            self.n_copied += 1
        return path

    def _own_path(self, image: _Image) -> tuple[str, bool]:
        """Return the image's path, and whether it has it from now on only."""
        owner = hash(image.key)
        for path in _names(image):
            if self._links.has(path):
                continue
            n_before = len(self._owners)
            if self._owners.setdefault(hash(path.lower()), owner) == owner:
                return path, len(self._owners) > n_before
        raise AssertionError(f"two images have the key {image.key}")


class _Image(NamedTuple):
    key: str  # the same for the same image
    path: str
    source: str
    row: str  # for messages

    @property
    def what(self) -> str:
        return f"{self.path} of {self.row}"


def _names(image: _Image) -> Iterator[str]:
    """Yield the path that an image should have in the export, and one that is its own for certain."""
    folder = source_folder(image.source)
    tar = split_tar_path(image.path)
    name = re.split(r"[/\\]", tar[1] if tar else image.path)[-1]
    stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix
    if not stem or name in (".", "..") or len(os.fsencode(name)) > _LONGEST_NAME:
        stem, suffix = image.key, suffix[:10]
    yield f"{folder}/{stem}{suffix}"
    yield f"{folder}/{stem}-{image.key}{suffix}"


def _is_local(path: str) -> bool:
    return "://" not in path and not split_tar_path(path)


def _read(image: _Image) -> bytes:
    try:
        return read_image_bytes(image.path)
    except OSError as error:
        raise ExportError(f"Image {image.what} cannot be read any more: {error}") from error


def _link(source: str, target: str) -> None:
    # A Path takes several times as long, and there may be millions of links.
    source = os.path.abspath(source)  # noqa: PTH100
    try:
        os.symlink(source, target)  # noqa: PTH211
    except OSError:  # file systems, and users of Windows, without symbolic links
        os.link(os.path.realpath(source), target)
