"""People's votes on pairs of answers: CSV files in, one verdict a comparison out.

    question_id,model_a,model_b,vote,annotator
    17,gpt4v,llava-v1.5-7b,a,anna              a | b | tie | both_bad, left | right, or the name of the better model
    17,llava-v1.5-7b,gpt4v,b,ben               the same comparison told in the other order, the same vote

`annotator` may be absent: then each line counts as somebody else's. A benchmark keeps its votes in `votes/*.csv`.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mminstruct.bench.folder import Benchmark, BenchmarkData
from mminstruct.bench.judging.verdicts import Verdict
from mminstruct.bench.statistics.agreement import OPPOSITE, krippendorff_alpha
from mminstruct.bench.statistics.interval import Estimate
from mminstruct.errors import BenchmarkError

Comparison = tuple[str, str, str]
"""A question's id and two models in the order of their names; a verdict is on the first of them."""

COLUMNS = ("question_id", "model_a", "model_b", "vote")
_EXPECTED = "a, b, tie, both_bad, left, right or one of the two models' names"
_WORDS = {
    "a": Verdict.WIN,
    "left": Verdict.WIN,
    "b": Verdict.LOSS,
    "right": Verdict.LOSS,
    "tie": Verdict.TIE,
    "both_bad": Verdict.TIE,  # neither is better
}


@dataclass
class Votes:
    """The votes of all files on questions and models that the benchmark has."""

    by_comparison: dict[Comparison, list[Verdict]] = field(default_factory=dict)
    annotators: set[str] = field(default_factory=set)  # those named
    said: dict[tuple[Comparison, str], Verdict] = field(default_factory=dict)  # by comparison and annotator named
    n_both_bad: int = 0  # among the ties
    n_repeated: int = 0  # an annotator says the same again: counted once
    n_unknown_question: int = 0  # left out, as are the next
    n_unknown_model: int = 0

    @property
    def n(self) -> int:
        """How many votes count."""
        return sum(map(len, self.by_comparison.values()))

    @property
    def majority(self) -> dict[Comparison, Verdict]:
        """What more people say than say anything else; comparisons where no verdict leads are undecided, left out."""
        found = {}
        for comparison, verdicts in self.by_comparison.items():
            counts = Counter(verdicts).most_common(2)
            if len(counts) == 1 or counts[0][1] > counts[1][1]:
                found[comparison] = counts[0][0]
        return found

    def agreement(self, instructions: Mapping[str, str]) -> Estimate | None:
        """Return the annotators' own Krippendorff's alpha; None without two votes on one comparison.

        `instructions` has each question's, by id: questions that share one are a cluster.
        """
        clusters = [instructions[question_id] for question_id, *_ in self.by_comparison]
        return krippendorff_alpha(list(self.by_comparison.values()), clusters, OPPOSITE)


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a file."""

    place: str  # `votes.csv, line 3`
    question_id: str
    model_a: str
    model_b: str
    vote: str
    annotator: str = ""

    @property
    def word(self) -> str:
        """The vote as one of the words, if it is one: `Both bad` is `both_bad`."""
        return "_".join(self.vote.casefold().replace("_", " ").replace("-", " ").split())

    @property
    def verdict(self) -> Verdict:
        """What the vote says of the first model. Raises BenchmarkError where it says nothing clear."""
        names = ((self.model_a, Verdict.WIN), (self.model_b, Verdict.LOSS))
        meanings = {verdict for name, verdict in names if name == self.vote}
        meanings = meanings or {verdict for name, verdict in names if name.casefold() == self.vote.casefold()}
        if self.word in _WORDS:
            meanings.add(_WORDS[self.word])
        if len(meanings) == 1:
            return meanings.pop()
        why = "could mean either model" if meanings else "is not known"
        raise BenchmarkError(f"{self.place}: the vote {self.vote!r} {why}; expected {_EXPECTED}. Correct the line.")


def load_votes(data: BenchmarkData) -> Votes:
    """Read the votes in a benchmark's folder. Raises BenchmarkError as `read_votes` does."""
    return _read(data, _files(data.folder))


def read_votes(files: Sequence[Path], questions: Collection[str], models: Collection[str]) -> Votes:
    """Read votes on these question ids and models.

    Raises BenchmarkError with file and line: a missing column, a line of another length, a vote that is none of those
    expected or could mean either model, a model against itself, an annotator who says two things about one comparison.
    """
    votes = Votes()
    for file in files:
        for line in _lines(file):
            comparison, verdict = ordered(line.question_id, line.model_a, line.model_b, line.verdict)
            if line.question_id not in questions:
                votes.n_unknown_question += 1
            elif line.model_a not in models or line.model_b not in models:
                votes.n_unknown_model += 1
            elif (comparison, line.annotator) in votes.said:
                _check_repeat(line, votes.said[comparison, line.annotator], verdict)
                votes.n_repeated += 1
            else:
                votes.by_comparison.setdefault(comparison, []).append(verdict)
                if line.annotator:
                    votes.said[comparison, line.annotator] = verdict
                    votes.annotators.add(line.annotator)
                votes.n_both_bad += line.word == "both_bad"
    return votes


def add_votes(data: BenchmarkData, files: Iterable[Path]) -> None:
    """Copy files of votes into the benchmark; one that is there already, under whatever name, is not copied again.

    A file that has grown replaces its copy. Raises BenchmarkError, with nothing copied of the file at fault: it cannot
    be read, contradicts the others, or another file of its name is there.
    """
    for file in files:
        if not file.is_file():
            raise BenchmarkError(f"{file}: no such file; expected votes as CSV with the columns {', '.join(COLUMNS)}.")
        content = file.read_bytes()
        kept = {path: path.read_bytes() for path in _files(data.folder)}
        copy = data.folder.votes / f"{file.stem}.csv"
        if content in kept.values():
            continue
        if not content.startswith(kept.pop(copy, b"")):
            raise BenchmarkError(
                f"{copy} is there already and holds other votes than {file}. Rename the file; or remove the copy, if "
                "the file replaces it."
            )
        _read(data, [*kept, file])
        copy.parent.mkdir(parents=True, exist_ok=True)
        partial = copy.with_name(f".{copy.name}.partial")
        partial.write_bytes(content)
        partial.replace(copy)


def ordered(question_id: str, first: str, second: str, verdict: Verdict) -> tuple[Comparison, Verdict]:
    """Return the comparison and the verdict in the order of the models' names; the verdict given is on `first`.

    >>> ordered("17", "llava", "gpt4v", Verdict.WIN)
    (('17', 'gpt4v', 'llava'), <Verdict.LOSS: 'loss'>)
    """
    if first < second:
        return (question_id, first, second), verdict
    return (question_id, second, first), verdict.mirrored


def _files(benchmark: Benchmark) -> list[Path]:
    return sorted(benchmark.votes.glob("*.csv"))


def _read(data: BenchmarkData, files: Sequence[Path]) -> Votes:
    return read_votes(files, {question.question_id for question in data.questions}, data.answers.keys())


def _check_repeat(line: _Line, earlier: Verdict, verdict: Verdict) -> None:
    if earlier is not verdict:
        raise BenchmarkError(
            f"{line.place}: {line.annotator} votes {line.vote!r} on question {line.question_id!r}, {line.model_a} "
            f"against {line.model_b}, and something else further up; expected one vote of an annotator on a "
            "comparison. Remove the one that does not count."
        )


def _lines(file: Path) -> Iterator[_Line]:
    """Yield the lines after the heading; blank ones are passed over."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            heading = [name.strip().lower() for name in next(reader, [])]
            if missing := [name for name in COLUMNS if name not in heading]:
                raise BenchmarkError(
                    f"{file}, line 1: no column {missing[0]!r}; found {', '.join(heading) or 'nothing'}, expected "
                    f"{', '.join(COLUMNS)} and, if you like, annotator, with commas between them."
                )
            for row in reader:
                if any(cell.strip() for cell in row):
                    yield _line(f"{file}, line {reader.line_num}", heading, [cell.strip() for cell in row])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BenchmarkError(f"{file} cannot be read as CSV in UTF-8: {error}.") from error


def _line(place: str, heading: Sequence[str], row: Sequence[str]) -> _Line:
    if len(row) != len(heading):
        raise BenchmarkError(f"{place}: found {len(row)} values, expected {len(heading)} as in line 1.")
    values = dict(zip(heading, row, strict=True))
    question_id, model_a, model_b, vote = (values[name] for name in COLUMNS)
    line = _Line(place, question_id, model_a, model_b, vote, values.get("annotator", ""))
    if line.model_a == line.model_b:
        raise BenchmarkError(f"{place}: {line.model_a!r} stands against itself; expected two models.")
    return line
