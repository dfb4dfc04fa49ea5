"""What an ablation would ask and train, without doing any of it: from the run, the configs and what stands in OUT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path

from mminstruct.ablate.base import Base, open_folder, run_folder
from mminstruct.ablate.variants import config_of, first_changed_stage, overrides_of
from mminstruct.bench.folder import Benchmark
from mminstruct.config.ablation import AblationConfig, Variant
from mminstruct.config.file import dump_config, load_config
from mminstruct.config.recipe import load_recipe
from mminstruct.config.run import RunConfig
from mminstruct.errors import RunError
from mminstruct.pipeline.manifest import read_manifest
from mminstruct.pipeline.plan import make_plan
from mminstruct.pipeline.tables import Folder


@dataclass(frozen=True)
class VariantPlan:
    """What a variant takes, at most: replies that the store holds cost nothing."""

    variant: str
    changes: Sequence[str]
    first_stage: str | None  # that is done anew; None where no run of its own is needed, or it is finished
    n_requests: int
    n_tokens: int
    cost: float | None  # None: a price is not known
    n_samples: int  # before what is tested is left out
    n_trainings: int
    n_answers: int
    n_comparisons: int  # of the judge, trap pairs not counted


def plan_ablation(config: AblationConfig) -> list[VariantPlan]:
    """Return the plan, one entry a variant; a run that is not finished is planned with the first.

    Raises ConfigError for whatever is wrong in the configs, RunError where the run is none.
    """
    load_recipe(Path(config.recipe))
    base = _base_if_finished(config)
    is_folder = base is not None and not Path(config.run).is_file()
    base_config = base.config if base is not None and is_folder else load_config(Path(config.run))
    n_questions = _n_questions(config, base, base_config)
    return [
        _plan(variant, config, base, base_config, n_questions, is_first=number == 0)
        for number, variant in enumerate(config.variants)
    ]


def _base_if_finished(config: AblationConfig) -> Base | None:
    if not Path(config.run).is_file():
        return open_folder(config.run)
    try:
        return open_folder(load_config(Path(config.run)).run_dir)
    except RunError:
        return None


def _n_questions(config: AblationConfig, base: Base | None, base_config: RunConfig) -> int:
    if config.bench is not None:
        return len(Benchmark(Path(config.bench)).questions())
    if base is not None:
        return base.tables.benchmark.count()
    return base_config.split.n_instructions * base_config.split.images_per_instruction


def _plan(
    variant: Variant,
    config: AblationConfig,
    base: Base | None,
    base_config: RunConfig,
    n_questions: int,
    is_first: bool,
) -> VariantPlan:
    own = config_of(variant, base_config, run_folder(variant, Path(config.out)))
    stages = make_plan(own)
    is_finished = _is_finished(own)
    first_stage = None if is_finished else first_changed_stage(base_config, own)
    if is_first:  # with what the run itself takes, where it is named by its config
        first_stage = "images" if base is None else first_changed_stage(base.config, own)
    names = [stage.stage for stage in stages]
    asked = [] if first_stage is None else list(dropwhile(lambda stage: stage.stage != first_stage, stages))
    asking = [stage for stage in asked if stage.n_requests]
    costs = [stage.cost for stage in asking]
    n_samples = stages[names.index("filter")].n_rows
    if base is not None and variant.is_the_run:
        n_samples = base.tables.kept.count()
    elif is_finished:
        n_samples = read_manifest(Folder(own.run_dir)).stages["filter"].n_out
    return VariantPlan(
        variant=variant.name,
        changes=overrides_of(variant),
        first_stage=first_stage,
        n_requests=sum(stage.n_requests for stage in asking),
        n_tokens=sum(stage.prompt_tokens + stage.completion_tokens for stage in asking),
        cost=None if None in costs else sum(cost for cost in costs if cost is not None),
        n_samples=min(n_samples, variant.n_samples or n_samples),
        n_trainings=len(config.training_seeds),
        n_answers=n_questions,
        n_comparisons=0 if is_first or config.judge is None else 2 * n_questions,
    )


def _is_finished(config: RunConfig) -> bool:
    """Tell whether a variant's own run stands there with just this config."""
    folder = Folder(config.run_dir)
    if not folder.exists("config.yaml") or folder.read("config.yaml").decode() != dump_config(config):
        return False
    record = read_manifest(folder).stages.get("filter")
    return record is not None and record.status == "done"
