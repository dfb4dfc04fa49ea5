"""The arena's rules, without HTTP: who sees which two answers, and what a vote on them does.

A pair is shown without names, with either answer on the left by lot. The page gets a token for what it shows, and the
names in the reply to its vote.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from mminstruct.bench.rows import answers_id
from mminstruct.bench.trust.votes import Comparison, Votes
from mminstruct.errors import BenchmarkError
from mminstruct.web.explore.bench.ballots import Ballot, BallotBox, Choice, comparison_of
from mminstruct.web.explore.bench.explorer import BenchExplorer, Contents
from mminstruct.web.explore.bench.pair_choice import comparisons, next_comparison


class StaleError(BenchmarkError):
    """What a page shows is not what it can vote on, or take back, any more."""


@dataclass(frozen=True)
class _Pool:
    """What there is to vote on in one state of the benchmark."""

    contents: Contents
    comparisons: Sequence[Comparison]
    judged: frozenset[Comparison]
    instructions: Mapping[str, str]  # by question id


class Arena:
    """A benchmark's arena. Safe among threads; nothing of it but the votes outlives the process."""

    def __init__(self, explorer: BenchExplorer) -> None:
        self._explorer = explorer
        self._box = BallotBox(explorer.folder.votes)
        self._key = secrets.token_bytes(16)  # of the lots and tokens: nobody can reckon the names from them
        self._lock = threading.Lock()
        self._skipped: dict[str, list[Comparison]] = {}  # by annotator
        self._pool: _Pool | None = None

    def state(self, annotator: str, first: Ballot | None = None) -> dict[str, Any]:
        """Return what the page shows: two answers or None, how far this annotator is, and the vote that can be undone.

        With `first`, a vote that was taken back, its pair is shown again as it stood. Raises BenchmarkError as the
        benchmark's and the votes' readers do.
        """
        pool, votes = self._current(), self._explorer.votes()
        mine = {comparison for comparison, name in votes.said if name == annotator}
        shown = None
        if first is not None and first.comparison in pool.comparisons:
            shown = (first.question_id, first.left, first.right)
        elif (comparison := self._next(pool, votes, mine, annotator)) is not None:
            shown = self._sides(comparison, annotator)
        last = next(reversed(self._box.ballots(annotator)), None)
        return {
            "comparison": None if shown is None else self._told(pool.contents, shown),
            "progress": _progress(pool, votes, mine),
            "last": None if last is None else {"receipt": last.receipt, "vote": last.choice},
        }

    def vote(self, annotator: str, question_id: str, token: str, choice: Choice) -> dict[str, Any]:
        """Keep a vote and return it with the names; the same vote again, of another window, changes nothing.

        Raises StaleError: the token is not of what can be voted on, or this annotator has said something else about it.
        BenchmarkError and OSError as `BallotBox.add` does.
        """
        left, right = self._named(question_id, token)
        wanted = Ballot(question_id, left, right, choice, annotator, "")
        elsewhere = self._explorer.votes().said.get((wanted.comparison, annotator))
        ballot: Ballot | None = None
        if elsewhere is None or any(each.comparison == wanted.comparison for each in self._box.ballots(annotator)):
            ballot, _ = self._box.add(question_id, left, right, choice, annotator)
        if ballot is None or (ballot.left, ballot.right, ballot.choice) != (left, right, choice):
            raise StaleError(
                f"{annotator} has voted on these two answers already, in another window or another file of "
                f"{self._box.folder}. That vote stands; go on with the next pair."
            )
        pool, votes = self._current(), self._explorer.votes()
        mine = {comparison for comparison, name in votes.said if name == annotator}
        return {
            "saved": True,
            "vote": choice,
            "left": left,
            "right": right,
            "receipt": ballot.receipt,
            "progress": _progress(pool, votes, mine),
        }

    def skip(self, annotator: str, question_id: str, token: str) -> None:
        """Put a pair off until nothing else is left. Raises StaleError as `vote` does."""
        left, right = self._named(question_id, token)
        comparison = comparison_of(question_id, left, right)
        with self._lock:
            skipped = self._skipped.setdefault(annotator, [])
            if comparison in skipped:
                skipped.remove(comparison)
            skipped.append(comparison)

    def undo(self, annotator: str, receipt: str) -> Ballot:
        """Take a vote back and return it. Raises StaleError where it is not there, else as `BallotBox.undo` does."""
        ballot = self._box.undo(receipt, annotator)
        if ballot is None:
            raise StaleError("That vote is not there any more: it was taken back in another window.")
        return ballot

    def _current(self) -> _Pool:
        contents = self._explorer.contents()
        with self._lock:
            if self._pool is None or self._pool.contents is not contents:
                self._pool = _pool_of(contents)
            return self._pool

    def _next(self, pool: _Pool, votes: Votes, mine: set[Comparison], annotator: str) -> Comparison | None:
        n_votes = {comparison: len(verdicts) for comparison, verdicts in votes.by_comparison.items()}
        with self._lock:
            skipped = list(self._skipped.get(annotator, ()))
        return next_comparison(pool.comparisons, n_votes, mine, skipped, pool.judged, pool.instructions, annotator)

    def _sides(self, comparison: Comparison, annotator: str) -> tuple[str, str, str]:
        """Return question id, left and right: the same each time that this annotator is shown the pair."""
        question_id, model, opponent = comparison
        lot = self._digest("side", annotator, *comparison)[0] & 1
        return (question_id, model, opponent) if lot else (question_id, opponent, model)

    def _told(self, contents: Contents, shown: tuple[str, str, str]) -> dict[str, Any]:
        question_id, left, right = shown
        question = contents.questions[question_id]
        return {
            "token": self._token(contents, *shown),
            "question_id": question_id,
            "instruction": question.instruction,
            "caption": question.caption,
            "category": question.category,
            "picture": self._explorer.has_picture(question),
            "left": contents.data.answers[left].by_question[question_id],
            "right": contents.data.answers[right].by_question[question_id],
        }

    def _named(self, question_id: str, token: str) -> tuple[str, str]:
        """Return the models on the left and on the right of what a token stands for. Raises StaleError."""
        pool = self._current()
        for same_question, model, opponent in pool.comparisons:
            if same_question != question_id:
                continue
            for left, right in ((model, opponent), (opponent, model)):
                if secrets.compare_digest(self._token(pool.contents, question_id, left, right), token):
                    return left, right
        raise StaleError(
            "These two answers cannot be voted on any more: the explorer was started again, or the answers have "
            "changed. Nothing was kept; vote on the pair that comes now."
        )

    def _token(self, contents: Contents, question_id: str, left: str, right: str) -> str:
        """Return what stands for two answers where they stand, and tells nothing of the models."""
        one, other = (contents.data.answers[model].by_question[question_id] for model in (left, right))
        rests_on = answers_id(contents.questions[question_id], one, other)
        return self._digest("token", question_id, left, right, rests_on).hex()

    def _digest(self, *parts: str) -> bytes:
        text = "\0".join(parts).encode("utf-8", "surrogatepass")
        return blake2b(text, key=self._key, digest_size=12).digest()


def _pool_of(contents: Contents) -> _Pool:
    judged = {
        comparison_of(outcome.question.question_id, *pair.pair)
        for pair in contents.outcomes
        for outcome in pair.outcomes
        if outcome.verdict is not None
    }
    instructions = {question_id: each.instruction.strip() for question_id, each in contents.questions.items()}
    return _Pool(contents, comparisons(contents.data), frozenset(judged), instructions)


def _progress(pool: _Pool, votes: Votes, mine: set[Comparison]) -> dict[str, int]:
    """Return how much is done; the annotator's own votes count where the benchmark still has what they are on."""
    return {
        "n_comparisons": len(pool.comparisons),
        "n_mine": len(mine.intersection(pool.comparisons)),
        "n_voted": len(votes.by_comparison.keys() & set(pool.comparisons)),  # by anybody
        "n_votes": votes.n,
        "n_annotators": len(votes.annotators),
    }
