"""A folder of images, sub-folders too, each with its caption beside it: `a.jpg` and `a.txt`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mminstruct.config.images import FolderSource
from mminstruct.imaging import IMAGE_ENDINGS
from mminstruct.readers.faults import BadRecord, reject, source_error
from mminstruct.readers.records import CaptionRecord, decode_text, locate, record_in_folder
from mminstruct.rows import Reason, Reject


def check_folder(source: FolderSource) -> None:
    """Raise SourceError unless the path is a folder with at least one image in it."""
    advice = f"Correct `path` of the source {source.name!r} under `images:`."
    if not Path(source.path).is_dir():
        raise source_error(source.name, source.path, "no such folder", "a folder of images", advice)
    if not any(_is_image(name) for _, names, _ in _walk(source) for name in names):
        raise source_error(source.name, source.path, "no image in it", "images with .txt files", advice)


def read_folder(source: FolderSource) -> Iterator[CaptionRecord | Reject]:
    """Yield one record or reject an image, a folder's own files first, all sorted by name.

    A `.txt` without its image is a reject too, and so is a link to a folder, which is not followed.
    """
    for below, names, linked_folders in _walk(source):
        texts = {_stem(name): name for name in names if _is_text(name)}
        with_image = {_stem(name) for name in names if _is_image(name)}
        for name in names:
            if _is_image(name):
                yield _record(source, below + name, texts.get(_stem(name)), below)
            elif _is_text(name) and _stem(name) not in with_image:
                fault = BadRecord(Reason.MISSING_IMAGE, "found a text without an image of the same name beside it")
                yield reject(source.name, below + name, fault, f"{source.path}/{below}{name}", "")
        for name in linked_folders:
            fault = BadRecord(Reason.PATH_OUTSIDE_ROOT, "found a link to a folder, which is not followed")
            yield reject(source.name, below + name, fault, f"{source.path}/{below}{name}", "")


def folder_files(source: FolderSource) -> list[str]:
    """Return every image and text in the folder, in the order of reading; links that lead nowhere are left out."""
    paths = (f"{source.path}/{below}{name}" for below, names, _ in _walk(source) for name in names)
    return [path for path in paths if Path(path).exists()]


def _walk(source: FolderSource) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield, for each folder: its path below the source (`` or `a/b/`), its images and texts, its links to folders."""

    def fail(error: OSError) -> None:
        advice = "Give the right to read it, or move it away."
        found = f"a folder that cannot be read ({error.strerror})"
        raise source_error(source.name, str(error.filename), found, "a folder of images", advice) from error

    for folder, subfolders, names in os.walk(source.path, onerror=fail):
        below = os.path.relpath(folder, source.path).replace(os.sep, "/") + "/"
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        linked = [name for name in subfolders if (Path(folder) / name).is_symlink()]
        wanted = sorted(name for name in names if not name.startswith(".") and (_is_image(name) or _is_text(name)))
        yield "" if below == "./" else below, wanted, linked


def _record(source: FolderSource, name: str, text: str | None, below: str) -> CaptionRecord | Reject:
    place = f"{source.path}/{name}"
    try:
        captions = []
        if text is not None:
            place = f"{source.path}/{below}{text}"
            captions = [_caption(source, below + text)]
        return record_in_folder(source.name, name, source.path, name, captions, place)
    except BadRecord as fault:
        return reject(source.name, name, fault, place, name)


def _caption(source: FolderSource, name: str) -> str:
    if locate(source.path, name) is None:
        raise BadRecord(Reason.PATH_OUTSIDE_ROOT, "found a caption file that is a link out of the folder")
    file = Path(source.path) / name
    try:
        if not file.is_file():  # a named pipe would wait for ever
            raise BadRecord(Reason.MISSING_CAPTION, "found a caption file that is no file")
        return decode_text(file.read_bytes())
    except OSError as error:
        raise BadRecord(
            Reason.MISSING_CAPTION, f"found a caption file that cannot be opened ({error.strerror})"
        ) from error


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]  # noqa: PTH122 — names, not paths


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower().removeprefix(".")  # noqa: PTH122


def _is_image(name: str) -> bool:
    return _ending(name) in IMAGE_ENDINGS


def _is_text(name: str) -> bool:
    return _ending(name) == "txt"
