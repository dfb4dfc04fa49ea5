"""Where an export's images are: copied into it, linked from it, or left in place and named relative to a root."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Literal

from mminstruct.errors import ExportError
from mminstruct.imaging import read_image_bytes
from mminstruct.rows import Sample
from mminstruct.tars import split_tar_path

ImageMode = Literal["copy", "link", "none"]

_LONGEST_NAME = 200  # bytes; file systems stop at 255


class ImagePlacer:
    """Gives each image one path, with forward slashes, and puts the file there where the mode asks for it.

    `base` is the folder that the paths are relative to, None where they are absolute.
    """

    def __init__(self, folder: Path, out: Path, mode: ImageMode, image_root: Path | None) -> None:
        """Files go to `folder` now, which will become `out`."""
        self.base = folder if mode != "none" else image_root
        self.n_copied = 0
        self.n_linked = 0
        self._folder = folder
        self._out = out
        self._mode = mode
        self._paths: dict[str, str] = {}  # image_id to path
        self._taken: set[str] = set()  # in lower case: some file systems do not tell case apart

    @property
    def n_images(self) -> int:
        """How many different images were placed."""
        return len(self._paths)

    def place(self, sample: Sample) -> str:
        """Return the path of the sample's image.

        Raises ExportError where the file cannot be read, or cannot be reached in this mode.
        """
        path = self._paths.get(sample.image_id)
        if path is None:
            self._check_not_replaced(sample)
            path = self._path_in_place(sample) if self._mode == "none" else self._bring_in(sample)
            self._paths[sample.image_id] = path
        return path

    def _check_not_replaced(self, sample: Sample) -> None:
        tar = split_tar_path(sample.image)
        local = _local_file(tar[0] if tar else sample.image)
        if local is not None and local.resolve().is_relative_to(self._out.resolve()):
            raise ExportError(
                f"Image {sample.image} of sample {sample.sample_id} lies in {self._out}, which this export replaces. "
                "Name another folder."
            )

    def _path_in_place(self, sample: Sample) -> str:
        local = _local_file(sample.image)
        if local is None:
            raise ExportError(
                f"Image {sample.image} of sample {sample.sample_id} is not a file of its own, so no path can name it "
                "for a trainer. Export with the images copied."
            )
        if self.base is None:
            return local.as_posix()
        for file, root in ((local, _normal(self.base)), (local.resolve(), self.base.resolve())):
            if file.is_relative_to(root):
                return file.relative_to(root).as_posix()
        raise ExportError(
            f"Image {local} of sample {sample.sample_id} is outside of the image root {self.base}. Name a root that "
            "holds all images, or export with the images copied."
        )

    def _bring_in(self, sample: Sample) -> str:
        path = self._free_path(sample)
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        local = _local_file(sample.image)
        if self._mode == "link" and local is not None and local.is_file():
            _link(local.resolve(), target)
            self.n_linked += 1
        else:  # a tar's member cannot be linked: it is copied
            target.write_bytes(_read(sample))
            self.n_copied += 1
        return path

    def _free_path(self, sample: Sample) -> str:
        source = re.sub(r"[^\w.-]+", "_", sample.source).lstrip(".") or "source"
        tar = split_tar_path(sample.image)
        name = re.split(r"[/\\]", tar[1] if tar else sample.image)[-1]
        stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix
        if not stem or name in (".", "..") or len(os.fsencode(name)) > _LONGEST_NAME:
            stem, suffix = sample.image_id, suffix[:10]
        path = f"images/{source}/{stem}{suffix}"
        if path.lower() in self._taken:
            path = f"images/{source}/{stem}-{sample.image_id}{suffix}"
        self._taken.add(path.lower())
        return path


def _local_file(path: str) -> Path | None:
    """Return the absolute path of a file on this machine, None for a tar's member or a file elsewhere."""
    if split_tar_path(path) or "://" in path:
        return None
    return _normal(Path(path))


def _normal(path: Path) -> Path:
    # Not resolve(): a link inside the image root may point anywhere, and is inside all the same.
    return Path(os.path.abspath(path))  # noqa: PTH100


def _read(sample: Sample) -> bytes:
    try:
        return read_image_bytes(sample.image)
    except OSError as error:
        raise ExportError(
            f"Image {sample.image} of sample {sample.sample_id} cannot be read any more: {error}"
        ) from error


def _link(source: Path, target: Path) -> None:
    try:
        target.symlink_to(source)
    except OSError:  # file systems, and users of Windows, without symbolic links
        os.link(source, target)
