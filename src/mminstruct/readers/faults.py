"""What can be wrong with a source as a whole (SourceError) and with one record of it (BadRecord, a Reject later)."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from mminstruct.errors import SourceError
from mminstruct.rows import Reason, Reject

STAGE = "images"


class BadRecord(Exception):
    """One record cannot be used; readers turn it into a Reject, it never leaves them."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def reject(source: str, row_id: str, fault: BadRecord, place: str, raw_text: str) -> Reject:
    """Return the Reject of a record; every text in it can be stored, whatever bytes it came from."""
    detail = f"{source}: {place}: {fault.detail}"
    return Reject(_storable(row_id), STAGE, fault.reason, _storable(detail), _storable(raw_text))


def _storable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def source_error(source: str, where: str, found: str, expected: str, advice: str) -> SourceError:
    """Return the error of a source that cannot be read: where, found, expected, what to do."""
    return SourceError(_storable(f"Source {source!r}: {where}: found {found}; expected {expected}. {advice}"))


def require_file(source: str, path: str, expected: str) -> None:
    """Raise SourceError unless the path is a file with something in it that can be opened."""
    advice = f"Correct `path` of the source {source!r} under `images:`."
    file = Path(path)
    if not file.exists():
        raise source_error(source, path, "no such file", expected, advice)
    if not file.is_file():
        raise source_error(source, path, "something that is not a file", expected, advice)
    try:
        with file.open("rb") as opened:
            empty = not opened.read(1)
    except OSError as error:
        raise source_error(
            source, path, f"a file that cannot be opened ({error.strerror})", expected, advice
        ) from error
    if empty:
        raise source_error(source, path, "an empty file", expected, advice)


def require_image_root(source: str, image_root: str) -> None:
    """Raise SourceError unless the image root is a folder."""
    if not Path(image_root).is_dir():
        advice = f"Correct `image_root` of the source {source!r} under `images:`; image names are relative to it."
        raise source_error(source, image_root, "no such folder", "the folder of the images", advice)


def require_columns(source: str, where: str, found: Collection[str], needed: dict[str, str]) -> None:
    """Raise SourceError unless all columns are there; `needed` maps each config key to the column that it names."""
    for key, column in needed.items():
        if column not in found:
            columns = ", ".join(repr(name) for name in found) or "no columns"
            advice = f"Set `{key}` of the source {source!r} to the right column."
            raise source_error(source, where, f"the columns {columns}", f"a column {column!r}", advice)
