"""What the run was and cost: its config, sources and stages, from config.yaml, manifest.json and the tables."""

from __future__ import annotations

from collections.abc import Mapping

from mminstruct.config.encoders import CaptionEncoder
from mminstruct.config.run import RunConfig
from mminstruct.llm.usage import Spent
from mminstruct.pipeline.manifest import Manifest, StageRecord
from mminstruct.web.report.contents import Setting, Source, SpentLine, StageLine
from mminstruct.web.report.flow import StageCounts


def stage_lines(config: RunConfig, manifest: Manifest, counts: Mapping[str, StageCounts]) -> list[StageLine]:
    """Return a line for each stage of the run, those not begun too; rows as they are in the tables now."""
    lines = []
    for stage in config.stages:
        record = manifest.stages.get(stage)
        found = counts[stage]
        record, status = (record, record.status) if record else (StageRecord(""), "not begun")
        lines.append(
            StageLine(
                stage=stage,
                status=status,
                n_in=found.n_in if found.n_in is not None else record.n_in,
                n_out=found.n_out,
                n_rejected=found.rejects.total(),
                requests=record.requests,
                cached=record.cached,
                prompt_tokens=record.prompt_tokens,
                completion_tokens=record.completion_tokens,
                cost=record.cost,
                seconds=record.seconds,
                model=record.model,
                notes=record.notes,
            )
        )
    return lines


def spent_lines(manifest: Manifest) -> list[SpentLine]:
    """Return what each model took in all stages together, the one with the most tokens first."""
    spent: dict[str, Spent] = {}
    for record in manifest.stages.values():
        for model, more in record.paid.items():
            spent[model] = spent.get(model, Spent()) + more
    return [
        SpentLine(model, each.requests, each.prompt_tokens, each.completion_tokens, each.cost)
        for model, each in sorted(spent.items(), key=lambda item: -item[1].tokens)
    ]


def sources(config: RunConfig, n_images: Mapping[str, int]) -> list[Source]:
    """Return the sources of captions; `n_images` is empty before the stage `images`."""
    return [
        Source(source.name, source.format, n_images.get(source.name, 0) if n_images else None)
        for source in config.images
    ]


def settings(config: RunConfig) -> list[Setting]:
    """Return what decides most about a run, by the config's own keys; all of it is in config.yaml."""
    match, split, describe = config.match, config.split, config.describe
    cap = match.max_per_instruction
    encoder = match.encoder
    told = {
        "seed": str(config.seed),
        "describe.when": describe.when if describe.is_on else "",
        "augment.n_instructions": f"{config.augment.n_instructions:,}",
        "augment.shots": str(config.augment.shots),
        "summarize.method": config.summarize.method,
        "summarize.n_clusters": f"{config.summarize.n_clusters:,}",
        "match.encoder": encoder.kind if isinstance(encoder, CaptionEncoder) else f"{encoder.kind}: {encoder.model}",
        "match.per_image": str(match.per_image),
        "match.sampling": match.sampling
        + (f", temperature {match.temperature:g}" if match.sampling == "softmax" else ""),
        "match.max_per_instruction": f"{cap:,}" if cap is not None else "",
        "match.min_score": f"{match.min_score:g}" if match.min_score is not None else "",
        "exemplars.per_instruction": str(config.exemplars.per_instruction),
        "answer.shots": str(config.answer.shots),
        "filter.skip": ", ".join(config.filter.skip),
        "split": f"instructions × images held out: {split.n_instructions} × {split.images_per_instruction}",
    }
    return [Setting(key, value) for key, value in told.items() if value]
