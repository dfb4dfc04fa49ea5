"""What a reader hands to the intake, and how a record's values become one: names, ids, captions, the path check."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from mminstruct.readers.faults import BadRecord
from mminstruct.rows import Reason


@dataclass(frozen=True, slots=True)
class CaptionRecord:
    """A record with its captions as they came; its image is not opened yet, and may not exist."""

    source: str  # the source's name
    source_id: str
    path: str  # where the image can be opened; `shard.tar::member` inside a tar
    file_name: str  # relative to the image root, with forward slashes
    captions: list[str]  # may be empty or blank: the intake judges that
    place: str  # where the record stands: file and line


def record_in_folder(
    source: str, source_id: str, image_root: str, name: str, captions: list[str], place: str
) -> CaptionRecord:
    """Return the record of an image under `image_root`. Raises BadRecord: outside the root, or text that is no text."""
    check_text(source_id, name, *captions)
    file_name = locate(image_root, name)
    if file_name is None:
        raise BadRecord(
            Reason.PATH_OUTSIDE_ROOT,
            f"found the image {name!r}, which lies outside the image root; expected a path under {image_root}",
        )
    return CaptionRecord(source, source_id, os.path.join(image_root, file_name), file_name, captions, place)  # noqa: PTH118


def locate(image_root: str, name: str) -> str | None:
    """Return the image's name relative to the root, or None where it leaves the root, by its text or by a link."""
    absolute = os.path.isabs(name)  # noqa: PTH117
    if absolute:
        name = os.path.relpath(os.path.normpath(name), os.path.normpath(image_root))
    file_name = relative_name(name)
    if file_name is None or "\0" in file_name:
        return file_name
    root = os.path.realpath(image_root)
    real = os.path.realpath(os.path.join(root, file_name))  # noqa: PTH118
    return file_name if os.path.commonpath([root, real]) == root else None


def relative_name(name: str) -> str | None:
    r"""Return a relative path without `.` and `..`, or None where it climbs out or is absolute (in Windows' way too).

    >>> relative_name("a/./b/../c.jpg"), relative_name("a/../../c.jpg"), relative_name("..\\c.jpg")
    ('a/c.jpg', None, None)
    """
    if name.startswith(("/", "\\")):
        return None
    depth = 0
    for part in re.split(r"[/\\]", name):
        depth += {"": 0, ".": 0, "..": -1}.get(part, 1)
        if depth < 0 or re.fullmatch("[A-Za-z]:", part):  # a drive, wherever it stands: `a/../C:/b` ends up at it
            return None
    return os.path.normpath(PurePosixPath(name)).replace(os.sep, "/")


def check_text(*texts: str) -> None:
    """Raise BadRecord unless all texts are Unicode that can be stored (bytes that were no UTF-8 came as surrogates)."""
    for text in texts:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise BadRecord(
                Reason.INVALID_UTF8, f"found text that is not UTF-8 at character {error.start + 1}; expected UTF-8"
            ) from error


def decode_text(data: bytes) -> str:
    """Return UTF-8 bytes, with or without a BOM, as text. Raises BadRecord."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRecord(
            Reason.INVALID_UTF8, f"found the byte {data[error.start]:#04x} at offset {error.start}; expected UTF-8"
        ) from error


def image_name_of(value: object, key: str) -> str:
    """Return a record's image name. Raises BadRecord: none given, or not a string."""
    if value is None or value == "":
        raise BadRecord(Reason.MISSING_IMAGE, f"found no image name in {key!r}; expected a path")
    if not isinstance(value, str):
        raise BadRecord(Reason.INVALID_RECORD, f"found {_kind(value)} in {key!r}; expected an image's path")
    return value


def source_id_of(value: object, key: str) -> str:
    """Return a record's id as text. Raises BadRecord unless it is a string with something in it or a whole number."""
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise BadRecord(Reason.INVALID_RECORD, f"found {_kind(value)} in {key!r}; expected an id")
    return str(value)


def captions_of(value: object, key: str) -> list[str]:
    """Return a record's captions, an empty list where there are none. Raises BadRecord: neither text nor texts."""
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and all(isinstance(caption, str) for caption in value):
        return list(value)
    raise BadRecord(Reason.INVALID_RECORD, f"found {_kind(value)} in {key!r}; expected a string or a list of strings")


def join_captions(captions: list[str]) -> str:
    """Return one description: blank captions and exact repeats left out; of several, each ends with a full stop.

    >>> join_captions(["A dog runs ", "A brown dog.", "A dog runs"])
    'A dog runs. A brown dog.'
    """
    stripped = [caption.strip() for caption in captions]
    different = list(dict.fromkeys(caption for caption in stripped if caption))
    if len(different) < 2:
        return "".join(different)
    ended = [caption if caption.endswith((".", "!", "?", "…", "。")) else f"{caption}." for caption in different]
    return " ".join(dict.fromkeys(ended))


def _kind(value: object) -> str:
    names = {type(None): "nothing", dict: "an object", list: "a list", bool: "true or false", str: "an empty text"}
    return names.get(type(value), f"a {type(value).__name__}")
