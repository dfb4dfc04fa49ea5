"""JSON Lines, line by line: a bad line is a fault of its own and the next line is read."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mminstruct.readers.faults import BadRecord, source_error
from mminstruct.readers.records import decode_text
from mminstruct.rows import Reason

_N_LINES_CHECKED = 100  # of a source, before a run


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank: its number from 1, its text, and either its object or its fault."""

    number: int
    text: str
    value: dict[str, Any]
    fault: BadRecord | None = None


def iterate_lines(path: str) -> Iterator[Line]:
    """Yield every line that is not blank; UTF-8 with or without a BOM."""
    with Path(path).open("rb") as file:
        for number, data in enumerate(file, start=1):
            if not data.strip() or data.strip() == b"\xef\xbb\xbf":
                continue
            try:
                text = decode_text(data).strip()
            except BadRecord as fault:
                yield Line(number, data.decode("utf-8", "backslashreplace").strip(), {}, fault)
                continue
            try:
                yield Line(number, text, parse_object(text))
            except BadRecord as fault:
                yield Line(number, text, {}, fault)


def parse_object(text: str) -> dict[str, Any]:
    """Return a JSON object. Raises BadRecord: not JSON, or JSON of another kind."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRecord(
            Reason.INVALID_JSON, f"found text that is not JSON ({error}); expected a JSON object"
        ) from error
    if not isinstance(value, dict):
        kind = "a JSON list" if isinstance(value, list) else f"the JSON value {text[:40]}"
        raise BadRecord(Reason.INVALID_RECORD, f"found {kind}; expected a JSON object")
    return value


def first_objects(source: str, path: str) -> list[Line]:
    """Return the sound ones among the first lines. Raises SourceError where there is none: this is no JSON Lines."""
    lines = list(itertools.islice(iterate_lines(path), _N_LINES_CHECKED))
    sound = [line for line in lines if line.fault is None]
    if sound:
        return sound
    if not lines:
        raise source_error(source, path, "only blank lines", "one JSON object a line", "Correct `path`.")
    fault = lines[0].fault
    advice = "A JSON list must be rewritten with one object a line; other text encodings must be converted to UTF-8."
    where = f"{path}, line {lines[0].number}"
    raise source_error(source, where, f"{lines[0].text[:60]!r} ({fault})", "one JSON object a line", advice)
