"""What TRL's `SFTTrainer` trains a vision model on: Parquet with `images`, `prompt` and `completion`.

    Sample  ─►  {"id": "5f…", "images": [{"bytes": …, "path": "17.jpg"}],
                 "prompt": [{"role": "user", "content": "Write a slogan for …"}],
                 "completion": [{"role": "assistant", "content": "Ride …"}]}

`prompt` and `completion`, not `messages`: then the loss falls on the completion alone, where `messages` alone trains on
every token. Contents are plain strings, and `prepare_multimodal_messages` of trl puts the images before the first user
turn (checked with trl 1.16.0, datasets 5.2.0, transformers 5.23.0; `SFTTrainer` drops the column `id` by itself).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from mminstruct.rows import Sample
from mminstruct.writers.conversations import IMAGE_MARK, Conversation, Fault, FaultKind, Role, Turn, without_marks
from mminstruct.writers.format import PlaceImage, TrainFormat, conversation_of
from mminstruct.writers.jsonrows import read_json_rows
from mminstruct.writers.shards import (
    DATA_FOLDER,
    SHARD_FILES,
    Row,
    dataset_info,
    hub_schema,
    image_struct,
    is_parquet,
    read_shards,
    write_shards,
)

_IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
_MESSAGES = pa.list_(pa.struct({"role": pa.string(), "content": pa.string()}))
_TEXT = {"dtype": "string", "_type": "Value"}
_MESSAGES_FEATURE = {"feature": {"role": _TEXT, "content": _TEXT}, "_type": "List"}
_SCHEMA = hub_schema(
    pa.schema({"id": pa.string(), "images": pa.list_(_IMAGE), "prompt": _MESSAGES, "completion": _MESSAGES}),
    {
        "id": _TEXT,
        "images": {"feature": {"_type": "Image"}, "_type": "List"},
        "prompt": _MESSAGES_FEATURE,
        "completion": _MESSAGES_FEATURE,
    },
)


def _message_fields() -> list[Row]:
    # New ones each time: YAML would write the second use of a list as a reference to the first.
    return [{"name": "role", "dtype": "string"}, {"name": "content", "dtype": "string"}]


TRL_FEATURES: list[Row] = [
    {"name": "id", "dtype": "string"},
    {"name": "images", "list": "image"},
    {"name": "prompt", "list": _message_fields()},
    {"name": "completion", "list": _message_fields()},
]
"""The columns for `dataset_info`."""

_COLUMNS = frozenset(["id", "images", "image", "prompt", "completion", "messages"])
_ROLES: dict[object, Role] = {"system": "system", "user": "user", "assistant": "assistant"}


class _OtherShape(Exception):
    """A row that is not as TRL has it."""

    def __init__(self, kind: FaultKind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


def write_trl(
    samples: Iterable[Sample], folder: Path, place_image: PlaceImage, mix: Iterable[Conversation] = ()
) -> int:
    """Write `folder/data/train-*.parquet`; return how many signs were spaced out in texts.

    There is no mix here: of a conversation with several answers, `completion` could hold the last alone.

    Raises ExportError where there is no sample, and what `place_image` raises.
    """
    n_signs = 0

    def rows() -> Iterator[Row]:
        nonlocal n_signs
        for sample in samples:
            image = place_image(sample)
            conversation, n_spaced = conversation_of(sample, image)
            n_signs += n_spaced
            user, assistant = ({"role": turn.role, "content": turn.text} for turn in conversation.turns)
            images = [image_struct(sample, image)]
            yield {"id": conversation.id, "images": images, "prompt": [user], "completion": [assistant]}

    write_shards(rows(), folder, _SCHEMA)
    return n_signs


def read_trl(path: Path) -> Iterator[Conversation | Fault]:
    """Yield the conversations of anybody's vision data for TRL: Parquet, a folder of it, a JSON list or JSON Lines.

    Read are `prompt` with `completion`, or `messages`; `images` or `image`; contents as strings or lists of parts.

    Raises SourceError where the file cannot be read.
    """
    rows = read_shards(path, _COLUMNS) if path.is_dir() or is_parquet(path) else read_json_rows(path)
    for number, row in enumerate(rows, start=1):
        if isinstance(row, Fault):
            yield row
            continue
        row_id = "" if row.get("id") is None else str(row["id"])
        try:
            yield _conversation(row_id, row)
        except _OtherShape as error:
            yield Fault(error.kind, number, row_id, error.detail)


def _conversation(row_id: str, row: Row) -> Conversation:
    images = tuple(map(_image, _image_list(row)))
    texts, n_places = [], 0
    for role, content in _messages(row):
        text, n_in_parts = _text(content)
        texts.append((role, text))
        n_places += n_in_parts
    turns = tuple(Turn(role, without_marks(text)[0]) for role, text in texts)
    n_literal = sum(text.count(IMAGE_MARK) for _, text in texts)
    # Where no content has places of its own, trl makes one for each image: a mark in a text is then one too many.
    n_marks = n_places or (len(images) if n_literal else None)
    return Conversation(row_id, images, turns, None if n_marks is None else n_marks + n_literal)


def _image_list(row: Row) -> list[Any]:
    if row.get("images") is None:
        return [row["image"]] if row.get("image") is not None else []
    images = row["images"]
    if not isinstance(images, list):
        raise _OtherShape(FaultKind.NOT_A_ROW, f"images is {type(images).__name__}, expected a list")
    return images


def _image(value: Any) -> str | bytes:
    if isinstance(value, dict):
        value = value.get("path") if value.get("bytes") is None else value["bytes"]
    if not isinstance(value, str | bytes):
        raise _OtherShape(FaultKind.NOT_A_ROW, "an image has neither bytes nor a path")
    return value


def _messages(row: Row) -> Iterator[tuple[Role, Any]]:
    """Yield role and content of each message; a prompt or a completion that is a text is one message."""
    if row.get("messages") is not None:
        sides: list[tuple[Any, str]] = [(row["messages"], "")]
    elif row.get("prompt") is not None and row.get("completion") is not None:
        sides = [(row["prompt"], "user"), (row["completion"], "assistant")]
    else:
        raise _OtherShape(FaultKind.NOT_A_ROW, "found neither messages nor prompt and completion")
    for value, side in sides:
        if not isinstance(value, str | list):
            raise _OtherShape(FaultKind.NOT_A_ROW, f"messages are {type(value).__name__}, expected a list or a text")
        for message in [{"role": side, "content": value}] if isinstance(value, str) else value:
            role = _ROLES.get(str(message.get("role"))) if isinstance(message, dict) else None
            if role is None:
                found = message.get("role") if isinstance(message, dict) else message
                expected = "expected system, user or assistant"
                raise _OtherShape(FaultKind.UNKNOWN_ROLE, f"found a message of role {found!r}, {expected}")
            yield role, message.get("content")


def _text(content: Any) -> tuple[str, int]:
    """Return a content's text and how many places for images it has."""
    if isinstance(content, str):
        return content, 0
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise _OtherShape(FaultKind.NOT_A_ROW, "a content is neither a text nor a list of parts")
    texts = [part["text"] for part in content if isinstance(part.get("text"), str)]
    return "\n".join(texts), sum(part.get("type") == "image" for part in content)


TRL = TrainFormat(
    name="trl",
    train_file=SHARD_FILES,
    image_modes=("embed", "copy", "link", "none"),
    takes_mix=False,
    write_rows=write_trl,
    read_rows=lambda folder: read_trl(folder / DATA_FOLDER),
    about=f"""`{SHARD_FILES}` has `id`, `images` (a list of one image), and `prompt` and `completion` as lists of
messages, so that TRL's loss falls on the answers alone.""",
    usage="""`SFTTrainer(model, SFTConfig(max_length=None, …), train_dataset=load_dataset(DIR, split="train"))`, where
DIR is this folder. TRL puts the image before the first user turn by itself. With images that are not embedded,
`datasets` opens relative paths from the folder in which Python is started: start it in this one.""",
    card_header=lambda folder: {"dataset_info": dataset_info(TRL_FEATURES, sorted(folder.glob(SHARD_FILES)))},
)
