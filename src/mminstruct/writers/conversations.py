"""The one shape between all training formats: what a row says, whatever file it came from.

    {"id": "5f…", "image": "17.jpg", "conversations": [{"from": "human", "value": "<image>\\nWrite a slogan."}, …]}
      ─►  Conversation("5f…", ("17.jpg",), (Turn("user", "Write a slogan."), Turn("assistant", "…")), n_marks=1)

A format's reader is `read_<format>(path) -> Iterator[Conversation | Fault]`: one item a row, in the file's order. A row
that has not the format's shape is a Fault, and reading goes on; a file that cannot be read as a whole raises
SourceError. Whether a conversation makes sense is for checks.py, so that all formats are held to the same rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

IMAGE_MARK = "<image>"  # LLaVA, LLaMA-Factory and ms-swift put an image where a text holds this

Role = Literal["system", "user", "assistant"]


class FaultKind(StrEnum):
    """What can be wrong with a row. Given by readers: the first two; by `check_conversations`: the rest."""

    NOT_A_ROW = "not_a_row"  # no JSON, a key that is missing, a value of the wrong type
    UNKNOWN_ROLE = "unknown_role"  # a turn from somebody that the format does not know
    NO_TURNS = "no_turns"
    TURN_ORDER = "turn_order"  # not user, assistant, user, … assistant, after a system turn or none
    MARK_COUNT = "mark_count"  # more or fewer image marks than images
    NO_IMAGE = "no_image"  # where every row must have one
    EMPTY_INSTRUCTION = "empty_instruction"
    EMPTY_ANSWER = "empty_answer"
    MISSING_IMAGE = "missing_image"  # its file is not there
    BROKEN_IMAGE = "broken_image"  # its file is empty, or does not decode
    DUPLICATE_ID = "duplicate_id"


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side says: text without image marks, at the ends without white space."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """One training row."""

    id: str  # "" in files without ids
    images: tuple[str | bytes, ...]  # a path, relative or absolute, or an address; bytes are an embedded image file
    turns: tuple[Turn, ...]
    n_marks: int | None  # image marks in the texts; None in formats without marks


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one row."""

    kind: FaultKind
    row: int  # from 1, as the reader counts its items: blank lines between rows are none
    id: str  # "" where it is not known
    detail: str  # what was found and expected, with no full stop


def without_marks(text: str) -> tuple[str, int]:
    r"""Return the text without its image marks, trimmed, and how many it held.

    >>> without_marks("<image>\nWrite a slogan.")
    ('Write a slogan.', 1)
    """
    if IMAGE_MARK not in text:
        return text.strip(), 0
    return text.replace(IMAGE_MARK, "").strip(), text.count(IMAGE_MARK)
