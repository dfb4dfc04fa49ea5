"""Every image is opened here, once: caption records in, Image rows out, and a Reject for whatever cannot be used.

CaptionRecord(source="coco", source_id="42", path="/data/42.jpg", captions=["A dog runs", "A brown dog."], …)
─► Image(image_id="9f…", description="A dog runs. A brown dog.", width=640, height=480, format="JPEG", …)
"""

from __future__ import annotations

import stat
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from mminstruct.config.images import IntakeConfig
from mminstruct.errors import BadInputError
from mminstruct.imaging import BadImage, ImageFacts, image_hash, inspect_image, is_no_file, read_image_bytes
from mminstruct.readers.faults import STAGE, BadRecord, reject, source_error
from mminstruct.readers.records import CaptionRecord, join_captions
from mminstruct.readers.seen import Seen
from mminstruct.rows import Image, Reason, Reject, content_id
from mminstruct.tars import split_tar_path

__all__ = ["Seen", "intake"]

_N_THREADS = 4
_N_READ_AHEAD = 16  # records that are being opened while the caller looks at one


def intake(
    records: Iterable[CaptionRecord | Reject],
    config: IntakeConfig,
    stage: str = STAGE,
    seen: Seen | None = None,
    needs_captions: bool = True,
) -> Iterator[Image | Reject]:
    """Yield exactly one row or reject for each record, in the order of the records.

    Some images are opened ahead in threads; what is a duplicate is decided in order. Without `needs_captions` an image
    may come with none, or blank ones. See `accept`.
    """
    return accept(open_records(records, config.max_pixels, needs_captions), config, stage, seen)


def accept(
    opened_records: Iterable[Opened | Reject], config: IntakeConfig, stage: str = STAGE, seen: Seen | None = None
) -> Iterator[Image | Reject]:
    """Yield a row or a reject for each opened record, in their order: here duplicates are found.

    `seen` is kept up to date. Raises BadInputError at the first reject where `on_bad_input` is `fail`.
    """
    seen = Seen() if seen is None else seen
    for opened in opened_records:
        row = opened if isinstance(opened, Reject) else _row(opened, seen)
        if isinstance(row, Image):
            seen.add([row])
        else:
            row = replace(row, stage=stage)
            if config.on_bad_input == "fail":
                raise _bad_input(row)
        yield row


@dataclass(frozen=True, slots=True)
class Opened:
    """A record whose image is sound."""

    record: CaptionRecord
    content_hash: str
    facts: ImageFacts


def open_records(
    records: Iterable[CaptionRecord | Reject], max_pixels: int, needs_captions: bool
) -> Iterator[Opened | Reject]:
    """Yield the records in their order with their images looked at, up to `_N_READ_AHEAD` of them under way."""
    waiting: deque[Future[Opened | Reject]] = deque()
    with ThreadPoolExecutor(_N_THREADS, thread_name_prefix="intake") as pool:
        for record in records:
            waiting.append(pool.submit(_open, record, max_pixels, needs_captions))
            if len(waiting) >= _N_READ_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _open(record: CaptionRecord | Reject, max_pixels: int, needs_captions: bool) -> Opened | Reject:
    if isinstance(record, Reject):
        return record
    raw_text = record.file_name
    try:
        if needs_captions:
            raw_text = "\n".join(record.captions)
            _check_captions(record.captions)
            raw_text = record.file_name
        data = _read(record)
        facts = inspect_image(data, max_pixels)
    except BadRecord as fault:
        return _reject(record, fault.reason, fault.detail, raw_text)
    except BadImage as fault:
        return _reject(record, fault.reason, f"{record.path}: {fault.detail}", raw_text)
    return Opened(record, image_hash(data), facts)


def _check_captions(captions: list[str]) -> None:
    if not captions:
        raise BadRecord(Reason.MISSING_CAPTION, "found no caption; expected at least one")
    if not any(caption.strip() for caption in captions):
        raise BadRecord(Reason.EMPTY_CAPTION, "found only blank captions; expected text")


def _read(record: CaptionRecord) -> bytes:
    try:
        # A named pipe would wait for ever for somebody to write into it.
        if split_tar_path(record.path) is None and not stat.S_ISREG(Path(record.path).stat().st_mode):
            raise BadRecord(Reason.MISSING_IMAGE, f"found something that is not a file at {record.path}")
        return read_image_bytes(record.path)
    except ValueError as error:  # a NUL in the name
        raise BadRecord(Reason.MISSING_IMAGE, f"found no file at {record.path!r} ({error})") from error
    except OSError as error:
        if not is_no_file(error):
            advice = "Run again when it can be read."
            raise source_error(record.source, record.path, f"an error ({error})", "an image", advice) from error
        raise BadRecord(Reason.MISSING_IMAGE, f"found no file to open at {record.path} ({error.strerror})") from error


def _row(opened: Opened, seen: Seen) -> Image | Reject:
    record = opened.record
    if seen.has_id(record.source, record.source_id):
        detail = f"found the id {record.source_id!r} again; expected each id once in a source"
        return _reject(record, Reason.DUPLICATE_ID, detail, record.file_name)
    first = seen.first_with(opened.content_hash)
    if first is not None:
        detail = f"found the same bytes as in the record {first[1]!r} of the source {first[0]!r}"
        return _reject(record, Reason.DUPLICATE_IMAGE, detail, record.file_name)
    return Image(
        image_id=content_id(opened.content_hash),
        source=record.source,
        source_id=record.source_id,
        path=record.path,
        file_name=record.file_name,
        description=join_captions(record.captions),
        captions=record.captions,
        width=opened.facts.width,
        height=opened.facts.height,
        format=opened.facts.format,
        content_hash=opened.content_hash,
    )


def _reject(record: CaptionRecord, reason: Reason, detail: str, raw_text: str) -> Reject:
    return reject(record.source, record.source_id, BadRecord(reason, detail), record.place, raw_text)


def _bad_input(row: Reject) -> BadInputError:
    return BadInputError(
        f"Bad input ({row.reason}) in the record {row.row_id!r} of the source {row.detail}. "
        "Correct the record or take it out, or set `intake: {on_bad_input: reject}` to set it aside and go on."
    )
