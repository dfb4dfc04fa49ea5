"""A variant's config: the base run's with a few keys changed, in a folder of its own and over the same replies.

unfiltered     filter.skip: every rule but empty_answer, for an empty answer is nothing that a trainer could read
random_match   match.sampling: random
no_summary     summarize.method: raw
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from mminstruct.config.ablation import Variant, VariantKind
from mminstruct.config.file import dump_config, parse_config
from mminstruct.config.filter import RuleName
from mminstruct.config.run import RunConfig
from mminstruct.config.section import Section

_SKIPPED = [rule for rule in get_args(RuleName) if rule != "empty_answer"]
_OVERRIDES: Mapping[VariantKind, tuple[str, ...]] = {
    "all": (),
    "unfiltered": (f"filter.skip={json.dumps(_SKIPPED)}",),
    "random_match": ("match.sampling=random",),
    "no_summary": ("summarize.method=raw",),
}


def overrides_of(variant: Variant) -> tuple[str, ...]:
    """Return what a variant changes in the base run's config, its own overrides last.

    >>> overrides_of(Variant(name="chance", kind="random_match", overrides=("match.per_image=2",)))
    ('match.sampling=random', 'match.per_image=2')
    """
    return (*_OVERRIDES[variant.kind], *variant.overrides)


def config_of(variant: Variant, base: RunConfig, run_dir: Path) -> RunConfig:
    """Return the config of a variant's own run in the folder `run_dir`.

    Raises ConfigError where an override is unknown or impossible.
    """
    overrides = (*overrides_of(variant), f"run_dir={json.dumps(str(run_dir))}")
    return parse_config(dump_config(base), f"Variant {variant.name}", Path.cwd(), overrides)


def first_changed_stage(base: RunConfig, changed: RunConfig) -> str | None:
    """Return the first stage that another config may change; None where all of them are as before."""
    if base.seed != changed.seed or base.images != changed.images or base.intake != changed.intake:
        return "images"
    for stage in changed.stages[1:]:
        if stage not in base.stages or _own_keys(base, stage) != _own_keys(changed, stage):
            return stage
        if stage in changed.llm_stages and base.llm_for(stage).content() != changed.llm_for(stage).content():
            return stage
        if stage == "summarize" and base.embedder != changed.embedder:
            return stage
    return None if base.stages == changed.stages else "describe"


def _own_keys(config: RunConfig, stage: str) -> dict[str, Any]:
    section: Section = getattr(config, stage)
    return section.model_dump(exclude={"llm"})
