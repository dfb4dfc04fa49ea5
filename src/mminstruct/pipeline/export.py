"""A finished run's training samples to a trainer's format, with the data card."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from mminstruct import __version__
from mminstruct.config.file import dump_config
from mminstruct.config.run import RunConfig
from mminstruct.errors import ExportError, RunError
from mminstruct.pipeline.decisions import read_decisions
from mminstruct.pipeline.manifest import Manifest, read_manifest
from mminstruct.pipeline.reviewed import ReviewedSamples, ReviewTally
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.story import open_run
from mminstruct.pipeline.tables import Folder
from mminstruct.rows import Sample
from mminstruct.writers.card import CardFacts, ReviewFacts, StageFacts, write_card
from mminstruct.writers.export import FORMATS, ExportOptions, ExportReport, write_export
from mminstruct.writers.format import TrainFormat
from mminstruct.writers.mix import Mix
from mminstruct.writers.seen import Seen

Reviewed = Literal["no", "yes", "only"]
"""Whether reviewers' decisions count: not; they do; they do, and what nobody has decided on stays out."""


@dataclass(frozen=True, slots=True)
class RunExport:
    """What was written of a run."""

    report: ExportReport
    review: ReviewTally | None  # None: decisions did not count


def export_run(
    run_dir: str,
    out: Path,
    format_name: str = "llava",
    options: ExportOptions | None = None,
    reviewed: Reviewed = "no",
) -> RunExport:
    """Write the run's training samples to `out` in one of FORMATS, with a data card.

    Raises RunError where the run has not come to its end, or its samples are not as many as its manifest says;
    ExportError and SourceError as `write_export` does.
    """
    config, manifest, tables = open_finished_run(run_dir)
    form, tally = FORMATS[format_name], _Tally()
    reviewing = None if reviewed == "no" else _reviewing(run_dir, tables, only=reviewed == "only")
    samples = tables.samples.rows() if reviewing is None else reviewing.rows(tables.samples.rows())

    def finish(folder: Path, report: ExportReport) -> None:
        _check_count(run_dir, manifest, tables, _n_read(reviewing, report))
        facts = _facts(Path(run_dir).name, config, manifest, tally, tables.benchmark.count())
        facts = replace(facts, review=_review_facts(reviewing))
        write_card(_with_format(facts, form, folder, options.mix if options else None, report), folder)

    report = write_export(tally.watch(samples), out, form, options, finish)
    return RunExport(report, reviewing.tally if reviewing else None)


def _reviewing(run_dir: str, tables: Tables, only: bool) -> ReviewedSamples:
    book = read_decisions(Folder(run_dir))
    if only and not book.standing:
        raise ExportError(
            f"Nobody has decided about a row of {run_dir}, so that there is nothing to export with --reviewed-only. "
            f"Review it with `mminstruct explore {run_dir}`, or leave the option out."
        )
    return ReviewedSamples(tables, book, only)


def _n_read(reviewing: ReviewedSamples | None, report: ExportReport) -> int:
    """Return how many rows the table of samples gave.

    Raises ExportError unless those written and read back are as many as the decisions leave.
    """
    if reviewing is None:
        return report.n_samples
    if report.n_samples != reviewing.n_expected:
        raise ExportError(
            f"The export has {report.n_samples:,} samples, expected {reviewing.n_expected:,} by the decisions."
        )
    return reviewing.tally.n_table


def _check_count(run_dir: str, manifest: Manifest, tables: Tables, n_samples: int) -> None:
    """Raise RunError where the table of samples has not as many rows as the manifest says."""
    expected = manifest.stages["split"].tables.get(tables.samples.name, n_samples)
    if n_samples != expected:
        raise RunError(
            f"The run {run_dir} has {n_samples:,} samples in {tables.samples.name}, expected {expected:,} as its "
            "manifest says: a part of the table is lost. Make it again with `mminstruct run CONFIG --from split`."
        )


def _review_facts(reviewing: ReviewedSamples | None) -> ReviewFacts | None:
    if reviewing is None:
        return None
    tally = reviewing.tally
    return ReviewFacts(
        n_reviewers=len(tally.reviewers),
        n_kept=tally.n_kept,
        n_edited=tally.n_edited,
        n_dropped=tally.n_dropped,
        n_rescued=tally.n_rescued,
        n_undecided=tally.n_undecided,
        n_not_applied=tally.n_held_out + tally.n_changed + tally.n_gone,
        only_decided=reviewing.only,
    )


def _with_format(facts: CardFacts, form: TrainFormat, folder: Path, mix: Mix | None, report: ExportReport) -> CardFacts:
    """Return the facts with what the format and the mix add to them."""
    notes = list(facts.notes)
    if mix:
        left_out = ", ".join(f"{count:,} for {kind}" for kind, count in report.mix.left_out.most_common())
        notes.append(
            f"{report.mix.n_taken:,} of the {report.mix.n_rows:,} rows of `{mix.file.name}` (a ratio of {mix.ratio:g}, "
            f"seed {mix.seed}) stand behind the samples, with ids that begin with `mix-`; {report.mix.n_text_only:,} "
            f"of them have no image. Rows left out: {left_out or 'none'}. They keep their own licence, and no other "
            "figure on this page counts them."
        )
    return replace(
        facts,
        train_file=form.train_file,
        about=form.about,
        usage=form.usage,
        n_mixed=report.mix.n_taken,
        more_header=form.card_header(folder) if form.card_header else {},
        notes=notes,
    )


def open_finished_run(run_dir: str) -> tuple[RunConfig, Manifest, Tables]:
    """Return a run's config, manifest and tables. Raises RunError where it is no run, or has not come to its end."""
    config, folder = open_run(run_dir)
    manifest = read_manifest(folder)
    last = manifest.stages.get("split")
    if last is None or last.status != "done":
        found = last.status if last else "not begun"
        raise RunError(
            f"The run {run_dir} is not finished: its last stage, split, is {found}. Go on with `mminstruct run CONFIG`."
        )
    return config, manifest, Tables(folder, config.describe.is_on)


@dataclass
class _Tally:
    """Counts samples on their way to the writer, so that they are read once and never held."""

    sources: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    images: Seen = field(default_factory=Seen)
    instructions: set[str] = field(default_factory=set)
    instruction_lengths: array[int] = field(default_factory=lambda: array("I"))
    answer_lengths: array[int] = field(default_factory=lambda: array("I"))

    def watch(self, samples: Iterator[Sample]) -> Iterator[Sample]:
        for sample in samples:
            self.sources[sample.source] += 1
            self.categories[sample.category] += 1
            self.images.add(sample.image_id)
            self.instructions.add(sample.instruction_id)
            self.instruction_lengths.append(_n_words(sample.instruction))
            self.answer_lengths.append(_n_words(sample.answer))
            yield sample


def _n_words(text: str) -> int:
    """Return the number of words: of texts with single spaces alone, which most are, without taking them apart.

    >>> _n_words("Two words"), _n_words(" and\\tthree  more ")
    (2, 3)
    """
    # Of all white space only the plain space is printable.
    is_plain = text.isprintable() and "  " not in text and text.strip() == text != ""
    return text.count(" ") + 1 if is_plain else len(text.split())


def _without_credentials(text: str) -> str:
    """Return the text with `user:password@` taken out of its addresses: a card is made to be published.

    >>> _without_credentials("base_url: https://me:secret@host/v1")
    'base_url: https://host/v1'
    """
    return re.sub(r"(?<=://)[^/@\s]+@", "", text)


def _facts(name: str, config: RunConfig, manifest: Manifest, tally: _Tally, n_held_out: int) -> CardFacts:
    records = manifest.stages
    return CardFacts(
        run_name=name,
        version=__version__,
        sources=tally.sources,
        n_samples=tally.sources.total(),
        n_images=len(tally.images),
        n_instructions=len(tally.instructions),
        n_held_out=n_held_out,
        instruction_lengths=tally.instruction_lengths,
        answer_lengths=tally.answer_lengths,
        categories=tally.categories,
        models={stage: records[stage].model for stage in config.llm_stages},
        stages=[
            StageFacts(
                stage,
                record.n_in,
                record.n_out,
                record.n_rejected,
                record.requests,
                record.prompt_tokens,
                record.completion_tokens,
            )
            for stage, record in records.items()
        ],
        rejects={stage: record.rejects for stage, record in records.items()},
        encoder=records["match"].model,
        config=_without_credentials(dump_config(config)),
        language=config.filter.language or "en",
        notes=[note for record in records.values() for note in record.notes],
    )
