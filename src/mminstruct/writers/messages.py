"""JSON Lines of messages with contents in parts: axolotl's multimodal form, and OpenAI's for vision fine-tuning.

    Sample  ─►  {"id": "5f…", "messages": [
                    {"role": "user", "content": [{"type": "image", "path": "images/coco/17.jpg"},
                                                 {"type": "text", "text": "Write a slogan for …"}]},
                    {"role": "assistant", "content": [{"type": "text", "text": "Ride …"}]}]}          messages
            ─►  {"messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/jpeg;…"}},
                                                 {"type": "text", "text": "Write a slogan for …"}]},
                    {"role": "assistant", "content": "Ride …"}]}                                        openai

After docs/multimodal.qmd of axolotl, and OpenAI's guide "Vision fine-tuning": images are JPEG, PNG or WEBP of at most
10 MB, as addresses or data URLs, in messages of the user. A file on this machine has no address, so `openai` embeds.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mminstruct.errors import ExportError
from mminstruct.rows import Sample
from mminstruct.writers.conversations import Conversation, Fault, FaultKind, Role, Turn, without_marks
from mminstruct.writers.format import PlaceImage, TrainFormat, write_json_lines
from mminstruct.writers.jsonrows import read_json_rows

TRAIN_FILE = "train.jsonl"

_ROLES: dict[object, Role] = {"system": "system", "user": "user", "assistant": "assistant"}
_MOST_IMAGE_BYTES = 10_000_000  # OpenAI's limit for one image, and Together's


class _OtherShape(Exception):
    """A row that is not of the form."""

    def __init__(self, kind: FaultKind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


def write_messages(
    samples: Iterable[Sample], folder: Path, place_image: PlaceImage, mix: Iterable[Conversation]
) -> int:
    """Write `folder/train.jsonl` with paths of images; return how many signs were spaced out in texts."""
    return write_json_lines(samples, folder / TRAIN_FILE, place_image, mix, _messages_row)


def write_openai(samples: Iterable[Sample], folder: Path, place_image: PlaceImage, mix: Iterable[Conversation]) -> int:
    """Write `folder/train.jsonl` with the images inside; return how many signs were spaced out in texts.

    Raises ExportError where an image is of no format that the endpoints take, or too large for them.
    """
    return write_json_lines(samples, folder / TRAIN_FILE, place_image, mix, _openai_row)


def _messages_row(conversation: Conversation) -> dict[str, Any]:
    images = [{"type": "image", "path": image} for image in conversation.images]
    messages = []
    for turn in conversation.turns:
        text = {"type": "text", "text": turn.text}
        messages.append({"role": turn.role, "content": [*images, text] if turn.role == "user" else [text]})
        images = [] if turn.role == "user" else images
    return {"id": conversation.id, "messages": messages}


def _openai_row(conversation: Conversation) -> dict[str, Any]:
    # Without an id: the guides show no key beside `messages`, and a file is refused as a whole.
    images = [
        {"type": "image_url", "image_url": {"url": _data_url(conversation.id, image)}} for image in conversation.images
    ]
    messages: list[dict[str, Any]] = []
    for turn in conversation.turns:
        if turn.role == "user" and images:
            messages.append({"role": "user", "content": [*images, {"type": "text", "text": turn.text}]})
            images = []
        else:
            messages.append({"role": turn.role, "content": turn.text})
    return {"messages": messages}


def _data_url(row_id: str, image: str | bytes) -> str:
    if isinstance(image, str):
        return image
    media_type = _media_type(image)
    if not media_type:
        raise ExportError(
            f"The image of sample {row_id} begins with the bytes {image[:12]!r}; the endpoints that read this format "
            "take JPEG, PNG and WEBP only. Convert the image, or export in another format."
        )
    if len(image) > _MOST_IMAGE_BYTES:
        raise ExportError(
            f"The image of sample {row_id} has {len(image):,} bytes; the endpoints that read this format take at most "
            f"{_MOST_IMAGE_BYTES:,}. Scale the image down, or export in another format."
        )
    return f"data:{media_type};base64,{base64.b64encode(image).decode('ascii')}"


def _media_type(data: bytes) -> str:
    """Return the media type that an image's first bytes tell, "" for one that is not taken.

    >>> _media_type(b"GIF89a")
    ''
    """
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else ""


def read_messages(path: Path) -> Iterator[Conversation | Fault]:
    """Yield the conversations of anybody's `messages` rows: a JSON list or JSON Lines.

    Contents are texts or lists of parts; an image is a part of type `image` (with `path`, `image`, `url` or `base64`)
    or `image_url`, where a data URL is read as its bytes.

    Raises SourceError where the file cannot be read.
    """
    for number, row in enumerate(read_json_rows(path), start=1):
        if isinstance(row, Fault):
            yield row
            continue
        row_id = str(row.get("id", ""))
        try:
            yield _conversation(row_id, row.get("messages"))
        except _OtherShape as error:
            yield Fault(error.kind, number, row_id, error.detail)


def _conversation(row_id: str, messages: Any) -> Conversation:
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise _OtherShape(FaultKind.NOT_A_ROW, "found no `messages` as expected: a list of `role` and `content`")
    images: list[str | bytes] = []
    turns, n_literal = [], 0
    for message in messages:
        role = _ROLES.get(message.get("role"))
        if role is None:
            detail = f"found a message of role {message.get('role')!r}, expected {', '.join(map(str, _ROLES))}"
            raise _OtherShape(FaultKind.UNKNOWN_ROLE, detail)
        text, n_in_text = without_marks(_text(message.get("content"), images))
        turns.append(Turn(role, text))
        n_literal += n_in_text
    # A processor takes a literal mark for one more image.
    return Conversation(row_id, tuple(images), tuple(turns), len(images) + n_literal)


def _text(content: Any, images: list[str | bytes]) -> str:
    """Return a content's text, and add its images to `images`."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise _OtherShape(FaultKind.NOT_A_ROW, "a content is neither a text nor a list of parts")
    texts = []
    for part in content:
        kind = part.get("type")
        if kind == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind in ("image", "image_url"):
            images.append(_image(part))
        else:
            detail = f"found a part of type {kind!r} with the keys {', '.join(part)}; expected a text or an image"
            raise _OtherShape(FaultKind.NOT_A_ROW, detail)
    return "\n".join(texts)


def _image(part: dict[str, Any]) -> str | bytes:
    address = part.get("image_url")
    if isinstance(address, dict):
        address = address.get("url")
    values = (part.get("path"), part.get("image"), part.get("url"), address)
    image = next((value for value in values if isinstance(value, str)), None)
    encoded = part.get("base64")
    if image is not None and image.startswith("data:"):
        encoded = image.partition(",")[2]
    try:
        if isinstance(encoded, str):
            return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise _OtherShape(FaultKind.NOT_A_ROW, f"an image is no Base64 ({error})") from error
    if image is None:
        raise _OtherShape(FaultKind.NOT_A_ROW, f"found an image with the keys {', '.join(part)}; expected a path")
    return image


MESSAGES = TrainFormat(
    name="messages",
    train_file=TRAIN_FILE,
    image_modes=("copy", "link", "none"),
    takes_mix=True,
    write_rows=write_messages,
    read_rows=lambda folder: read_messages(folder / TRAIN_FILE),
    about=f"""`{TRAIN_FILE}` is JSON Lines: `id` and `messages`, whose contents are lists of `image` parts (with a
`path`) and `text` parts.""",
    usage=f"""In an axolotl config: `datasets: [{{path: {TRAIN_FILE}, ds_type: json, type: chat_template}}]` with
`processor_type: AutoProcessor`, `skip_prepare_dataset: true`, `remove_unused_columns: false` and
`sample_packing: false`. Axolotl opens relative paths from the folder in which it is started: start it in this one. For
a LLaVA, also `chat_template: llava` and `role_boundaries: [{{role: assistant, start: "ASSISTANT:", end: "USER:",
include_end: false}}]`: without them axolotl 0.19 trains on the questions too.""",
)

OPENAI = TrainFormat(
    name="openai",
    train_file=TRAIN_FILE,
    image_modes=("embed",),
    takes_mix=False,
    write_rows=write_openai,
    read_rows=lambda folder: read_messages(folder / TRAIN_FILE),
    about=f"""`{TRAIN_FILE}` is JSON Lines of `messages`, with the images as data URLs in `image_url` parts.""",
    usage="""The file is uploaded as it is, to services whose fine-tuning reads OpenAI's messages. Look their limits up
before: OpenAI takes at most 50,000 rows with images in a file.""",
)
