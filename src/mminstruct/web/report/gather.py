"""A run's folder → what the report says of it: each part counted by its own module, here put together.

Rows are counted column by column and part by part; whole rows are read of the few that the gallery shows, and of the
final instructions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath

from mminstruct import __version__
from mminstruct.bench.report.contents import Report as BenchmarkReport
from mminstruct.config.run import RunConfig
from mminstruct.pipeline.manifest import read_manifest
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.story import open_run
from mminstruct.rows import Instruction
from mminstruct.web.report.contents import Match, RunReport
from mminstruct.web.report.flow import (
    StageCounts,
    count_stages,
    image_flow,
    instruction_flow,
    matches_per_image,
    reject_lines,
)
from mminstruct.web.report.gallery import Gallery
from mminstruct.web.report.instruction_map import read_map
from mminstruct.web.report.lengths import length_spreads
from mminstruct.web.report.stage_lines import settings, sources, spent_lines, stage_lines
from mminstruct.web.report.tallies import count_values
from mminstruct.web.report.usage_of_instructions import (
    Uses,
    balance_of,
    category_lines,
    count_uses,
    instruction_lines,
    score_spreads,
    verb_lines,
)

Tell = Callable[[str], None]
"""Hears what is being worked on, in one or two words."""


def gather(run_dir: str, benchmark: BenchmarkReport | None = None, tell: Tell = lambda _: None) -> RunReport:
    """Return what there is to say of a run, finished or not. Raises RunError where it is no run or cannot be read."""
    config, folder = open_run(run_dir)
    manifest, tables = read_manifest(folder), Tables(folder, config.describe.is_on)
    tell("counting rows")
    counts = count_stages(tables, config.stages)
    instructions = list(tables.instructions.rows())
    uses, per_image = count_uses(tables), matches_per_image(tables)
    n_questions = uses.questions.total()
    of_images = image_flow(counts, sum(per_image.values()), n_questions)
    of_instructions = instruction_flow(counts, manifest)
    rejects = reject_lines(counts, [*of_images, *of_instructions])
    tell("measuring texts")
    lengths = length_spreads(tables)
    tell("the map of instructions")
    found_map, map_missing = read_map(config, folder, tables, instructions)
    tell("choosing pictures")
    gallery = Gallery(tables, {each.instruction_id: each.text for each in instructions}, config.intake.max_pixels)
    return RunReport(
        name=PurePosixPath(folder.path("")).name or run_dir,
        version=__version__,
        written_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        sources=sources(config, count_values(tables.images.columns(["source"]), "source")),
        settings=settings(config),
        stages=stage_lines(config, manifest, counts),
        spent=spent_lines(manifest),
        image_flow=of_images,
        instruction_flow=of_instructions,
        rejects=rejects,
        match=_match(tables, config, counts, per_image, instructions, uses),
        map=found_map,
        map_missing=map_missing,
        lengths=lengths,
        categories=category_lines(instructions, uses),
        verbs=verb_lines(instructions, uses),
        verbs_count_samples=bool(uses.samples),
        samples=gallery.samples(),
        rejected=gallery.rejects(rejects),
        n_samples=uses.samples.total(),
        n_questions=n_questions,
        n_instructions=len(instructions),
        n_images=counts["images"].n_out,
        benchmark=benchmark,
    )


def _match(
    tables: Tables,
    config: RunConfig,
    counts: Mapping[str, StageCounts],
    per_image: dict[int, int],
    instructions: list[Instruction],
    uses: Uses,
) -> Match | None:
    """Return the match balance; None where nothing has been matched yet."""
    n_without = counts["match"].rejects.total()
    if not per_image and not n_without:
        return None
    balances = (balance_of("matches", uses.matches, instructions), balance_of("samples", uses.samples, instructions))
    return Match(
        balances=[balance for balance in balances if balance],
        instructions=instruction_lines(instructions, uses),
        scores=score_spreads(tables),
        per_image={0: n_without, **per_image} if n_without else per_image,
        n_images=sum(per_image.values()) + n_without,
        n_without=n_without,
        encoder=config.match.encoder.kind,
    )
