"""The pipeline as one list: the paper's stages in order, what each reads and writes, and what makes it anew."""

from __future__ import annotations

from mminstruct.pipeline.run import Step
from mminstruct.pipeline.steps_data import filter_step, images_step, match_step, sources_state, split_step
from mminstruct.pipeline.steps_describe import describe_settings, describe_step
from mminstruct.pipeline.steps_text import (
    answer_step,
    augment_step,
    content_of,
    exemplar_rules,
    exemplars_step,
    llm_settings,
    seeds_fingerprint,
    summarize_step,
)

STEPS: tuple[Step, ...] = (
    Step(
        stage="images",
        reads=(),
        writes=("images",),
        settings=lambda run: {
            "sources": [source.model_dump(mode="json") for source in run.config.images],
            "files": sources_state(run),
            "intake": run.config.intake.model_dump(mode="json"),
            "needs_captions": not run.config.describe.writes,
            "shard_size": run.config.shard_size,
        },
        work=images_step,
        in_parts=True,
    ),
    Step(
        stage="describe",
        reads=("images",),
        writes=("described",),
        settings=describe_settings,
        work=describe_step,
        in_parts=True,
    ),
    Step(
        stage="augment",
        reads=("captioned",),
        writes=("raw_instructions",),
        settings=lambda run: [llm_settings("augment")(run), seeds_fingerprint(run)],
        work=augment_step,
    ),
    Step(
        stage="summarize",
        reads=("captioned", "raw_instructions"),
        writes=("instructions",),
        settings=lambda run: [
            llm_settings("summarize")(run),
            seeds_fingerprint(run),
            content_of(run.config.embedder),
        ],
        work=summarize_step,
    ),
    Step(
        stage="match",
        reads=("captioned", "instructions"),
        writes=("matches",),
        settings=lambda run: [
            content_of(run.config.match),
            content_of(run.config.embedder),
        ],
        work=match_step,
        in_parts=True,
    ),
    Step(
        stage="exemplars",
        reads=("captioned", "instructions", "matches"),
        writes=("exemplars",),
        settings=lambda run: [llm_settings("exemplars")(run), exemplar_rules(run.config).model_dump(mode="json")],
        work=exemplars_step,
    ),
    Step(
        stage="answer",
        reads=("captioned", "instructions", "matches", "exemplars"),
        writes=("answers",),
        settings=lambda run: [llm_settings("answer")(run), content_of(run.config.embedder)],
        work=answer_step,
        in_parts=True,
    ),
    Step(
        stage="filter",
        reads=("captioned", "instructions", "matches", "answers"),
        writes=("kept",),
        settings=lambda run: [
            run.config.filter.model_dump(mode="json"),
            content_of(run.config.embedder),
        ],
        work=filter_step,
    ),
    Step(
        stage="split",
        reads=("instructions", "kept"),
        writes=("samples", "benchmark"),
        settings=lambda run: [run.config.split.model_dump(mode="json"), content_of(run.config.embedder)],
        work=split_step,
    ),
)
