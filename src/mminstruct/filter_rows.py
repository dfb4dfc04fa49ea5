"""Reads anybody's instruction data for the `filter` command, one row at a time.

Two forms, told apart row by row, in JSON Lines or in one JSON list:

    {"id": "a1", "instruction": "…", "answer": "…", "description": "…", "finish_reason": "stop"}
    {"id": "a1", "image": "a.jpg", "conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}]}

`id`, `description` and `finish_reason` may be absent.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mminstruct.errors import SourceError
from mminstruct.readers.faults import BadRecord
from mminstruct.readers.jsonlines import iterate_lines
from mminstruct.rows import Reason
from mminstruct.rules.candidate import Candidate

_CHUNK = 1 << 20  # characters of a JSON list that are read at once
_HUMAN = ("human", "user")
_MODEL = ("gpt", "assistant")
_EXPECTED = "`instruction` and `answer`, or `conversations`"


@dataclass(frozen=True, slots=True)
class InputRow:
    """A row as it came: its JSON text, its object, and either its answers (one a turn) or its fault."""

    number: int  # the line, or the place in the list, from 1
    text: str
    record: dict[str, Any]
    candidates: tuple[Candidate, ...] = ()
    fault: BadRecord | None = None


def iterate_rows(path: Path) -> Iterator[InputRow]:
    """Yield every row of the file; only one is held in memory.

    Raises SourceError where there is no such file, and where a JSON list breaks off or is none.
    """
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise SourceError(f"{path}: found {found}, expected JSON Lines or a JSON list of rows with {_EXPECTED}.")
    if _is_list(path):
        for number, value in enumerate(_iterate_list(path), start=1):
            yield _row(number, json.dumps(value, ensure_ascii=not _is_unicode(value)), value)
        return
    for line in iterate_lines(str(path)):
        if line.fault is not None:
            yield InputRow(line.number, line.text, {}, fault=line.fault)
        else:
            yield _row(line.number, line.text, line.value)


def _is_list(path: Path) -> bool:
    with path.open("rb") as file:
        while chunk := file.read(4096):
            if start := chunk.removeprefix(b"\xef\xbb\xbf").strip():
                return start.startswith(b"[")
    return False


def _iterate_list(path: Path) -> Iterator[Any]:
    """Yield the elements of a JSON list, however long, reading on as far as the next element asks for."""
    decoder = json.JSONDecoder()
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        buffer, n_read = file.read(_CHUNK).lstrip()[1:], _CHUNK
        for number in itertools.count(1):
            buffer = buffer.lstrip()
            while True:
                try:
                    if buffer.startswith("]"):
                        _check_end(path, buffer[1:] + file.read(_CHUNK))
                        return
                    value, end = decoder.raw_decode(buffer)
                    rest = buffer[end:].lstrip()
                    if rest.startswith((",", "]")):
                        break
                    problem = f"{rest[:20]!r} where a comma was expected"
                except (ValueError, RecursionError) as error:
                    problem = str(error)
                # Twice as much each time: an element of many chunks is not parsed once for each of them.
                more = file.read(n_read)
                if not more:
                    raise SourceError(f"{path}, row {number}: found {problem}; expected a JSON list that is whole.")
                buffer, n_read = (buffer + more).lstrip(), 2 * n_read
            yield value
            n_read = _CHUNK
            buffer = rest if rest.startswith("]") else rest[1:]


def _check_end(path: Path, rest: str) -> None:
    if rest.strip():
        raise SourceError(f"{path}: found {rest.strip()[:40]!r} after the end of the JSON list, expected nothing more.")


def _row(number: int, text: str, value: Any) -> InputRow:
    record = value if isinstance(value, dict) else {}
    try:
        if not isinstance(value, dict):
            raise BadRecord(Reason.INVALID_RECORD, f"found {_kind(value)}; expected an object with {_EXPECTED}")
        return InputRow(number, text, record, tuple(_candidates(number, record)))
    except BadRecord as fault:
        return InputRow(number, text, record, fault=fault)


def _candidates(number: int, record: dict[str, Any]) -> list[Candidate]:
    """Return the answers of a row. Raises BadRecord where it has none, or a field of another kind."""
    row_id = record.get("id")
    if not isinstance(row_id, str | int | None) or isinstance(row_id, bool):
        raise BadRecord(Reason.INVALID_RECORD, f"found {_kind(row_id)} as `id`; expected a text or a number")
    name = f"row {number}" if row_id is None else str(row_id)
    description, finish_reason = _optional(record, "description"), _optional(record, "finish_reason")
    if "conversations" in record:
        turns = _turns(record["conversations"])
    elif "instruction" in record and "answer" in record:
        turns = [(_text(record["instruction"], "instruction"), _text(record["answer"], "answer"))]
    else:
        keys = ", ".join(map(repr, record)) or "no keys"
        raise BadRecord(Reason.INVALID_RECORD, f"found {keys}; expected {_EXPECTED}")
    names = [name] if len(turns) == 1 else [f"{name}, turn {turn}" for turn in range(1, len(turns) + 1)]
    # Only the last turn can have been cut off by the reason that stands on the row.
    reasons = [*[None] * (len(turns) - 1), finish_reason]
    return [
        Candidate(turn_id, instruction, answer, description, reason)
        for turn_id, (instruction, answer), reason in zip(names, turns, reasons, strict=True)
    ]


def _turns(conversations: Any) -> list[tuple[str, str]]:
    """Return pairs of instruction and answer. Raises BadRecord unless questions and answers alternate."""
    if not isinstance(conversations, list) or not all(isinstance(turn, dict) for turn in conversations):
        raise BadRecord(Reason.INVALID_RECORD, "found no list of turns as `conversations`; expected `from` and `value`")
    spoken = [turn for turn in conversations if turn.get("from") != "system"]
    pairs = []
    for question, answer in itertools.zip_longest(spoken[::2], spoken[1::2]):
        speakers = (question.get("from"), answer.get("from") if answer else None)
        if speakers[0] not in _HUMAN or speakers[1] not in _MODEL:
            raise BadRecord(
                Reason.INVALID_RECORD, f"found a turn pair from {speakers}; expected 'human' and then 'gpt'"
            )
        instruction = _text(question.get("value"), "value").replace("<image>", "").strip()
        pairs.append((instruction, _text(answer.get("value"), "value")))
    if not pairs:
        raise BadRecord(Reason.INVALID_RECORD, "found `conversations` without a turn; expected 'human' and then 'gpt'")
    return pairs


def _optional(record: dict[str, Any], key: str) -> str | None:
    value = record.get(key)
    return None if value is None else _text(value, key)


def _text(value: Any, key: str) -> str:
    """Return a text. Raises BadRecord for another kind of value, and for text that is no Unicode."""
    if not isinstance(value, str):
        raise BadRecord(Reason.INVALID_RECORD, f"found {_kind(value)} as `{key}`; expected a text")
    if not _is_unicode(value):
        raise BadRecord(Reason.INVALID_UTF8, f"found text that is not UTF-8 in `{key}`; expected UTF-8")
    return value


def _is_unicode(value: Any) -> bool:
    """Whether all texts in a JSON value can be written as UTF-8: no half of a surrogate pair, no byte that is none."""
    try:
        (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    return {bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list"}.get(
        type(value), "an object"
    )
