"""What all variants are tested on: the benchmark's folder, and its reference answers as rows to measure a loss on.

08_benchmark of the base run, or another benchmark  ─►  OUT/benchmark/  and  OUT/held_out/train.json
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mminstruct.bench.folder import Benchmark
from mminstruct.bench.questions.build import benchmark_question
from mminstruct.bench.rows import BenchmarkQuestion
from mminstruct.errors import BenchmarkError
from mminstruct.imaging import image_hash, read_image_bytes
from mminstruct.pipeline.run_tables import Tables
from mminstruct.rows import Sample, content_id
from mminstruct.writers.export import ExportOptions, ExportReport, write_export
from mminstruct.writers.llava import LLAVA

_FACTS = "held_out.json"


@dataclass
class Exam:
    """The benchmark that was put together, and what is to be known of it."""

    benchmark: Benchmark
    questions: list[BenchmarkQuestion]
    held_out: Path | None  # rows with the reference answers; None where no question has one
    n_held_out: int = 0
    notes: list[str] = field(default_factory=list)


def prepare_exam(tables: Tables, bench: Path | None, out: Path) -> Exam:
    """Bring `out/benchmark` and `out/held_out` up to date; answers and judgments that stand there stay.

    The questions are those that the run holds out or, where it is given, those of the benchmark `bench`. Raises
    BenchmarkError where there is none.
    """
    notes: list[str] = []
    chosen = list(_of_folder(Benchmark(bench)) if bench else _of_run(tables, notes))
    if not chosen:
        raise BenchmarkError(
            "There is no question to test the variants on. Set `split.n_instructions` and "
            "`split.images_per_instruction` of the run to what its samples give and run it again, or name a benchmark: "
            f"`bench`. {' '.join(notes)}".strip()
        )
    benchmark = Benchmark(out / "benchmark")
    for question, data in chosen:
        if data is not None:
            _place(benchmark.image_path(question), data)
    questions = [question for question, _ in chosen]
    benchmark.path.mkdir(parents=True, exist_ok=True)
    benchmark.write_questions(questions)
    exam = Exam(benchmark, questions, None, notes=notes)
    _write_held_out(exam, out / "held_out")
    return exam


def _of_run(tables: Tables, notes: list[str]) -> Iterator[tuple[BenchmarkQuestion, bytes]]:
    """Yield the run's held-out questions with their images; one whose image is another by now is noted."""
    for question in tables.benchmark.rows():
        try:
            data = read_image_bytes(question.image)
        except OSError as error:
            notes.append(f"question {question.question_id} is left out: its image cannot be read: {error}")
            continue
        if content_id(image_hash(data)) != question.image_id:
            notes.append(f"question {question.question_id} is left out: {question.image} has changed since the run")
            continue
        yield benchmark_question(question), data


def _of_folder(benchmark: Benchmark) -> Iterator[tuple[BenchmarkQuestion, bytes | None]]:
    for question in benchmark.questions():
        path = benchmark.image_path(question)
        yield question, path.read_bytes() if question.image and path.is_file() else None


def _place(path: Path, data: bytes) -> None:
    """Write an image whole or not at all; one that is there already stays."""
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(data)
    partial.replace(path)


def _write_held_out(exam: Exam, out: Path) -> None:
    """Write the reference answers as training rows, unless they stand there already."""
    answered = [question for question in exam.questions if question.reference_answer.strip()]
    answered = [question for question in answered if question.image and exam.benchmark.image_path(question).is_file()]
    if len(answered) < len(exam.questions):
        n_lacking = len(exam.questions) - len(answered)
        exam.notes.append(
            f"{n_lacking:,} of {len(exam.questions):,} questions have no reference answer, or no image: the held-out "
            "loss is measured without them"
        )
    if not answered:
        return
    exam.held_out, exam.n_held_out = out, len(answered)
    facts = json.dumps({"fingerprint": _fingerprint(exam.benchmark, answered)})
    stands = out / _FACTS
    if stands.is_file() and stands.read_text(encoding="utf-8") == facts:
        return

    def write_facts(folder: Path, report: ExportReport) -> None:
        (folder / _FACTS).write_text(facts, encoding="utf-8")

    samples = (_sample(question, exam.benchmark.image_path(question)) for question in answered)
    write_export(samples, out, LLAVA, ExportOptions(image_mode="none", overwrite=True), write_facts)


def _sample(question: BenchmarkQuestion, image: Path) -> Sample:
    return Sample(
        sample_id=question.question_id,
        image_id=content_id(question.image),
        image=str(image.resolve()),
        instruction_id=content_id(question.instruction),
        instruction=question.instruction,
        answer=question.reference_answer,
        source=question.source,
        category=question.category,
        description=question.caption,
        score=0.0,
        width=0,
        height=0,
        model="",
        request_id="",
    )


def _fingerprint(benchmark: Benchmark, questions: Sequence[BenchmarkQuestion]) -> str:
    parts = []
    for question in questions:
        path = benchmark.image_path(question)
        image = image_hash(path.read_bytes()) if question.image and path.is_file() else ""
        parts.append(content_id(question.question_id, question.instruction, image, question.reference_answer))
    return content_id(*parts)
