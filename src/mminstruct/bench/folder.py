"""A benchmark on disk: the one place that reads and writes its files.

    questions.jsonl               question_id, image, instruction, caption, category
    images/                       as `image` names them
    build.json, dropped.jsonl     of `bench build`: what was compared, and what fell (bench/questions/build.py)
    answers/<model>.jsonl         question_id, answer; the file's name is the model's name
    judgments/part-00000.parquet  one row a reply of a judge (bench/rows.py)
    traps/                        pairs.jsonl and judgments/ of them (bench/trust/traps.py)
    votes/*.csv                   what people say (bench/trust/votes.py)

Answers are known by their question's id, never by their place in the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mminstruct.bench.rows import JUDGMENT_SCHEMA, BenchmarkQuestion, Judgment
from mminstruct.errors import BenchmarkError
from mminstruct.readers.jsonlines import Line, iterate_lines

QUESTIONS = "questions.jsonl"
BUILD = "build.json"
DROPPED = "dropped.jsonl"
_MADE_AGAIN = (QUESTIONS, BUILD, DROPPED, "answers", "report.json", "report.html")


@dataclass(frozen=True)
class ModelAnswers:
    """One model's answers by question id, and what else its file holds."""

    model: str
    by_question: dict[str, str]
    repeated: int = 0  # lines that say the same as an earlier one of the same question
    unknown: list[str] = field(default_factory=list)  # question ids that the benchmark does not have

    def missing(self, questions: Iterable[BenchmarkQuestion]) -> list[str]:
        """Return the ids of the questions without an answer."""
        return [question.question_id for question in questions if question.question_id not in self.by_question]


def is_benchmark(folder: str) -> bool:
    """Tell a benchmark's folder from a run's, which may be on an object store."""
    return "://" not in folder and (Path(folder) / QUESTIONS).is_file()


class Benchmark:
    """A benchmark folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def images(self) -> Path:
        """The folder of the images."""
        return self.path / "images"

    @property
    def traps(self) -> Path:
        """The folder of the trap pairs and of what judges said of them."""
        return self.path / "traps"

    @property
    def votes(self) -> Path:
        """The folder of people's votes."""
        return self.path / "votes"

    def image_path(self, question: BenchmarkQuestion) -> Path:
        """Return where the question's image is, if it is there."""
        return self.images / question.image

    def questions(self) -> list[BenchmarkQuestion]:
        """Return the questions in their order. Raises BenchmarkError: no benchmark, a broken line, an id twice."""
        file = self.path / QUESTIONS
        if not file.is_file():
            raise BenchmarkError(
                f"{self.path} is no benchmark: it has no {QUESTIONS}. `mminstruct bench build` and `bench import` "
                "make one."
            )
        return read_questions(iterate_lines(str(file)), file)

    def check_place(self, overwrite: bool, with_images: bool, models: Iterable[str] = ()) -> None:
        """Raise BenchmarkError where a new benchmark may not be made here, with or without images, with these answers.

        Replaced is only a benchmark whose every file is made again: judgments, votes, stored replies and other models'
        answers have cost something.
        """
        if not self.path.exists() or (self.path.is_dir() and not any(self.path.iterdir())):
            return
        if not (self.path / QUESTIONS).is_file():
            raise BenchmarkError(f"{self.path} is in the way and no benchmark: it has no {QUESTIONS}. Choose another.")
        if not overwrite:
            raise BenchmarkError(
                f"{self.path} is a benchmark already. Choose another folder, or replace this one with --overwrite."
            )
        lost = [f"{entry.name}/" if entry.is_dir() else entry.name for entry in self.path.iterdir()]
        again = (*_MADE_AGAIN, "images") if with_images else _MADE_AGAIN
        lost = [name for name in lost if name.rstrip("/") not in again and not name.startswith(".")]
        lost += [f"answers/{model}.jsonl" for model in self.models() if model not in set(models)]
        if lost:
            raise BenchmarkError(
                f"{self.path} is not replaced, for it holds what would be lost: {', '.join(sorted(lost))}. Choose "
                "another folder, or move these away first."
            )

    def write_questions(self, questions: Iterable[BenchmarkQuestion]) -> None:
        """Write `questions.jsonl`, whole or not at all."""
        write_lines(self.path / QUESTIONS, (asdict(question) for question in questions))

    def write_build(self, facts: dict[str, Any], dropped: Iterable[dict[str, Any]]) -> None:
        """Write `build.json` and `dropped.jsonl`: how the questions came about, and which are not there."""
        (self.path / BUILD).write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        write_lines(self.path / DROPPED, dropped)

    def models(self) -> list[str]:
        """Return the names of the models that have answered, sorted."""
        return sorted(file.stem for file in (self.path / "answers").glob("*.jsonl"))

    def answers_file(self, model: str) -> Path:
        """Return where a model's answers stand. Raises BenchmarkError for a name that cannot be a file's name."""
        if not model or model.startswith(".") or any(letter in model for letter in "/\\\0"):
            raise BenchmarkError(
                f"{model!r} cannot be a model's name here, for answers/<model>.jsonl is its file: found an empty name, "
                "a slash, or a dot at its beginning. Choose another with --name."
            )
        return self.path / "answers" / f"{model}.jsonl"

    def answers(self, model: str, questions: Sequence[BenchmarkQuestion]) -> ModelAnswers:
        """Return a model's answers. Raises BenchmarkError: no such model, a broken line, two answers to a question."""
        file = self.answers_file(model)
        if not file.is_file():
            known = ", ".join(self.models()) or "none"
            raise BenchmarkError(f"{self.path} has no answers of {model!r}. It has those of: {known}.")
        return read_answers(iterate_lines(str(file)), file, model, questions)

    def write_answers(self, model: str, rows: Iterable[dict[str, Any]]) -> None:
        """Write a model's answers, whole or not at all; rows have at least `question_id` and `answer`."""
        write_lines(self.answers_file(model), rows)

    def judgments(self) -> list[Judgment]:
        """Return all judgments, in the order in which they were written; columns of ours may be absent."""
        return read_judgments(self.path / "judgments")

    def add_judgments(self, judgments: Sequence[Judgment]) -> None:
        """Write judgments as the next part, whole or not at all."""
        write_judgments(self.path / "judgments", judgments)


@dataclass(frozen=True)
class BenchmarkData:
    """A benchmark's folder with its questions and answers, read once."""

    folder: Benchmark
    questions: list[BenchmarkQuestion]
    answers: dict[str, ModelAnswers]  # by model


def load_benchmark(path: Path) -> BenchmarkData:
    """Read a benchmark's questions and all answers. Raises BenchmarkError for any fault in them."""
    folder = Benchmark(path)
    questions = folder.questions()
    return BenchmarkData(folder, questions, {model: folder.answers(model, questions) for model in folder.models()})


def read_questions(lines: Iterable[Line], file: Path) -> list[BenchmarkQuestion]:
    """Return the questions of a file's lines. Raises BenchmarkError: no line, a broken one, an id twice."""
    questions: list[BenchmarkQuestion] = []
    numbers: dict[str, int] = {}
    for line in lines:
        question = _question(line, file)
        first = numbers.setdefault(question.question_id, line.number)
        if first != line.number:
            raise BenchmarkError(
                f"{file}, line {line.number}: question {question.question_id!r} is there twice, in line {first} too; "
                "expected each question_id once. Remove one of the lines."
            )
        questions.append(question)
    if not questions:
        raise BenchmarkError(f"{file} holds no question; expected one JSON object a line.")
    return questions


def read_answers(lines: Iterable[Line], file: Path, model: str, questions: Sequence[BenchmarkQuestion]) -> ModelAnswers:
    """Return the answers of a file's lines, objects of `question_id` and `answer`.

    Answers to unknown questions are left out and named. Raises BenchmarkError: a line that cannot be read, two
    different answers to one question.
    """
    known = {question.question_id for question in questions}
    by_question: dict[str, str] = {}
    numbers: dict[str, int] = {}
    unknown: list[str] = []
    n_known = 0
    for line in lines:
        values = _values(line, file, ("question_id", "answer"))
        question_id, answer = text_id(values["question_id"]), values["answer"]
        if not isinstance(answer, str):
            raise BenchmarkError(f"{file}, line {line.number}: the answer is {answer!r}; expected text.")
        if question_id not in known:
            unknown.append(question_id)
            continue
        n_known += 1
        first = numbers.setdefault(question_id, line.number)
        if by_question.setdefault(question_id, answer) != answer:
            raise BenchmarkError(
                f"{file}, line {line.number}: question {question_id!r} has another answer in line {first}; expected "
                "one answer a question. Remove the one that does not count."
            )
    return ModelAnswers(model, by_question, n_known - len(by_question), unknown)


def text_id(value: object) -> str:
    """Return a question's id as text: the released files number their questions."""
    return value if isinstance(value, str) else json.dumps(value)


def write_lines(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write JSON Lines, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.partial")
    # Half of a surrogate pair, which a model may write, has no UTF-8; escaped it is JSON and comes back.
    with partial.open("w", encoding="utf-8", errors="backslashreplace") as stream:
        stream.writelines(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    partial.replace(file)


def write_text(file: Path, text: str) -> None:
    """Write a text, whole or not at all; half a surrogate pair, which JSON can hold and no file can, as `?`."""
    partial = file.with_name(f".{file.name}.partial")
    partial.write_bytes(text.encode("utf-8", "replace"))
    partial.replace(file)


def read_judgments(folder: Path) -> list[Judgment]:
    """Return the judgments of all parts of a folder; columns beyond the first six may be absent."""
    judgments: list[Judgment] = []
    for part in sorted(folder.glob("part-*.parquet")):
        try:
            with pq.ParquetFile(part) as file:
                columns = file.read(use_threads=False).to_pydict()
            columns["question_id"] = [text_id(value) for value in columns["question_id"]]
            named = [each.name for each in fields(Judgment) if each.name in columns]
            rows = zip(*(columns[name] for name in named), strict=True)
            judgments.extend(Judgment(**dict(zip(named, row, strict=True))) for row in rows)
        except (OSError, pa.ArrowException, TypeError, KeyError) as error:
            raise BenchmarkError(
                f"{part} cannot be read as judgments: {error}. Remove it and judge again: the replies are in the reply "
                "store and cost nothing."
            ) from error
    return judgments


def write_judgments(folder: Path, judgments: Sequence[Judgment]) -> None:
    """Write judgments as the folder's next part, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = [int(part.stem.removeprefix("part-")) for part in folder.glob("part-*.parquet")]
    part = folder / f"part-{max(numbers, default=-1) + 1:05d}.parquet"
    table = pa.Table.from_pylist([asdict(judgment) for judgment in judgments], schema=JUDGMENT_SCHEMA)
    partial = part.with_name(f".{part.name}.partial")
    pq.write_table(table, partial, compression="zstd")
    partial.replace(part)


def _question(line: Line, file: Path) -> BenchmarkQuestion:
    values = _values(line, file, ("question_id", "image", "instruction", "caption", "category"))
    named = {each.name: values[each.name] for each in fields(BenchmarkQuestion) if each.name in values}
    for name, value in named.items():
        if name != "question_id" and not isinstance(value, str):
            raise BenchmarkError(f"{file}, line {line.number}: {name!r} is {value!r}; expected text.")
    image = PurePosixPath(named["image"])
    if image.is_absolute() or ".." in image.parts:
        raise BenchmarkError(
            f"{file}, line {line.number}: the image {named['image']!r} lies outside of the benchmark; expected a path "
            "relative to its folder images/."
        )
    return BenchmarkQuestion(**{**named, "question_id": text_id(named["question_id"])})


def _values(line: Line, file: Path, keys: Sequence[str]) -> dict[str, Any]:
    if line.fault is not None:
        raise BenchmarkError(f"{file}, line {line.number}: {line.fault}. Correct the line.")
    missing = [key for key in keys if key not in line.value]
    if missing:
        found = ", ".join(line.value) or "nothing"
        raise BenchmarkError(f"{file}, line {line.number}: {missing[0]!r} is missing; found {found}.")
    return line.value
