"""A benchmark folder as the explorer's views see it: read once, and again when its files change.

questions.jsonl, answers/, judgments/  →  Contents      votes/  →  Votes      all of them, with traps/  →  Report
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mminstruct import __version__
from mminstruct.bench.folder import QUESTIONS, Benchmark, BenchmarkData, load_benchmark
from mminstruct.bench.judging.outcomes import Outcome, PairOutcomes, pair_outcomes
from mminstruct.bench.rows import BenchmarkQuestion, Judgment
from mminstruct.bench.trust.votes import Votes, load_votes
from mminstruct.web.explore.bench.kept import Kept

Seen = tuple[PairOutcomes, Outcome]
"""What one judge says of one pair of models on one question."""


@dataclass(frozen=True)
class Contents:
    """Questions, answers and judgments of one state of the files."""

    data: BenchmarkData
    judgments: Sequence[Judgment]
    outcomes: Sequence[PairOutcomes]

    @cached_property
    def questions(self) -> Mapping[str, BenchmarkQuestion]:
        """The questions by id, in their order."""
        return {question.question_id: question for question in self.data.questions}

    @cached_property
    def seen(self) -> Mapping[str, list[Seen]]:
        """By question id, what every judge says of every pair."""
        found: dict[str, list[Seen]] = defaultdict(list)
        for pair in self.outcomes:
            for outcome in pair.outcomes:
                found[outcome.question.question_id].append((pair, outcome))
        return found

    @cached_property
    def replies(self) -> Mapping[str, list[Judgment]]:
        """By question id, every reply of every judge in the order in which they were written."""
        found: dict[str, list[Judgment]] = defaultdict(list)
        for row in self.judgments:
            found[row.question_id].append(row)
        return found

    @property
    def judges(self) -> list[str]:
        """The judges that have judged a pair, by name."""
        return list(dict.fromkeys(pair.judge for pair in self.outcomes))


class BenchExplorer:
    """What the views of a benchmark read from. Raises BenchmarkError for a folder that is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = Benchmark(path)
        self.folder.questions()  # raises where this is no benchmark, before a server begins
        self._contents = Kept(self._content_files, self._read_contents)
        self._votes = Kept(self._vote_files, lambda: load_votes(self.contents().data))

    def about(self) -> dict[str, Any]:
        """Return what GET /api/about answers, but for the views."""
        return {
            "kind": "bench",
            "name": self.path.resolve().name,
            "version": __version__,
            "n_items": len(self.contents().questions),
            "writable": self.writable,
            "other_runs": [],
        }

    def close(self) -> None:
        """Nothing is held open."""

    @property
    def writable(self) -> bool:
        """Whether votes can be kept."""
        place = self.folder.votes if self.folder.votes.exists() else self.path
        return os.access(place, os.W_OK)

    def contents(self) -> Contents:
        """Return the questions, answers and judgments as they are. Raises BenchmarkError for a fault in a file."""
        return self._contents.get()

    def votes(self) -> Votes:
        """Return people's votes as they are. Raises BenchmarkError for a fault in a file."""
        return self._votes.get()

    def has_picture(self, question: BenchmarkQuestion) -> bool:
        """Tell whether the image of a question is there."""
        return bool(question.image) and self.folder.image_path(question).is_file()

    def image_path(self, question_id: str) -> Path | None:
        """Return where a question's image is to be found, None for no such question or one without an image.

        The path is that of the benchmark's own questions, which `folder.py` holds inside `images/`.
        """
        question = self.contents().questions.get(question_id)
        return self.folder.image_path(question) if question is not None and question.image else None

    def report_files(self) -> Iterator[Path]:
        """Yield every file that the report's figures come from."""
        yield from self._vote_files()
        yield self.folder.traps / "pairs.jsonl"
        yield from sorted((self.folder.traps / "judgments").glob("part-*.parquet"))
        yield self.folder.images  # changes when an image is added: the report counts them

    def _read_contents(self) -> Contents:
        data = load_benchmark(self.path)
        judgments = data.folder.judgments()
        return Contents(data, judgments, pair_outcomes(data.questions, data.answers, judgments))

    def _content_files(self) -> Iterator[Path]:
        yield self.path / QUESTIONS
        yield from sorted((self.path / "answers").glob("*.jsonl"))
        yield from sorted((self.path / "judgments").glob("part-*.parquet"))

    def _vote_files(self) -> Iterator[Path]:
        yield from self._content_files()
        yield from sorted(self.folder.votes.glob("*.csv"))
