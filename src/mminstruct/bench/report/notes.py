"""What a report leaves out, counted: faults of the files, and what nobody has judged yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mminstruct.bench.folder import BenchmarkData
from mminstruct.bench.report.contents import JudgeReport, PairReport
from mminstruct.bench.rows import Judgment
from mminstruct.bench.trust.calibrate import summarize_votes, vote_notes
from mminstruct.counts import count_of


def notes_on(
    data: BenchmarkData, judgments: Sequence[Judgment], pairs: Sequence[PairReport], judges: Sequence[JudgeReport]
) -> list[str]:
    """Return one plain sentence for each thing that a reader of the figures should know."""
    return [
        *_on_answers(data),
        *_on_images(data),
        *_on_judgments(data, judgments),
        *_on_pairs(pairs),
        *vote_notes(summarize_votes(data)),
        *(
            f"{judge.judge} has judged no trap pairs: how it takes known errors is unknown. `mminstruct bench "
            "calibrate` tries it."
            for judge in judges
            if not judge.traps
        ),
    ]


def _on_answers(data: BenchmarkData) -> Iterator[str]:
    for model, answers in data.answers.items():
        missing = answers.missing(data.questions)
        if missing:
            yield f"{model} has no answer to {_questions(missing)}: they are not compared."
        n_empty = sum(not answer.strip() for answer in answers.by_question.values())
        if n_empty:
            are = "answers of {} are" if n_empty > 1 else "answer of {} is"
            yield f"{n_empty:,} {are.format(model)} empty: lost without asking a judge, unless both are."
        if answers.unknown:
            yield f"{model} answers {_questions(answers.unknown)} that the benchmark does not have: left out."
        if answers.repeated:
            lines = "lines of {}'s answers repeat" if answers.repeated > 1 else "line of {}'s answers repeats"
            yield f"{answers.repeated:,} {lines.format(model)} an earlier one: counted once."


def _on_images(data: BenchmarkData) -> Iterator[str]:
    missing = [question.question_id for question in data.questions if not data.folder.image_path(question).is_file()]
    if len(missing) == len(data.questions):
        yield "The benchmark has none of its images: only judges that read captions can be used."
    elif missing:
        yield f"The image of {_questions(missing)} is missing: judges that see images do not judge them."


def _on_judgments(data: BenchmarkData, judgments: Sequence[Judgment]) -> Iterator[str]:
    known = {question.question_id for question in data.questions}
    n_unknown = sum(row.question_id not in known for row in judgments)
    if n_unknown:
        are = "judgments are about questions" if n_unknown > 1 else "judgment is about a question"
        yield f"{n_unknown:,} {are} that the benchmark does not have: left out."
    gone = sorted({model for row in judgments for model in (row.model_a, row.model_b)} - data.answers.keys())
    if gone:
        yield f"There are judgments of {', '.join(gone)}, whose answers are not here: left out."
    for judge in dict.fromkeys(row.judge for row in judgments):
        settings = {row.settings_id for row in judgments if row.judge == judge and not row.sample}
        if len(settings) > 1:
            yield (
                f"{judge} has judged under {len(settings)} different settings (prompt, parameters or model); of each "
                "comparison the newest counts."
            )


def _on_pairs(pairs: Sequence[PairReport]) -> Iterator[str]:
    for pair in pairs:
        if pair.not_judged:
            yield (
                f"{pair.judge} has not judged {pair.model_a} against {pair.model_b} on {pair.not_judged:,} of "
                f"{pair.n_questions:,} questions, or has judged answers that have changed since: left out. "
                "`mminstruct bench judge` goes on."
            )


def _questions(question_ids: Sequence[str]) -> str:
    """Return their number and the first few.

    >>> _questions(["q1"]), _questions(["1", "2", "3", "4", "5"])
    ('1 question (q1)', '5 questions (1, 2, 3, …)')
    """
    some = ", ".join(question_ids[:3]) + (", …" if len(question_ids) > 3 else "")
    return f"{count_of(len(question_ids), 'question')} ({some})"
