"""The runs: the one whose data are varied, and each variant's own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from mminstruct.ablate.telling import Telling
from mminstruct.ablate.variants import config_of
from mminstruct.config.ablation import AblationConfig, Variant
from mminstruct.config.file import load_config
from mminstruct.config.run import RunConfig
from mminstruct.errors import RunError
from mminstruct.pipeline.export import open_finished_run
from mminstruct.pipeline.run import run_steps
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.steps import STEPS
from mminstruct.pipeline.tables import Folder


@dataclass(frozen=True)
class Base:
    """The run whose data are varied."""

    run_dir: str
    config: RunConfig
    tables: Tables


def open_base(config: AblationConfig, telling: Telling) -> Base:
    """Return the run; one that is named by its config is brought to its end first.

    Raises RunError where a folder holds no finished run, and what a run raises.
    """
    if Path(config.run).is_file():
        run_config = load_config(Path(config.run))
        telling.heading(f"the run {run_config.run_dir}")
        _bring_up_to_date(run_config, None, telling)
        return open_folder(run_config.run_dir)
    return open_folder(config.run)


def open_folder(run_dir: str) -> Base:
    """Return a finished run. Raises RunError where the folder holds none."""
    config, _, tables = open_finished_run(run_dir)
    return Base(run_dir, config, tables)


def tables_of(variant: Variant, base: Base, out: Path, telling: Telling) -> Tables:
    """Return the tables of a variant's run, up to what its filter keeps; the base run's where nothing is changed.

    Replies come from the base run's store, so that only what the variant changes is asked. Raises RunError where that
    store is not there, and what a run raises.
    """
    if variant.is_the_run:
        return base.tables
    config = config_of(variant, base.config, run_folder(variant, out))
    if not Path(config.replies).is_dir():
        raise RunError(
            f"The reply store {config.replies} of the run {base.run_dir} is not there, so that variant {variant.name} "
            "would ask for everything again. Put it back, or name the run by a config whose `replies` is its place now."
        )
    telling.heading(f"{variant.name}: its run in {config.run_dir}")
    # Without the split: what is held out is the base run's (see held_out.py).
    _bring_up_to_date(config, "filter", telling)
    return Tables(Folder(config.run_dir), config.describe.is_on)


def run_folder(variant: Variant, out: Path) -> Path:
    """Return where a variant's own run is."""
    return out / "runs" / variant.name


def _bring_up_to_date(config: RunConfig, last: str | None, telling: Telling) -> None:
    with telling.stages() as progress:
        asyncio.run(run_steps(config, STEPS, progress, last=last))
