"""Rows of a JSON list or of JSON Lines, one at a time: a list of gigabytes takes no more memory than a row does.

[{"id": "1", …}, {"id": "2", …}]   or   one object a line   ─►   {"id": "1", …}, {"id": "2", …}
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from mminstruct.errors import SourceError
from mminstruct.writers.conversations import Fault, FaultKind

_CHUNK = 2**20  # characters
_LONGEST_VALUE = 2**28  # characters; a text that does not end would else be read to the file's end
_BLANK = " \t\n\r"
_WHOLE = 16  # an error so many characters before the end of what was read is no matter of reading on


def read_json_rows(path: Path) -> Iterator[dict[str, Any] | Fault]:
    """Yield one object or fault a row of a JSON list or of JSON Lines; UTF-8 with or without a BOM.

    A line that is no JSON object is a fault, and so is a list's value that is no object. Raises SourceError: no such
    file, no rows, a list that is no JSON from some place on.
    """
    rows = _list_rows(path) if _is_list(path) else _line_rows(path)
    for number, value in enumerate(rows, start=1):
        if isinstance(value, dict | Fault):
            yield value
        else:
            yield Fault(FaultKind.NOT_A_ROW, number, "", f"found {_short(value)}, expected a JSON object")


def _is_list(path: Path) -> bool:
    """Tell a JSON list from JSON Lines by the first character that is not white space."""
    try:
        with path.open("rb") as file:
            while data := file.read(_CHUNK):
                if start := data.removeprefix(b"\xef\xbb\xbf").strip():
                    return start.startswith(b"[")
    except OSError as error:
        raise _unreadable(path, f"the file cannot be opened ({error.strerror})") from error
    raise _unreadable(path, "the file holds no rows")


def _line_rows(path: Path) -> Iterator[Any]:
    number = 0
    with path.open("rb") as file:
        for data in file:
            if not (line := data.removeprefix(b"\xef\xbb\xbf").strip()):
                continue
            number += 1
            try:
                yield json.loads(line.decode("utf-8"))
            except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
                yield Fault(FaultKind.NOT_A_ROW, number, "", f"found no JSON ({error}): {_short(line)}")


def _list_rows(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8-sig") as file:
        text = _Text(path, file)
        text.take("[")
        if text.next_sign() != "]":
            yield text.value()
            while text.goes_on():
                yield text.value()
        text.take("]")
        if text.next_sign():
            raise text.error("something after the list's end")
        if text.n_values == 0:
            raise _unreadable(path, "the list is empty")


class _Text:
    """The text of a JSON file, of which only what is being read is in memory."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self.n_values = 0
        self._path = path
        self._file = file
        self._buffer, self._place = "", 0
        self._decoder = json.JSONDecoder()

    def next_sign(self) -> str:
        """Return the next character that is not blank, without taking it; "" at the file's end."""
        while True:
            n_buffered = len(self._buffer)
            while self._place < n_buffered and self._buffer[self._place] in _BLANK:
                self._place += 1
            if self._place < n_buffered:
                return self._buffer[self._place]
            if not self._read_on():
                return ""

    def goes_on(self) -> bool:
        """Go behind a comma; tell whether there was one."""
        if self.next_sign() != ",":
            return False
        self._place += 1
        return True

    def take(self, sign: str) -> None:
        """Go behind `sign`, which has to come next."""
        found = self.next_sign()
        if found != sign:
            raise self.error(f"found {found!r}, expected {sign!r}" if found else f"the file ends before its {sign!r}")
        self._place += 1

    def value(self) -> Any:
        """Return the JSON value that comes next."""
        self.next_sign()
        while True:
            try:
                value, self._place = self._decoder.raw_decode(self._buffer, self._place)
            except json.JSONDecodeError as error:
                # A value that goes on behind the buffer fails near its end, or in a text that has no end yet.
                is_cut = error.pos > len(self._buffer) - _WHOLE or error.msg.startswith("Unterminated string")
                if is_cut and len(self._buffer) - self._place < _LONGEST_VALUE and self._read_on():
                    continue
                raise self.error(f"found no JSON ({error.msg})") from error
            except RecursionError as error:
                raise self.error("values lie too deep in each other") from error
            self.n_values += 1
            return value

    def _read_on(self) -> bool:
        """Add to the buffer as much as is unread in it, and a chunk at least, so that a long value stays linear."""
        unread = self._buffer[self._place :]
        try:
            more = self._file.read(max(_CHUNK, len(unread)))
        except UnicodeDecodeError as error:
            raise self.error(f"the text is not UTF-8 ({error.reason})") from error
        self._buffer, self._place = unread + more, 0
        return bool(more)

    def error(self, found: str) -> SourceError:
        """Return the error for what was found behind the last value."""
        return _unreadable(self._path, f"behind row {self.n_values:,}, {found}")


def _unreadable(path: Path, found: str) -> SourceError:
    return SourceError(f"{path} cannot be read: {found}. Expected a JSON list, or JSON Lines, of training rows.")


def _short(value: object) -> str:
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else repr(value)
    return text if len(text) <= 60 else f"{text[:60]} …"
