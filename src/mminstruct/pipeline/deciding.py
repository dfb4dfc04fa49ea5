"""Taking a decision: what may be decided is checked, then the line is on disk before anybody is told that it is.

Draft (what a page sent)  ─►  checks  ─►  Decision  ─►  one append, one sync  ─►  confirmed
"""

from __future__ import annotations

import os
import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from mminstruct.durable import sync_folder
from mminstruct.errors import DecisionError, RunError
from mminstruct.pipeline.decisions import FOLDER, Choice, Decision, DecisionBook, hash_of_answer, to_line
from mminstruct.pipeline.tables import Folder
from mminstruct.writers.conversations import IMAGE_MARK

_LONGEST_TEXT = 100_000  # characters of an edited text
_LONGEST_NOTE = 2_000
_LONGEST_NAME = 100
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True, slots=True)
class Draft:
    """A decision as a reviewer sends it."""

    sample_id: str
    choice: str
    reviewer: str
    instruction: str | None = None
    answer: str | None = None
    note: str = ""
    decision_id: str = ""  # the sender's own, so that sending again is safe; empty: one is made
    answer_hash: str = ""  # of the answer that was shown; empty: of the row's present one
    undoes: str = ""  # of an undo; empty: what stands now


@dataclass(frozen=True, slots=True)
class Shown:
    """The texts of the row as the run has them now."""

    instruction: str
    answer: str


class DecisionDesk:
    """Takes decisions on one run, from any thread. Another process may have a desk at the same run."""

    def __init__(self, run_dir: str) -> None:
        self.book = DecisionBook(Folder(run_dir)).refresh()
        self._run_dir = run_dir
        self._lock = threading.Lock()
        self._file: int | None = None  # descriptor of this process's own file, once it has decided something

    def close(self) -> None:
        """Close the file; every line of it is on disk already."""
        with self._lock:
            self._let_go()

    def refreshed(self) -> DecisionBook:
        """Return all decisions as they are now, other processes' too."""
        with self._lock:
            return self.book.refresh()

    def decide(self, draft: Draft, shown: Shown) -> Decision:
        """Check the draft and keep it; returns once it is on disk. The same decision_id again changes nothing.

        Raises DecisionError where it may not be decided so, RunError where it cannot be written: nothing is kept then.
        """
        check(draft, shown)
        with self._lock:
            self.book.refresh()
            known = self.book.find(draft.sample_id, draft.decision_id)
            if known is not None:
                return known
            decision = self._decision(draft, shown)
            self._append(to_line(decision))
            self.book.refresh()
        return decision

    def _decision(self, draft: Draft, shown: Shown) -> Decision:
        choice, edited = Choice(draft.choice), draft.choice == Choice.EDIT
        return Decision(
            decision_id=draft.decision_id or uuid4().hex,
            sample_id=draft.sample_id,
            answer_hash=hash_of_answer(shown.answer),
            decision=choice,
            reviewer=draft.reviewer.strip(),
            decided_at=self._time_after_all_on(draft.sample_id),
            instruction=_changed(draft.instruction, shown.instruction) if edited else None,
            answer=_changed(draft.answer, shown.answer) if edited else None,
            note=draft.note.strip(),
            undoes=self._to_undo(draft) if choice is Choice.UNDO else "",
        )

    def _to_undo(self, draft: Draft) -> str:
        standing = self.book.standing.get(draft.sample_id)
        undoes = draft.undoes or (standing.decision_id if standing else "")
        if self.book.find(draft.sample_id, undoes) is None:
            raise DecisionError(f"There is no decision on {draft.sample_id} to undo.")
        return undoes

    def _time_after_all_on(self, sample_id: str) -> str:
        """Return the time, but later than every decision known on the row: clocks are set back, and differ."""
        now = datetime.now(UTC)
        earlier = self.book.of(sample_id)
        if earlier:
            last = datetime.strptime(earlier[-1].decided_at, _TIME).replace(tzinfo=UTC)
            now = max(now, last + timedelta(microseconds=1))
        return now.strftime(_TIME)

    def _append(self, line: bytes) -> None:
        size: int | None = None
        try:
            if self._file is not None and os.fstat(self._file).st_nlink == 0:
                self._let_go()  # somebody has removed it: what is appended would be lost with it
            if self._file is None:
                self._file = _new_file(self._run_dir)
            size = os.fstat(self._file).st_size
            written = os.write(self._file, line)
            if written != len(line):
                raise OSError(f"{written} of {len(line)} bytes written: the disk is full")
            os.fsync(self._file)
        except OSError as error:
            self._let_go(size)
            raise RunError(
                f"The decision could not be written to {self._run_dir}/{FOLDER}: {error}. Nothing of it is kept. Make "
                "room, or make the folder writable, and decide again."
            ) from error

    def _let_go(self, size: int | None = None) -> None:
        """Close the file, cut back to `size` where a line of it failed; the next decision begins another one."""
        if self._file is None:
            return
        try:
            if size is not None:
                os.ftruncate(self._file, size)
        except OSError:
            pass  # then the torn line stays, and is passed over
        finally:
            os.close(self._file)
            self._file = None


def check(draft: Draft, shown: Shown) -> None:
    """Raise DecisionError, which says what is wrong, unless the draft may be kept."""
    if draft.choice not in list(Choice):
        raise DecisionError(f"{draft.choice!r} is no decision; expected keep, drop, edit or undo.")
    if not draft.reviewer.strip():
        raise DecisionError("A decision needs its reviewer's name.")
    for what, text, longest in (
        ("The reviewer's name", draft.reviewer, _LONGEST_NAME),
        ("The note", draft.note, _LONGEST_NOTE),
        ("The decision's id", draft.decision_id + draft.undoes, 2 * _LONGEST_NAME),
    ):
        _check_plain(what, text, longest)
    if draft.answer_hash and draft.answer_hash != hash_of_answer(shown.answer):
        raise DecisionError("The row was made anew since it was shown, and has another answer now. Look at it again.")
    if draft.choice == Choice.EDIT:
        _check_edit(draft, shown)


def _check_edit(draft: Draft, shown: Shown) -> None:
    for what, text in (("The instruction", draft.instruction), ("The answer", draft.answer)):
        if text is None:
            continue
        if not text.strip():
            raise DecisionError(f"{what} is empty. Write one, or drop the row.")
        if IMAGE_MARK in text:
            raise DecisionError(
                f"{what} holds {IMAGE_MARK}, which trainers take for the place of an image. Take it out."
            )
        _check_plain(what, text, _LONGEST_TEXT)
    changed = (_changed(draft.instruction, shown.instruction), _changed(draft.answer, shown.answer))
    if changed == (None, None):
        raise DecisionError("The edit changes neither the instruction nor the answer. Keep the row instead.")


def _check_plain(what: str, text: str, longest: int) -> None:
    if len(text) > longest:
        raise DecisionError(f"{what} has {len(text):,} characters, expected at most {longest:,}.")
    if re.search("[\ud800-\udfff\0]", text):
        raise DecisionError(f"{what} holds a character that is no text (half of a pair, or NUL). Take it out.")


def _changed(text: str | None, before: str) -> str | None:
    """Return the new text, trimmed; None where it says what was there before."""
    return None if text is None or text.strip() == before.strip() else text.strip()


def _new_file(run_dir: str) -> int:
    """Return the descriptor of a new, empty file of decisions whose name is on disk."""
    if "://" in run_dir:
        raise OSError("nothing can be appended on an object store")
    folder = Path(run_dir) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:8]}.jsonl"
    file = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
    for parent in (folder, folder.parent):  # either may be new
        sync_folder(parent)
    return file
