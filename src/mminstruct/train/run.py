"""A whole recipe: build, pretrain, finetune.

RECIPE  ─►  out/start (the parts joined)  ─►  out/pretrain  ─►  out/finetune   each a plain folder of transformers
out/training/<stage>/           metrics, plot, rows, checkpoints
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from mminstruct.config.recipe import ModelSection, Recipe
from mminstruct.encoders.checkpoints import require_transformers
from mminstruct.errors import MissingExtraError, TrainingError
from mminstruct.pipeline.lock import locked
from mminstruct.train.build import build_llava
from mminstruct.train.models import save_llava
from mminstruct.train.progress import Silent, StageResult, TrainProgress
from mminstruct.train.record import close_record, differs, open_record, stage_settings, write_json
from mminstruct.train.report import write_report
from mminstruct.writers.anybodys import training_file

if TYPE_CHECKING:
    from accelerate import PartialState

_INSTALL = "pip install 'mminstruct[train]'"
_PATIENCE = timedelta(hours=12)  # of those that wait while one process looks at all rows; NCCL's own is 10 minutes


def train(recipe: Recipe, progress: TrainProgress | None = None, overwrite: bool = False) -> tuple[StageResult, ...]:
    """Train the recipe's stages, one after the other; a finished one is skipped, a stopped one goes on.

    With `overwrite` a stage that was trained with other settings is trained anew.

    Under `accelerate launch` every process calls this; one of them builds, prepares and writes. Raises TrainingError,
    ModelError, SourceError, ConfigError, RunInterrupted, and MissingExtraError without the extra `train`.
    """
    _require_train()
    for section in recipe.stages.values():
        for file in (*section.data, *section.held_out):
            training_file(Path(file.path))  # which is there, or training need not begin
    from accelerate import PartialState

    state = PartialState(cpu=recipe.device == "cpu", timeout=_PATIENCE)
    out = Path(recipe.out)
    told = progress if progress is not None and state.is_main_process else Silent()
    with locked(recipe.out) if state.is_main_process else nullcontext(), _quiet():
        if state.is_main_process:
            (out / "recipe.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False))
            _start(recipe.model, out, recipe.seed, overwrite, told)
        state.wait_for_everyone()
        start = recipe.model.start or str(out / "start")
        results = []
        for stage in recipe.stages:
            results.append(_stage(recipe, stage, start, told, overwrite, state))
            state.wait_for_everyone()
            start = str(results[-1].folder)
        if state.is_main_process:
            write_report(out, results)
    return tuple(results)


def _start(model: ModelSection, out: Path, seed: int, overwrite: bool, progress: TrainProgress) -> None:
    """Join the parts to `out/start`, where the recipe names parts, unless it stands there already."""
    if model.start is not None:
        return
    folder, parts = out / "start", {**model.model_dump(), "seed": seed}
    kept = out / "start.json"
    if kept.exists():
        found = json.loads(kept.read_text(encoding="utf-8"))
        if found == parts:
            return
        if not overwrite:
            raise TrainingError(
                f"{out} holds a model of other parts ({json.dumps(found)}). Name another `out`, "
                "or train it anew with --overwrite."
            )
        kept.unlink()
    assert model.vision is not None and model.language is not None  # the section's own check
    progress.note(f"A new LLaVA is built from the vision tower {model.vision} and the language model {model.language}.")
    shutil.rmtree(folder, ignore_errors=True)
    save_llava(*build_llava(model.vision, model.language, seed), folder)
    write_json(kept, parts)


def _stage(
    recipe: Recipe, stage: str, start: str, progress: TrainProgress, overwrite: bool, state: PartialState
) -> StageResult:
    from mminstruct.train.stage import StageJob, train_stage  # which imports transformers

    out, section = Path(recipe.out), recipe.stages[stage]
    work, folder = out / "training" / stage, out / stage
    settings = stage_settings(section, start, recipe.seed)
    progress.stage_started(stage)
    with state.main_process_first():  # which begins the record that the others only read
        if state.is_main_process and overwrite and differs(work, settings):
            shutil.rmtree(work)
            shutil.rmtree(folder, ignore_errors=True)
        done = open_record(work, settings)
    if done is None:
        job = StageJob(stage, section, start, folder, work, recipe.seed, recipe.device, state.is_main_process)
        done = train_stage(job, progress)
        if state.is_main_process:
            close_record(work, settings, done)
        progress.stage_ended(done, skipped=False)
    else:
        progress.stage_ended(done, skipped=True)
    return done


def _require_train() -> None:
    require_transformers("train")
    for package in ("accelerate", "peft", "gguf", "tensorboardX", "matplotlib"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, "Training", _INSTALL)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' own bars and warnings off the terminal, where the progress is shown."""
    from transformers.utils import logging

    level, bars_shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft and transformers, about each other
            yield
    finally:
        logging.set_verbosity(level)
        if bars_shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
