"""A run's samples as its reviewers left them: without what they dropped, with what they edited, with what they rescued.

07_samples  +  decisions  ─►  samples, then rows that the filter rejected and a reviewer keeps all the same

Every standing decision is counted in exactly one field of `ReviewTally`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from mminstruct.errors import ExportError
from mminstruct.pipeline.decisions import Choice, Decision, DecisionBook, hash_of_answer
from mminstruct.pipeline.part_work import sample_of
from mminstruct.pipeline.run_tables import Tables
from mminstruct.rows import Answer, Sample


@dataclass
class ReviewTally:
    """How the samples and the standing decisions met. All but `n_undecided` and `n_table` are counts of decisions."""

    n_table: int = 0  # rows of 07_samples
    n_undecided: int = 0  # of these: no decision that holds
    n_kept: int = 0  # samples to keep as they are
    n_edited: int = 0
    n_dropped: int = 0
    n_rescued: int = 0  # rejected by the filter, kept or edited by a reviewer
    n_dropped_twice: int = 0  # on rows that are no samples anyway
    n_held_out: int = 0  # on rows of the benchmark, or on what may not stand beside it: not applied
    n_changed: int = 0  # made on another answer than the row has now: not applied
    n_gone: int = 0  # on rows that the run no longer has: not applied
    n_passed_over: int = 0  # lines of the files that hold no decision
    reviewers: Counter[str] = field(default_factory=Counter)  # name to standing decisions

    @property
    def n_decisions(self) -> int:
        """All standing decisions."""
        return self.reviewers.total()


class ReviewedSamples:
    """Applies a run's decisions to its samples on their way to a writer; what it met is in `tally`.

    `only` leaves out the samples that nobody has decided on.
    """

    def __init__(self, tables: Tables, book: DecisionBook, only: bool = False) -> None:
        self.tally = ReviewTally(reviewers=book.reviewers(), n_passed_over=book.n_passed_over)
        self._tables = tables
        self.only = only
        self._left = dict(book.standing)  # decisions that have met no sample yet
        self._instructions: set[str] = set()  # of 07_samples, so none of them is held out

    @property
    def n_expected(self) -> int:
        """How many rows the decisions leave, once all have been met."""
        tally = self.tally
        return tally.n_kept + tally.n_edited + tally.n_rescued + (0 if self.only else tally.n_undecided)

    def rows(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """Yield the reviewed samples in their order, then the rescued rows in that of their ids."""
        for sample in samples:
            self.tally.n_table += 1
            self._instructions.add(sample.instruction_id)
            decision = self._left.pop(sample.sample_id, None)
            reviewed = self._settle(sample, decision)
            if reviewed is not None:
                yield reviewed
        yield from self._rescued()

    def _settle(self, sample: Sample, decision: Decision | None) -> Sample | None:
        """Return the sample as it is exported; None where it is not."""
        tally = self.tally
        if decision is not None and decision.answer_hash != hash_of_answer(sample.answer):
            tally.n_changed += 1
            decision = None
        if decision is None:
            tally.n_undecided += 1
            return None if self.only else sample
        if decision.decision is Choice.DROP:
            tally.n_dropped += 1
            return None
        tally.n_edited += decision.decision is Choice.EDIT
        tally.n_kept += decision.decision is Choice.KEEP
        return _edited(sample, decision)

    def _rescued(self) -> Iterator[Sample]:
        """Yield the rows that the filter rejected and a reviewer keeps; sort the decisions that are left."""
        held_out = {question.image_id for question in self._tables.benchmark.rows()} if self._left else set()
        for sample_id, decision in sorted(self._left.items()):
            answer = self._tables.answers.get(sample_id)
            if answer is None:
                self.tally.n_gone += 1
            elif decision.answer_hash != hash_of_answer(answer.answer):
                self.tally.n_changed += 1
            elif decision.decision is Choice.DROP:
                self.tally.n_dropped_twice += 1
            elif answer.image_id in held_out or answer.instruction_id not in self._instructions:
                # An instruction without a sample may be one that is nearly the same as a held-out one.
                self.tally.n_held_out += 1
            else:
                self.tally.n_rescued += 1
                yield _edited(self._rebuilt(answer), decision)

    def _rebuilt(self, answer: Answer) -> Sample:
        """Return the sample that the answer would have become."""
        instruction = self._tables.instructions.get(answer.instruction_id)
        match = self._tables.matches.get(answer.answer_id)
        image = self._tables.captioned.get(answer.image_id)
        if instruction is None or match is None or image is None:
            raise ExportError(
                f"The row {answer.answer_id}, which a reviewer keeps, has no instruction, match or image in the run "
                "any more: a part of a table is lost. Make it again with `mminstruct run CONFIG --from match`."
            )
        return sample_of(answer, instruction, image, match.score)


def _edited(sample: Sample, decision: Decision) -> Sample:
    return replace(
        sample, instruction=decision.instruction or sample.instruction, answer=decision.answer or sample.answer
    )
