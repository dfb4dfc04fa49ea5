"""LLaMA-Factory's training format: JSON Lines of ShareGPT conversations with images, and the file that tells of them.

    Sample  ─►  {"id": "5f…", "images": ["images/coco/17.jpg"], "conversations": [
                    {"from": "human", "value": "<image>\\nWrite a slogan for …"}, {"from": "gpt", "value": "Ride …"}]}

`dataset_info.json` names the columns and tags, after data/README.md of LLaMA-Factory. Its loader finds an image below
`media_dir`, which is `dataset_dir` where none is given, and stops where a text has more or fewer marks than the row has
images.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mminstruct.rows import Sample
from mminstruct.writers.conversations import IMAGE_MARK, Conversation, Fault, FaultKind, Role, Turn, without_marks
from mminstruct.writers.format import PlaceImage, TrainFormat, write_json_lines
from mminstruct.writers.jsonrows import read_json_rows

TRAIN_FILE = "train.jsonl"
INFO_FILE = "dataset_info.json"
DATASET_NAME = "mm_instruct"  # what a LLaMA-Factory config says under `dataset`

_INFO = {
    DATASET_NAME: {
        "file_name": TRAIN_FILE,
        "formatting": "sharegpt",
        "columns": {"messages": "conversations", "images": "images"},
        "tags": {
            "role_tag": "from",
            "content_tag": "value",
            "user_tag": "human",
            "assistant_tag": "gpt",
            "system_tag": "system",
        },
    }
}

_FROM: dict[Role, str] = {"system": "system", "user": "human", "assistant": "gpt"}
# Anybody's files: ShareGPT's own names, and those of the messages that many have turned them into.
_ROLES: dict[str, Role] = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
}


def write_sharegpt(
    samples: Iterable[Sample], folder: Path, place_image: PlaceImage, mix: Iterable[Conversation]
) -> int:
    """Write `folder/train.jsonl` and `folder/dataset_info.json`; return how many signs were spaced out in texts."""
    n_signs = write_json_lines(samples, folder / TRAIN_FILE, place_image, mix, _row)
    (folder / INFO_FILE).write_text(json.dumps(_INFO, indent=2) + "\n", encoding="ascii")
    return n_signs


def _row(conversation: Conversation) -> dict[str, Any]:
    return {
        "id": conversation.id,
        "images": list(conversation.images),
        "conversations": marked_turns(conversation),
    }


def marked_turns(conversation: Conversation) -> list[dict[str, str]]:
    """Return the turns as `from` and `value`; see `marked_texts`."""
    return [{"from": speaker, "value": text} for speaker, text in marked_texts(conversation)]


def marked_texts(conversation: Conversation) -> list[tuple[str, str]]:
    """Return who says what, with a mark for each image at the start of the first human turn."""
    marks = f"{IMAGE_MARK}\n" * len(conversation.images)
    texts = []
    for turn in conversation.turns:
        if turn.role == "user":
            texts.append(("human", marks + turn.text))
            marks = ""
        else:
            texts.append((_FROM[turn.role], turn.text))
    return texts


def read_sharegpt(path: Path) -> Iterator[Conversation | Fault]:
    """Yield the conversations of anybody's ShareGPT data: a JSON list or JSON Lines.

    Read are `conversations` of `from` and `value`, with `images` (a list) or `image` (one path, or a list) or neither.

    Raises SourceError where the file cannot be read.
    """
    for number, row in enumerate(read_json_rows(path), start=1):
        yield row if isinstance(row, Fault) else _read_row(number, row)


def _read_row(number: int, row: dict[str, Any]) -> Conversation | Fault:
    row_id = str(row.get("id", ""))
    images = row.get("images", row.get("image"))
    if images is None or isinstance(images, str):
        images = [images] if images else []
    elif not isinstance(images, list) or not all(isinstance(image, str) for image in images):
        detail = f"found {_kinds(images)} for its images, expected a path or a list of paths"
        return Fault(FaultKind.NOT_A_ROW, number, row_id, detail)
    messages = row.get("conversations")
    turns, n_marks = [], 0
    for message in messages if isinstance(messages, list) else [None]:
        who, text = (message.get("from"), message.get("value")) if isinstance(message, dict) else (None, None)
        if not isinstance(who, str) or not isinstance(text, str):
            detail = f"found {_kinds(messages)} under `conversations`, expected a list of `from` and `value`"
            return Fault(FaultKind.NOT_A_ROW, number, row_id, detail)
        role = _ROLES.get(who)
        if role is None:
            detail = f"found a turn from {who!r}, expected {', '.join(_ROLES)}"
            return Fault(FaultKind.UNKNOWN_ROLE, number, row_id, detail)
        text, n_in_text = without_marks(text)
        turns.append(Turn(role, text))
        n_marks += n_in_text
    return Conversation(row_id, tuple(images), tuple(turns), n_marks)


def _kinds(value: object) -> str:
    """Return what a value is, in words for a fault: `list of str, int`."""
    if isinstance(value, list):
        return f"list of {', '.join(sorted({type(item).__name__ for item in value})) or 'nothing'}"
    return type(value).__name__


SHAREGPT = TrainFormat(
    name="sharegpt",
    train_file=TRAIN_FILE,
    image_modes=("copy", "link", "none"),
    takes_mix=True,
    write_rows=write_sharegpt,
    read_rows=lambda folder: read_sharegpt(folder / TRAIN_FILE),
    about=f"""`{TRAIN_FILE}` is JSON Lines in the ShareGPT form: `id`, `images` and `conversations` of two turns,
`human` and `gpt`. `{INFO_FILE}` tells LLaMA-Factory of its columns.""",
    usage=f"""In a LLaMA-Factory config: `dataset_dir: DIR` and `dataset: {DATASET_NAME}`, where DIR is this folder.""",
)
