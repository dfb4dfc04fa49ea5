"""WebDataset tars: neighbouring members whose names agree up to the first dot are one record.

`0001.jpg` with `0001.txt`, or with a `0001.json` that has the caption under a key (img2dataset writes both).
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from pathlib import Path

from mminstruct.config.images import WebDatasetSource
from mminstruct.imaging import IMAGE_ENDINGS
from mminstruct.readers.faults import BadRecord, reject, source_error
from mminstruct.readers.jsonlines import parse_object
from mminstruct.readers.records import CaptionRecord, captions_of, check_text, decode_text, relative_name
from mminstruct.rows import Reason, Reject
from mminstruct.tars import DamagedTar, TarMember, iterate_members, read_range

_GZIP = b"\x1f\x8b"


def check_webdataset(source: WebDatasetSource) -> None:
    """Raise SourceError unless the path names at least one tar, and each begins as a tar."""
    tars = tar_files(source)
    expected = "a .tar file, a folder of them, or a pattern such as shards/*.tar"
    if not tars:
        advice = f"Correct `path` of the source {source.name!r} under `images:`."
        raise source_error(source.name, source.path, "no such file", expected, advice)
    for tar in tars:
        try:
            if not tar.endswith(".tar") or _begins_with(tar, _GZIP):
                found, advice = "another kind of file", "Unpack a compressed tar first (gunzip)."
                raise source_error(source.name, tar, found, "an uncompressed tar named .tar", advice)
            next(iterate_members(tar), None)
        except DamagedTar as error:
            advice = "Fetch it again, or leave it out."
            raise source_error(source.name, tar, f"no tar ({error})", "a tar", advice) from error
        except OSError as error:
            advice = "Give the right to read it, or leave it out."
            raise source_error(source.name, tar, f"no file to open ({error.strerror})", "a tar", advice) from error


def tar_files(source: WebDatasetSource) -> list[str]:
    """Return the tars of a source, sorted by name."""
    path = Path(source.path)
    if path.is_file():
        return [source.path]
    if path.is_dir():
        return sorted(str(tar) for tar in path.glob("*.tar"))
    return sorted(tar for tar in glob.glob(source.path, recursive=True) if Path(tar).is_file())  # noqa: PTH207


def read_webdataset(source: WebDatasetSource) -> Iterator[CaptionRecord | Reject]:
    """Yield one record or reject a group of members, in the order of the tars and of their members.

    A tar that is damaged in the middle gives one reject there; what came before it is read.
    """
    tars = tar_files(source)
    folder = os.path.commonpath([str(Path(tar).parent) for tar in tars]) if tars else ""
    for tar in tars:
        # The tar's name is part of the id, for many data sets count from 0 in each tar.
        shard = Path(tar).relative_to(folder).with_suffix("").as_posix()
        try:
            for key, members in _groups(tar):
                yield _record(source, tar, shard, key, members)
        except DamagedTar as error:
            fault = BadRecord(Reason.INVALID_RECORD, f"found a damaged tar ({error}); what comes after this is lost")
            yield reject(source.name, shard, fault, tar, "")


def _groups(tar: str) -> Iterator[tuple[str, list[TarMember]]]:
    """Yield each key with its neighbouring members; raises DamagedTar after the last sound group."""
    group: list[TarMember] = []
    group_key = ""
    damage: DamagedTar | None = None
    members = iterate_members(tar)
    while True:
        try:
            member = next(members, None)
        except DamagedTar as error:
            member, damage = None, error
        if member is None:
            break
        base = re.split(r"[/\\]", member.name)[-1]
        if base.startswith((".", "__")):  # hidden files; WebDataset's own notes
            continue
        key, ending = _split(member.name)
        if group and (key != group_key or ending in [_split(other.name)[1] for other in group]):
            yield group_key, group
            group = []
        group_key = key
        group.append(member)
    if group:
        yield group_key, group
    if damage is not None:
        raise damage


def _split(name: str) -> tuple[str, str]:
    """Split a member's name at the first dot of its last part, as WebDataset does.

    >>> _split("a.b/0001.seg.PNG")
    ('a.b/0001', 'seg.png')
    """
    folder, slash, base = name.rpartition("/")
    stem, _, ending = base.partition(".")
    return folder + slash + stem, ending.lower()


def _record(
    source: WebDatasetSource, tar: str, shard: str, key: str, members: list[TarMember]
) -> CaptionRecord | Reject:
    source_id, place = f"{shard}/{relative_name(key) or key}", f"{tar}, record {key!r}"
    try:
        image = _image(members)
        file_name = relative_name(image.name)
        if file_name is None:
            detail = f"found the member {image.name!r}; expected a name that stays inside the tar"
            raise BadRecord(Reason.PATH_OUTSIDE_ROOT, detail)
        captions = _captions(source, tar, members)
        path = f"{tar}::{image.name}"
        check_text(source_id, path, *captions)
        return CaptionRecord(source.name, source_id, path, f"{shard}/{file_name}", captions, place)
    except BadRecord as fault:
        return reject(source.name, source_id, fault, place, ", ".join(member.name for member in members))


def _image(members: list[TarMember]) -> TarMember:
    images = [member for member in members if _split(member.name)[1].rpartition(".")[2] in IMAGE_ENDINGS]
    if not images:
        names = ", ".join(member.name for member in members)
        raise BadRecord(Reason.MISSING_IMAGE, f"found only the members {names}; expected an image with them")
    # `0001.jpg` is the picture and `0001.seg.png` something about it, whichever comes first.
    image = min(images, key=lambda member: _split(member.name)[1] not in IMAGE_ENDINGS)
    if image.is_link:
        raise BadRecord(Reason.MISSING_IMAGE, f"found {image.name!r}, a link; expected the image itself in the tar")
    return image


def _captions(source: WebDatasetSource, tar: str, members: list[TarMember]) -> list[str]:
    by_ending = {_split(member.name)[1]: member for member in members if not member.is_link}
    if "txt" in by_ending:
        return [_text(tar, by_ending["txt"])]
    if "json" in by_ending:
        value = parse_object(_text(tar, by_ending["json"]))
        return captions_of(value.get(source.caption_key), source.caption_key)
    return []


def _text(tar: str, member: TarMember) -> str:
    data = read_range(tar, member.offset, member.size)
    if len(data) < member.size:
        raise BadRecord(Reason.INVALID_RECORD, f"found the tar cut short inside {member.name!r}")
    return decode_text(data)


def _begins_with(path: str, signature: bytes) -> bool:
    with Path(path).open("rb") as file:
        return file.read(len(signature)) == signature
