"""Finding questions: by words, category, instruction, and by what judges and people say of the answers.

Wanted + Contents + Votes  →  the questions that fit, and for each filter how many fit with all others applied
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mminstruct.bench.judging.verdicts import Verdict
from mminstruct.bench.rows import BenchmarkQuestion
from mminstruct.bench.trust.votes import Comparison, ordered
from mminstruct.rows import content_id
from mminstruct.web.explore.bench.explorer import Contents

NOT_JUDGED = "not_judged"
VERDICTS = (*(verdict.value for verdict in Verdict), NOT_JUDGED)
"""What questions can be filtered by: a win of the model that is asked for, or of either where none is."""

BY_JUDGES, BY_PEOPLE = "judges", "people"
"""Who disagrees: judges with each other, or a judge with most people. One says win, the other loss."""


@dataclass(frozen=True)
class Wanted:
    """Filters; an empty one lets everything through."""

    words: str = ""  # all must occur in instruction, caption, answers or id; "quoted words" as they stand
    category: str = ""
    instruction: str = ""  # as `instruction_id` tells it
    model: str = ""
    against: str = ""
    judge: str = ""
    verdict: str = ""
    disagreement: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """One judge's verdict on a question, said of `model`; None where it is not judged."""

    judge: str
    question_id: str
    model: str
    opponent: str
    verdict: Verdict | None
    by_rule: bool

    @property
    def kind(self) -> str:
        """The verdict as a filter names it."""
        return NOT_JUDGED if self.verdict is None else self.verdict.value

    @property
    def mirrored(self) -> View:
        """The same, said of the opponent."""
        verdict = None if self.verdict is None else self.verdict.mirrored
        return replace(self, model=self.opponent, opponent=self.model, verdict=verdict)


@dataclass(frozen=True)
class Found:
    """A question that fits, with the verdicts that the filters let through."""

    question: BenchmarkQuestion
    views: Sequence[View]
    disagreement: frozenset[str]  # BY_JUDGES, BY_PEOPLE, on the models that were asked for


@dataclass
class Facets:
    """How many questions each value of a filter would leave, all other filters applied."""

    category: Counter[str] = field(default_factory=Counter)
    instruction: Counter[str] = field(default_factory=Counter)
    judge: Counter[str] = field(default_factory=Counter)
    verdict: Counter[str] = field(default_factory=Counter)
    disagreement: Counter[str] = field(default_factory=Counter)


class Browser:
    """The questions of one state of the benchmark, ready to be searched."""

    def __init__(self, contents: Contents, majority: Mapping[Comparison, Verdict]) -> None:
        self._questions, self._majority = contents.data.questions, majority
        self._texts = {question.question_id: _text_of(question, contents) for question in self._questions}
        self._views = {question.question_id: _views_of(question, contents) for question in self._questions}

    def find(self, wanted: Wanted) -> list[Found]:
        """Return the questions that fit, in the benchmark's order."""
        fitting = (self._fit(question, self._on_models(question, wanted), wanted) for question in self._questions)
        return [found for found in fitting if found is not None]

    def facets(self, wanted: Wanted) -> Facets:
        """Count what every value of each filter would leave; values stand in the questions' order."""
        facets = Facets()
        for question in self._questions:
            views = self._on_models(question, wanted)
            if self._fit(question, views, replace(wanted, category="")):
                facets.category[question.category] += 1
            if self._fit(question, views, replace(wanted, instruction="")):
                facets.instruction[question.instruction.strip()] += 1
            if found := self._fit(question, views, replace(wanted, judge="")):
                facets.judge.update({view.judge for view in found.views})
            if found := self._fit(question, views, replace(wanted, verdict="")):
                facets.verdict.update({view.kind for view in found.views})
            if found := self._fit(question, views, replace(wanted, disagreement="")):
                facets.disagreement.update(found.disagreement)
        return facets

    def _fit(self, question: BenchmarkQuestion, views: Sequence[View], wanted: Wanted) -> Found | None:
        """Return the question with what is left of `views`, None where a filter holds it back."""
        if wanted.category and question.category != wanted.category:
            return None
        if wanted.instruction and instruction_id(question.instruction) != wanted.instruction:
            return None
        if not all(word in self._texts[question.question_id] for word in words_of(wanted.words)):
            return None
        by_judge = [view for view in views if wanted.judge in ("", view.judge)]
        left = [view for view in by_judge if wanted.verdict in ("", view.kind)]
        if not left and (wanted.model or wanted.against or wanted.judge or wanted.verdict):
            return None
        disagreement = frozenset(self._disagreement(views, by_judge))
        if wanted.disagreement and wanted.disagreement not in disagreement:
            return None
        return Found(question, left, disagreement)

    def _on_models(self, question: BenchmarkQuestion, wanted: Wanted) -> list[View]:
        """Return every judge's verdict on the models that are asked for, said of `wanted.model`."""
        told = (_told_of(view, wanted) for view in self._views[question.question_id])
        return [view for view in told if view is not None]

    def _disagreement(self, views: Iterable[View], by_judge: Iterable[View]) -> Iterable[str]:
        """Yield BY_JUDGES where judges say the opposite of each other, BY_PEOPLE where one of `by_judge` of people."""
        decided = {_in_order(view) for view in views if view.verdict in _DECIDED and not view.by_rule}
        if len({comparison for comparison, _ in decided}) < len(decided):
            yield BY_JUDGES
        for comparison, verdict in map(_in_order, by_judge):
            if verdict in _DECIDED and self._majority.get(comparison) is verdict.mirrored:
                yield BY_PEOPLE
                return


_DECIDED = (Verdict.WIN, Verdict.LOSS)


def instruction_id(instruction: str) -> str:
    """Return what an instruction is asked for by: its text would be too long for an address."""
    return content_id(instruction.strip())


def words_of(query: str) -> list[str]:
    """Return what must occur in a text, without regard to case.

    >>> words_of('Dog "on the  beach" CAT')
    ['dog', 'on the beach', 'cat']
    """
    found = (quoted or word for quoted, word in re.findall(r'"([^"]*)"|([^\s"]+)', query))
    return [" ".join(each.casefold().split()) for each in found]


def _text_of(question: BenchmarkQuestion, contents: Contents) -> str:
    own = (question.question_id, question.instruction, question.caption, question.category)
    answers = (each.by_question.get(question.question_id, "") for each in contents.data.answers.values())
    return "\n".join(" ".join(text.casefold().split()) for text in (*own, *answers))


def _views_of(question: BenchmarkQuestion, contents: Contents) -> list[View]:
    return [
        View(pair.judge, question.question_id, *pair.pair, outcome.verdict, outcome.by_rule)
        for pair, outcome in contents.seen.get(question.question_id, ())
    ]


def _told_of(view: View, wanted: Wanted) -> View | None:
    """Return the view as said of the model asked for, or of the winner where none is; None for other models."""
    if not wanted.model and not wanted.against:
        return view.mirrored if view.verdict is Verdict.LOSS else view
    for each in (view, view.mirrored):
        if wanted.model in ("", each.model) and wanted.against in ("", each.opponent):
            return each
    return None


def _in_order(view: View) -> tuple[Comparison, Verdict | None]:
    """Return what the view says of its comparison, as votes are counted."""
    if view.verdict is None:
        return ordered(view.question_id, view.model, view.opponent, Verdict.TIE)[0], None
    return ordered(view.question_id, view.model, view.opponent, view.verdict)
