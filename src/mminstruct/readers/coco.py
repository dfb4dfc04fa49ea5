"""COCO captions JSON: `images` with `id` and `file_name`, `annotations` with `image_id` and `caption`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from mminstruct.config.images import CocoSource
from mminstruct.readers.faults import BadRecord, reject, require_image_root, source_error
from mminstruct.readers.jsonfile import load_json
from mminstruct.readers.records import CaptionRecord, image_name_of, record_in_folder, source_id_of
from mminstruct.rows import Reason, Reject

_EXPECTED = "COCO captions: an object with the lists `images` and `annotations`"


def check_coco(source: CocoSource) -> None:
    """Raise SourceError unless the file is COCO captions with at least one image and one caption."""
    require_image_root(source.name, source.image_root)
    _load(source)


def read_coco(source: CocoSource) -> Iterator[CaptionRecord | Reject]:
    """Yield each image of the file in its order, then a Reject for each annotation that belongs to none."""
    images, annotations = _load(source)
    captions: dict[str, list[str]] = {}
    faulty: list[tuple[int, object]] = []
    for index, annotation in enumerate(annotations):
        if _is_caption(annotation):
            captions.setdefault(str(annotation["image_id"]), []).append(annotation["caption"])
        else:
            faulty.append((index, annotation))
    for index, image in enumerate(images):
        yield _record(source, index, image, captions)
    known = {str(image["id"]) for image in images if isinstance(image, dict) and "id" in image}
    yield from _without_image(source, captions, known)
    for index, annotation in faulty:
        fault = BadRecord(Reason.INVALID_RECORD, "found no `image_id` with a `caption` text; expected both")
        place = f"{source.path}, annotations[{index}]"
        yield reject(source.name, f"annotations[{index}]", fault, place, _as_json(annotation))


def _load(source: CocoSource) -> tuple[list[Any], list[Any]]:
    value = load_json(source.name, source.path, _EXPECTED)
    if not isinstance(value, dict):
        advice = "A JSON list of records is `format: llava`, or must become JSON Lines."
        raise source_error(source.name, source.path, f"a JSON {type(value).__name__}", _EXPECTED, advice)
    lists = []
    for key in ("images", "annotations"):
        if not isinstance(value.get(key), list) or not value[key]:
            keys = ", ".join(repr(name) for name in list(value)[:10]) or "none"
            found = f"no entries in {key!r}" if key in value else f"the keys {keys}"
            advice = "Use a captions file such as captions_train2017.json."
            raise source_error(source.name, source.path, found, _EXPECTED, advice)
        lists.append(value[key])
    if not any(isinstance(annotation, dict) and "caption" in annotation for annotation in lists[1]):
        advice = "An instances or keypoints file holds none; use the captions file of the same split."
        raise source_error(source.name, source.path, "annotations without `caption`", "captions", advice)
    return lists[0], lists[1]


def _is_caption(annotation: object) -> bool:
    if not isinstance(annotation, dict):
        return False
    return isinstance(annotation.get("image_id"), str | int) and isinstance(annotation.get("caption"), str)


def _record(source: CocoSource, index: int, image: Any, captions: dict[str, list[str]]) -> CaptionRecord | Reject:
    place, row_id = f"{source.path}, images[{index}]", f"images[{index}]"
    try:
        if not isinstance(image, dict):
            raise BadRecord(Reason.INVALID_RECORD, "found no object; expected one with `id` and `file_name`")
        row_id = source_id_of(image.get("id"), "id")
        name = image_name_of(image.get("file_name"), "file_name")
        return record_in_folder(source.name, row_id, source.image_root, name, captions.get(row_id, []), place)
    except BadRecord as fault:
        return reject(source.name, row_id, fault, place, _as_json(image))


def _without_image(source: CocoSource, captions: dict[str, list[str]], known: set[str]) -> Iterator[Reject]:
    for image_id, texts in captions.items():
        if image_id not in known:
            fault = BadRecord(
                Reason.MISSING_IMAGE, f"found captions of the image {image_id}; expected this id in `images`"
            )
            yield reject(source.name, image_id, fault, f"{source.path}, annotations", "\n".join(texts))


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
