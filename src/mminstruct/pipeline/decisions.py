"""What people decided about single rows of a run, and which of their decisions stand.

    RUN/decisions/20261130T160405-1c6f0a92.jsonl   one file a process that takes decisions, one line a decision

JSON Lines and not Parquet, for a decision has to be on disk before it is confirmed: a line is one append and one sync,
and a kill can tear the last line alone, where a Parquet file without its foot is lost whole. No file has two writers,
so none needs a lock. What stands is a matter of the set of lines, not of the order in which they are read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum

from mminstruct.errors import RunError
from mminstruct.pipeline.tables import Folder
from mminstruct.rows import content_id

FOLDER = "decisions"  # not in explore/, whose files can all be made again


class Choice(StrEnum):
    """What a reviewer can do with a row."""

    KEEP = "keep"
    DROP = "drop"
    EDIT = "edit"  # keep it with another instruction, another answer, or both
    UNDO = "undo"  # take an earlier decision back, whoever's it was


@dataclass(frozen=True, slots=True)
class Decision:
    """One line: a decision about one row."""

    decision_id: str  # of the one who sends it, so that what is sent twice counts once
    sample_id: str
    answer_hash: str  # hash_of_answer of what the reviewer saw; a row that was made anew has another
    decision: Choice
    reviewer: str
    decided_at: str  # UTC, ISO 8601 with microseconds, so that texts are in the order of time
    instruction: str | None = None  # of an edit: the new text; None: as it was
    answer: str | None = None
    note: str = ""
    undoes: str = ""  # of an undo: the decision_id that it takes back


def hash_of_answer(answer: str) -> str:
    """Return what ties a decision to the answer that it was made on. The id of a row fixes image and instruction."""
    return content_id(answer)


def to_line(decision: Decision) -> bytes:
    """Return the decision as it stands in its file, with what is empty left out.

    >>> to_line(Decision("d", "s", "h", Choice.KEEP, "Ada", "2026-11-30T16:04:05.000000Z"))[-22:]
    b'30T16:04:05.000000Z"}\\n'
    """
    given = {name: value for name, value in asdict(decision).items() if value not in (None, "")}
    return json.dumps(given).encode() + b"\n"


def parse_line(line: bytes) -> Decision | None:
    """Return the line's decision; None where it holds none."""
    try:
        values = json.loads(line)
        if not all(isinstance(value, str) for value in values.values()):
            return None
        return Decision(**{**values, "decision": Choice(values["decision"])})
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


@dataclass
class _File:
    """How far a file has been read."""

    n_bytes: int = 0  # up to the end of the last whole line
    n_tail: int = 0  # bytes behind it: a line that was torn, or is just being written
    n_bad: int = 0  # lines that hold no decision


class DecisionBook:
    """All decisions of a run; `refresh` reads what has been appended since, by whichever process."""

    def __init__(self, folder: Folder) -> None:
        self.standing: dict[str, Decision] = {}  # by sample_id: the newest one that nobody took back
        self._folder = folder
        self._files: dict[str, _File] = {}
        self._decisions: dict[str, dict[str, Decision]] = {}  # by sample_id and decision_id
        self._undone: set[str] = set()

    def refresh(self) -> DecisionBook:
        """Read what is new; return itself. Raises RunError where the folder or a file in it cannot be read."""
        try:
            self._refresh()
        except OSError as error:
            raise RunError(
                f"The decisions in {self._folder.path(FOLDER)} cannot be read: {error}. Make it a readable folder."
            ) from error
        return self

    def _refresh(self) -> None:
        states = {state.name: state.size for state in self._folder.states(FOLDER) if state.name.endswith(".jsonl")}
        if any(states.get(name, 0) < file.n_bytes for name, file in self._files.items()):  # taken away, or rewritten
            self._files, self._decisions, self._undone, self.standing = {}, {}, set(), {}
        touched: set[str] = set()
        for name, size in states.items():
            file = self._files.setdefault(name, _File())
            if size > file.n_bytes + file.n_tail:
                touched.update(decision.sample_id for decision in self._read(name, file))
        for sample_id in touched:
            self._stand(sample_id)

    @property
    def n_passed_over(self) -> int:
        """Lines that hold no decision: torn by a kill, or changed by hand."""
        return sum(file.n_bad + (file.n_tail > 0) for file in self._files.values())

    def of(self, sample_id: str) -> list[Decision]:
        """Return all decisions on a row in the order of time, undone ones and undos among them."""
        return sorted(self._decisions.get(sample_id, {}).values(), key=_age)

    def find(self, sample_id: str, decision_id: str) -> Decision | None:
        """Return one decision on a row, if it is there."""
        return self._decisions.get(sample_id, {}).get(decision_id)

    def counts(self) -> Counter[str]:
        """Return how many standing decisions there are of each choice."""
        return Counter(str(decision.decision) for decision in self.standing.values())

    def reviewers(self) -> Counter[str]:
        """Return how many standing decisions each reviewer has made."""
        return Counter(decision.reviewer for decision in self.standing.values())

    def _read(self, name: str, file: _File) -> Iterator[Decision]:
        with self._folder.open(f"{FOLDER}/{name}") as stream:
            stream.seek(file.n_bytes)
            data: bytes = stream.read()
        whole, _, tail = data.rpartition(b"\n")
        file.n_tail = len(tail)
        if len(tail) == len(data):
            return
        file.n_bytes += len(whole) + 1
        for line in whole.split(b"\n"):
            decision = parse_line(line)
            if decision is None:
                file.n_bad += 1
                continue
            self._decisions.setdefault(decision.sample_id, {}).setdefault(decision.decision_id, decision)
            if decision.decision is Choice.UNDO:
                self._undone.add(decision.undoes)
            yield decision

    def _stand(self, sample_id: str) -> None:
        left = [
            decision
            for decision in self._decisions[sample_id].values()
            if decision.decision is not Choice.UNDO and decision.decision_id not in self._undone
        ]
        if left:
            self.standing[sample_id] = max(left, key=_age)
        else:
            self.standing.pop(sample_id, None)


def read_decisions(folder: Folder) -> DecisionBook:
    """Return the decisions of a run as they are now."""
    return DecisionBook(folder).refresh()


def _age(decision: Decision) -> tuple[str, str]:
    return decision.decided_at, decision.decision_id
