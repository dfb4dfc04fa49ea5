"""Votes of the arena on disk: `BENCH/votes/arena-<annotator>.csv`, in the form that `bench calibrate` reads.

    question_id,model_a,model_b,vote,annotator,voted_at
    17,llava-v1.5-7b,gpt4v,b,anna,2026-11-30T16:04:09.251734Z

`model_a` stood on the left. A file is replaced whole with every vote, flushed to the disk before anybody is told that
the vote is kept: whoever reads it, or ends this process, at any moment finds all votes before or all votes after.
"""

from __future__ import annotations

import csv
import fcntl
import io
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from mminstruct.bench.judging.verdicts import Verdict
from mminstruct.bench.trust.votes import COLUMNS, Comparison, ordered
from mminstruct.durable import sync_folder
from mminstruct.errors import BenchmarkError
from mminstruct.rows import content_id

Choice = Literal["left", "right", "tie", "both_bad"]
"""What the buttons say; both bad is a tie to `bench calibrate`, which counts it beside."""

CHOICES: tuple[Choice, ...] = ("left", "right", "tie", "both_bad")
HEADING = (*COLUMNS, "annotator", "voted_at")
LONGEST_NAME = 60

_WORDS: dict[Choice, tuple[str, ...]] = {"left": ("a", "left"), "right": ("b", "right"), "tie": ("tie",)}
_WORDS["both_bad"] = ("both_bad",)
_VERDICTS = {"left": Verdict.WIN, "right": Verdict.LOSS, "tie": Verdict.TIE, "both_bad": Verdict.TIE}


@dataclass(frozen=True, slots=True)
class Ballot:
    """One vote of one annotator."""

    question_id: str
    left: str
    right: str
    choice: Choice
    annotator: str
    voted_at: str  # ISO 8601, UTC

    @property
    def comparison(self) -> Comparison:
        """What it is a vote on, whatever stood where."""
        return comparison_of(self.question_id, self.left, self.right)

    @property
    def verdict(self) -> Verdict:
        """What it says of the comparison's first model."""
        return ordered(self.question_id, self.left, self.right, _VERDICTS[self.choice])[1]

    @property
    def receipt(self) -> str:
        """What this very vote is known by: another vote on the same comparison has another."""
        return content_id(self.annotator, *self.comparison, self.voted_at)


def comparison_of(question_id: str, one: str, other: str) -> Comparison:
    """Return two models on a question in the order that votes are counted in.

    >>> comparison_of("17", "llava", "gpt4v")
    ('17', 'gpt4v', 'llava')
    """
    return ordered(question_id, one, other, Verdict.TIE)[0]


def check_annotator(name: object) -> str:
    """Return an annotator's name as it is written: single spaces, composed letters.

    Raises BenchmarkError for what is no name: nothing, more than 60 characters, what cannot be printed, or a first
    character that is neither letter nor digit (a spreadsheet runs what begins with `=`).
    """
    text = unicodedata.normalize("NFC", " ".join(name.split())) if isinstance(name, str) else ""
    if not text or len(text) > LONGEST_NAME or not text.isprintable() or not text[0].isalnum():
        raise BenchmarkError(
            f"{text[:LONGEST_NAME]!r} cannot stand for an annotator; expected a name of 1 to {LONGEST_NAME} characters "
            "that begins with a letter or a digit. Choose another."
        )
    return text


def can_be_written(question_id: str, model: str, opponent: str) -> bool:
    """Tell whether every vote on a comparison can be told in CSV so that its reader takes it as it was meant.

    Not so where a model is called like a vote (`tie`), and for names that the reader would trim.
    """
    if any(word_for(choice, model, opponent) is None for choice in CHOICES):
        return False
    return all(cell and cell == cell.strip() and cell.isprintable() for cell in (question_id, model, opponent))


def word_for(choice: Choice, left: str, right: str) -> str | None:
    """Return the word of the file that says `choice` and that no model is called by; None where there is none.

    >>> word_for("left", "gpt4v", "llava"), word_for("left", "gpt4v", "A"), word_for("tie", "gpt4v", "Tie")
    ('a', 'left', None)
    """
    names = {left.casefold(), right.casefold()}
    return next((word for word in _WORDS[choice] if word not in names), None)


class BallotBox:
    """The arena's votes in a benchmark's `votes/`. Several threads, windows and processes may use one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file_of(self, annotator: str) -> Path:
        """Return where an annotator's votes stand; a name that is no plain file name is told by its letters and a hash.

        >>> BallotBox(Path("votes")).file_of("anna").name, BallotBox(Path("votes")).file_of("../Zoë").name
        ('arena-anna.csv', 'arena-Zoe-0f5fd7f7.csv')
        """
        if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", annotator):
            return self.folder / f"arena-{annotator}.csv"
        letters = unicodedata.normalize("NFKD", annotator).encode("ascii", "ignore").decode()
        plain = "-".join(re.findall(r"[A-Za-z0-9]+", letters))[:40] or "name"
        return self.folder / f"arena-{plain}-{blake2b(annotator.encode(), digest_size=4).hexdigest()}.csv"

    def ballots(self, annotator: str) -> list[Ballot]:
        """Return an annotator's votes in the arena in their order. Raises BenchmarkError for a file of another form."""
        return [ballot for ballot in self._read(self.file_of(annotator)) if ballot.annotator == annotator]

    def add(self, question_id: str, left: str, right: str, choice: Choice, annotator: str) -> tuple[Ballot, bool]:
        """Keep a vote, on disk once this returns; return it, and whether it is new.

        An annotator's vote on the same comparison that is there already stays, and is what is returned. Raises
        BenchmarkError: a comparison that `can_be_written` refuses, a file of another form, OSError: it cannot be kept.
        """
        if not can_be_written(question_id, left, right):
            raise BenchmarkError(f"A vote on {left} against {right}, question {question_id!r}, cannot be told in CSV.")
        voted_at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        ballot = Ballot(question_id, left, right, choice, annotator, voted_at)
        with self._locked():
            file = self.file_of(annotator)
            ballots = self._read(file)
            for earlier in ballots:
                if earlier.annotator == annotator and earlier.comparison == ballot.comparison:
                    return earlier, False
            _replace(file, [*ballots, ballot])
        return ballot, True

    def undo(self, receipt: str, annotator: str) -> Ballot | None:
        """Take a vote back and return it; None where it is not there. Raises as `add` does."""
        with self._locked():
            file = self.file_of(annotator)
            ballots = self._read(file)
            found = next((each for each in ballots if each.annotator == annotator and each.receipt == receipt), None)
            if found is not None:
                _replace(file, [ballot for ballot in ballots if ballot is not found])
        return found

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Be the only one who writes; the system lets go of the lock however this process ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".arena.lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield

    def _read(self, file: Path) -> list[Ballot]:
        try:
            with file.open(encoding="utf-8-sig", newline="") as stream:
                heading, *rows = list(csv.reader(stream, strict=True)) or [[]]
        except FileNotFoundError:
            return []
        except (UnicodeDecodeError, csv.Error) as error:
            raise BenchmarkError(
                f"{file} cannot be read as CSV in UTF-8: {error}. Correct it, or move it away."
            ) from error
        if tuple(heading) != HEADING:
            raise BenchmarkError(
                f"{file}, line 1: found {', '.join(heading) or 'nothing'}; expected {', '.join(HEADING)}, as the arena "
                "writes it. Give the file another name, which `bench calibrate` reads as well."
            )
        return [_ballot(row, f"{file}, line {number}") for number, row in enumerate(rows, start=2) if any(row)]


def _ballot(row: Sequence[str], place: str) -> Ballot:
    if len(row) == len(HEADING):
        question_id, left, right, word, annotator, voted_at = row
        for choice in CHOICES:
            if word == word_for(choice, left, right):
                return Ballot(question_id, left, right, choice, annotator, voted_at)
    raise BenchmarkError(
        f"{place}: found {', '.join(row)}; expected {', '.join(HEADING)}, with a, b, tie or both_bad as the vote. "
        "Correct the line."
    )


def _replace(file: Path, ballots: Sequence[Ballot]) -> None:
    """Write a file anew, whole or not at all, and on the disk itself when this returns."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADING)
    for each in ballots:
        word = word_for(each.choice, each.left, each.right)
        writer.writerow([each.question_id, each.left, each.right, word, each.annotator, each.voted_at])
    partial = file.with_name(f".{file.name}.partial")
    with partial.open("w", encoding="utf-8", newline="") as stream:
        stream.write(text.getvalue())
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(file)
    sync_folder(file.parent)
