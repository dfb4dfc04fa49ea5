"""What became of the rows, stage by stage: two flows, counted from the tables.

    images        records ─► images ─► (described) ─► matched ═ pairs ─► answered ─► kept ─► samples, questions
    instructions  requests ─► raw instructions ═ clusters ─► final instructions

At ═ the unit changes: a matched image becomes several pairs, and several raw instructions one cluster.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from mminstruct.pipeline.manifest import Manifest
from mminstruct.pipeline.run_tables import Tables
from mminstruct.web.report.contents import RejectLine, Step
from mminstruct.web.report.tallies import count_values

TABLE_OF = {
    "images": "images",
    "describe": "described",
    "augment": "raw_instructions",
    "summarize": "instructions",
    "match": "matches",
    "exemplars": "exemplars",
    "answer": "answers",
    "filter": "kept",
    "split": "samples",
}
"""The table, by its attribute's name, that a stage writes its rows and rejects to."""


@dataclass(frozen=True)
class StageCounts:
    """A stage's rows as they are in the tables now; `n_in` is None where only the manifest knows it."""

    n_in: int | None
    n_out: int
    rejects: Counter[str]  # by reason


def count_stages(tables: Tables, stages: Iterable[str]) -> dict[str, StageCounts]:
    """Return the counts of each stage of the run, those that have not begun too."""
    n_rows = {stage: tables.of(TABLE_OF[stage]).count() for stage in stages}
    captioned = n_rows.get("describe", n_rows["images"])
    rejects = {stage: count_values(tables.of(TABLE_OF[stage]).reject_columns(["reason"]), "reason") for stage in n_rows}
    n_in: dict[str, int | None] = {
        "images": n_rows["images"] + rejects["images"].total(),
        "describe": n_rows["images"],
        "match": captioned,
        "answer": n_rows["match"],
        "filter": n_rows["answer"],
        "split": n_rows["filter"],
        "summarize": n_rows["augment"],
    }
    n_rows["split"] += tables.benchmark.count()
    return {stage: StageCounts(n_in.get(stage), n, rejects[stage]) for stage, n in n_rows.items()}


def image_flow(counts: Mapping[str, StageCounts], n_matched: int, n_questions: int) -> list[Step]:
    """Return the steps from records to samples; `n_matched` images have matches, `n_questions` left training."""
    steps = [_step("images", "images", counts["images"])]
    if "describe" in counts:
        steps.append(_step("describe", "images", counts["describe"]))
    steps.append(_step("match", "images", counts["match"], n_matched))
    steps.append(_step("answer", "pairs", counts["answer"]))
    steps.append(_step("filter", "pairs", counts["filter"]))
    split = counts["split"]
    steps.append(_step("split", "pairs", split, split.n_out - n_questions, n_questions))
    return [step for step in steps if step.n_in]


def instruction_flow(counts: Mapping[str, StageCounts], manifest: Manifest) -> list[Step]:
    """Return the steps from requests to final instructions."""
    augment, summarize = counts["augment"], counts["summarize"]
    record = manifest.stages.get("augment")
    done = augment.n_out + augment.rejects.total()
    asked = done if record is None or record.status == "done" else max(done, record.n_in)
    n_clusters = summarize.n_out + summarize.rejects.total()
    steps = [
        _step("augment", "requests", StageCounts(asked, augment.n_out, augment.rejects)),
        _step("summarize", "clusters", StageCounts(n_clusters, summarize.n_out, summarize.rejects)),
    ]
    return [step for step in steps if step.n_in]


def matches_per_image(tables: Tables) -> dict[int, int]:
    """Return how many images have so many matches; images without any are rejects, and not among them."""
    found: Counter[int] = Counter()
    for _, part in tables.matches.columns(["image_id"]):
        of_images: pa.StructArray = pc.value_counts(part.column("image_id"))  # a part has all matches of its images
        found.update(of_images.field("counts").to_pylist())
    return dict(sorted(found.items()))


def reject_lines(counts: Mapping[str, StageCounts], steps: Iterable[Step]) -> list[RejectLine]:
    """Return every stage's reasons with their counts, in the order of the stages, the most frequent first.

    They are told beside what came to the stage's step, or, where it has none, beside the rows that were worked on.
    """
    came_in = {stage: found.n_out + found.rejects.total() for stage, found in counts.items()}
    came_in |= {step.stage: step.n_in for step in steps}
    return [
        RejectLine(stage, reason, n, came_in[stage])
        for stage, found in counts.items()
        for reason, n in found.rejects.most_common()
    ]


def _step(stage: str, unit: str, counts: StageCounts, n_on: int | None = None, n_aside: int = 0) -> Step:
    n_on = counts.n_out if n_on is None else n_on
    through = n_on + n_aside + counts.rejects.total()
    n_in = max(counts.n_in or 0, through)  # less came in where an earlier stage has been made anew since
    return Step(stage, unit, n_in, n_on, dict(counts.rejects.most_common()), n_in - through, n_aside)
