"""A run's held-out questions to a benchmark folder, without those that training data give away.

The run's split keeps held-out images and instructions out of its own training data by id and by meaning. What it cannot
see is found here: the same picture in another file, and what other data sets hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from mminstruct import __version__
from mminstruct.bench.folder import QUESTIONS, Benchmark
from mminstruct.bench.questions.decontaminate import Comparison, Dropped, HeldOut, Limits, compare
from mminstruct.bench.questions.perceptual import MAX_DIFFERENT_BITS, Fingerprint, fingerprint
from mminstruct.bench.questions.training_data import TrainingData
from mminstruct.bench.rows import BenchmarkQuestion
from mminstruct.encoders.text import load_text_encoder
from mminstruct.errors import BenchmarkError
from mminstruct.imaging import IMAGE_ENDINGS, BadImage, read_image_bytes
from mminstruct.pipeline.export import open_finished_run
from mminstruct.rows import Question, Reason, content_id
from mminstruct.writers.folder import whole_folder


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What a benchmark is compared with, and how strictly."""

    against: Sequence[str] = ()  # run folders, LLaVA JSON, JSON Lines
    image_roots: Sequence[Path] = ()  # where else the images of such files are looked for
    similarity: float | None = None  # None: the run's own `split.near_duplicate_similarity`
    different_bits: int = MAX_DIFFERENT_BITS
    overwrite: bool = False


@dataclass(slots=True)
class BuildReport:
    """What was held out, compared, dropped and kept."""

    run: str
    encoder: str  # that embedded the instructions
    limits: Limits
    n_held_out: int
    kept: list[Question] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)

    @property
    def reasons(self) -> Counter[Reason]:
        """How many questions were dropped for which reason."""
        return Counter(dropped.reason for dropped in self.dropped)


def build_benchmark(
    run_dir: str,
    out: Path,
    options: BuildOptions,
    progress: Callable[[str, int], None] = lambda name, n_rows: None,
) -> BuildReport:
    """Write the benchmark folder `out`, whole or not at all; `progress` hears of the data compared and its rows so far.

    Raises RunError where the run, or one to compare with, is not finished; SourceError, BenchmarkError where data to
    compare with cannot be read, no question is left, or `out` is in the way.
    """
    Benchmark(out).check_place(options.overwrite, with_images=True)
    config, manifest, tables = open_finished_run(run_dir)
    questions = list(tables.benchmark.rows())
    if not questions:
        notes = " ".join(f"The split says: {note}." for note in manifest.stages["split"].notes)
        raise BenchmarkError(
            f"The run {run_dir} has held out no question. Set `split.n_instructions` and "
            f"`split.images_per_instruction` to what its samples give, and run it again. {notes}"
        )
    data = [TrainingData(location, options.image_roots) for location in (run_dir, *options.against)]
    similarity = config.split.near_duplicate_similarity if options.similarity is None else options.similarity
    encoder = load_text_encoder(config.embedder)
    report = BuildReport(run_dir, encoder.name, Limits(similarity, options.different_bits), len(questions))
    questions, prints = _with_images(questions, config.intake.max_pixels, report)
    if questions:
        held_out = HeldOut(questions, prints, encoder, report.limits)
        for each in data:
            told = _told(progress, each.name)
            report.comparisons.append(compare(held_out, each, config.intake.max_pixels, told))
    _divide(questions, report)
    with whole_folder(out, options.overwrite, QUESTIONS) as folder:
        _write(Benchmark(folder), report)
    return report


def _told(progress: Callable[[str, int], None], name: str) -> Callable[[int], None]:
    return lambda n_rows: progress(name, n_rows)


def _with_images(
    questions: Sequence[Question], max_pixels: int, report: BuildReport
) -> tuple[list[Question], list[Fingerprint]]:
    """Return the questions whose image is what it was, with its fingerprint; drop the others."""
    sound, prints = [], []
    for question in questions:
        try:
            print_ = fingerprint(question.image, max_pixels)
            if content_id(print_.content_hash) != question.image_id:
                detail = f"found other bytes in {question.image} than when the run read it; expected the same file"
                raise BadImage(Reason.CHANGED_IMAGE, detail)
        except BadImage as fault:
            report.dropped.append(Dropped(question.question_id, fault.reason, f"{question.image}: {fault.detail}"))
        else:
            sound.append(question)
            prints.append(print_)
    return sound, prints


def _divide(questions: Sequence[Question], report: BuildReport) -> None:
    """Keep the questions that no data give away. Raises BenchmarkError where none is left."""
    for question in questions:
        twins = (comparison.given_away.get(question.question_id) for comparison in report.comparisons)
        twin = next((twin for twin in twins if twin is not None), None)
        if twin is None:
            report.kept.append(question)
        else:
            report.dropped.append(twin)
    if not report.kept:
        reasons = ", ".join(f"{reason} {count}" for reason, count in report.reasons.most_common())
        first = report.dropped[0]
        raise BenchmarkError(
            f"No question is left of the {report.n_held_out} that {report.run} holds out: {reasons}. The first is "
            f"{first.question_id}: {first.detail}."
        )


def _write(benchmark: Benchmark, report: BuildReport) -> None:
    benchmark.images.mkdir()
    for question in report.kept:
        target = benchmark.images / image_name(question)
        if not target.exists():
            target.write_bytes(read_image_bytes(question.image))
    benchmark.write_questions(benchmark_question(question) for question in report.kept)
    benchmark.write_build(_provenance(report), (asdict(dropped) for dropped in report.dropped))


def image_name(question: Question) -> str:
    """Return the image's name in the benchmark: the run's id of it, with the ending that its file has.

    >>> image_name(Question("q", "9f3a", "/data/a.tar::b/1.JPG", "i", "Write.", "A dog.", "poetry", "coco", "Ah."))
    '9f3a.jpg'
    """
    ending = PurePosixPath(question.image).suffix.lower()
    return f"{question.image_id}{ending if ending.removeprefix('.') in IMAGE_ENDINGS else ''}"


def benchmark_question(question: Question) -> BenchmarkQuestion:
    """Return a run's held-out question as a benchmark has it."""
    return BenchmarkQuestion(
        question_id=question.question_id,
        image=image_name(question),
        instruction=question.instruction,
        caption=question.caption,
        category=question.category,
        source=question.source,
        reference_answer=question.reference_answer,
    )


def _provenance(report: BuildReport) -> dict[str, Any]:
    compared = [asdict(comparison) for comparison in report.comparisons]
    for each, comparison in zip(compared, report.comparisons, strict=True):
        each["given_away"] = len(comparison.given_away)  # the twins stand in dropped.jsonl
    return {
        "version": __version__,
        "run": report.run,
        "encoder": report.encoder,
        "limits": asdict(report.limits),
        "n_held_out": report.n_held_out,
        "n_kept": len(report.kept),
        "dropped": dict(report.reasons.most_common()),
        "compared": compared,
    }
