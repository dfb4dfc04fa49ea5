"""LLaVA's training format, a JSON list or JSON Lines of `{id, image, conversations: [{from, value}]}`.

The captions are the answers, as in LLaVA-Pretrain, where each conversation asks for a description.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mminstruct.config.images import LlavaSource
from mminstruct.readers.faults import BadRecord, reject, require_file, require_image_root, source_error
from mminstruct.readers.jsonfile import load_json
from mminstruct.readers.jsonlines import first_objects, iterate_lines
from mminstruct.readers.records import CaptionRecord, image_name_of, record_in_folder, source_id_of
from mminstruct.rows import Reason, Reject

_EXPECTED = "a JSON list, or JSON Lines, of records with `image` and `conversations`"
_ANSWERS = ("gpt", "assistant")


def check_llava(source: LlavaSource) -> None:
    """Raise SourceError unless the file has records with `image` and `conversations`."""
    require_image_root(source.name, source.image_root)
    require_file(source.name, source.path, _EXPECTED)
    if _is_list(source.path):
        records = load_json(source.name, source.path, _EXPECTED)
    else:
        records = [line.value for line in first_objects(source.name, source.path)]
    keys = dict.fromkeys(key for record in records if isinstance(record, dict) for key in record)
    if not {"image", "conversations"} <= keys.keys():
        found = f"records with the keys {', '.join(map(repr, keys))}" if keys else "no records"
        advice = "Rows with a caption column are `format: jsonl`."
        raise source_error(source.name, source.path, found, _EXPECTED, advice)


def read_llava(source: LlavaSource) -> Iterator[CaptionRecord | Reject]:
    """Yield one record or reject a record of the file, in its order."""
    if _is_list(source.path):
        for index, value in enumerate(load_json(source.name, source.path, _EXPECTED)):
            yield _record(source, value, f"record {index}", json.dumps(value, ensure_ascii=False))
        return
    for line in iterate_lines(source.path):
        row_id = f"line {line.number}"
        if line.fault is not None:
            yield reject(source.name, row_id, line.fault, f"{source.path}, {row_id}", line.text)
        else:
            yield _record(source, line.value, row_id, line.text)


def _is_list(path: str) -> bool:
    """Tell a JSON list from JSON Lines by the first character that is not white space."""
    with Path(path).open("rb") as file:
        for line in file:
            if start := line.removeprefix(b"\xef\xbb\xbf").strip():
                return start.startswith(b"[")
    return False


def _record(source: LlavaSource, value: Any, row_id: str, raw_text: str) -> CaptionRecord | Reject:
    """Return the record of a JSON value; `row_id` says where it stands, until its own id is known."""
    place = f"{source.path}, {row_id}"
    try:
        if not isinstance(value, dict):
            raise BadRecord(Reason.INVALID_RECORD, "found no object; expected one with `image` and `conversations`")
        if "id" in value:
            row_id = source_id_of(value["id"], "id")
        name = image_name_of(value.get("image"), "image")
        if "id" not in value:
            row_id = name
        return record_in_folder(source.name, row_id, source.image_root, name, _answers(value), place)
    except BadRecord as fault:
        return reject(source.name, row_id, fault, place, raw_text)


def _answers(value: dict[str, Any]) -> list[str]:
    """Return the answers without `<image>` marks."""
    turns = value.get("conversations")
    well_formed = isinstance(turns, list) and all(
        isinstance(turn, dict) and isinstance(turn.get("from"), str) and isinstance(turn.get("value"), str)
        for turn in turns
    )
    if not isinstance(turns, list) or not well_formed:
        raise BadRecord(Reason.INVALID_RECORD, "found no `conversations` as expected: a list of `from` and `value`")
    return [turn["value"].replace("<image>", "").strip() for turn in turns if turn["from"] in _ANSWERS]
