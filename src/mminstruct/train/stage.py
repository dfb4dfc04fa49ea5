"""One stage of training: a LLaVA in, a LLaVA out.

start folder, rows  ─►  work/rows/ …  ─►  transformers' Trainer  ─►  folder, work/metrics.jsonl, work/loss.png
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from transformers import PrinterCallback

from mminstruct.config.recipe import FinetuneSection, StageSection
from mminstruct.encoders.checkpoints import choose_device
from mminstruct.errors import RunInterrupted
from mminstruct.train.arguments import training_arguments
from mminstruct.train.batches import PreparedRows, collate
from mminstruct.train.callbacks import METRICS_FILE, Metrics, PatientStop, read_metrics
from mminstruct.train.losses import StageLosses
from mminstruct.train.measure import RowLoss, mean_loss
from mminstruct.train.models import merged, n_parameters, open_llava, prepare_to_learn, save_llava
from mminstruct.train.plot import plot_loss
from mminstruct.train.progress import StageResult, TrainProgress
from mminstruct.train.stage_rows import StageRows, stage_rows
from mminstruct.train.trainer import LlavaTrainer


@dataclass(frozen=True, slots=True)
class StageJob:
    """What a stage is given. Checkpoints, rows and metrics go to `work`, the trained model to `folder`."""

    stage: str
    section: StageSection
    start: str
    folder: Path
    work: Path
    seed: int
    device: str
    is_main: bool = True  # of several processes the one that writes

    @property
    def checkpoints(self) -> Path:
        """Where the Trainer writes what a resumed training goes on from."""
        return self.work / "checkpoints"


def train_stage(job: StageJob, progress: TrainProgress) -> StageResult:
    """Train the stage, from its last checkpoint where there is one.

    Raises TrainingError where too many rows are bad or the loss is no number, RunInterrupted after Ctrl-C, ModelError
    and SourceError where a model or a file cannot be opened.
    """
    device = choose_device(job.device)
    dtype = _precision(job.section, device)
    # Before the model is opened: with DeepSpeed's ZeRO-3 the arguments decide how.
    arguments = training_arguments(job.section, job.checkpoints, job.seed, dtype, device == "cpu")
    model, processor = open_llava(job.start)
    rows = stage_rows(job.work, job.section, processor, progress, job.is_main)
    trainer, stop = _trainer(job, arguments, model, processor, rows, progress, dtype)
    learning: Any = trainer.model  # with adapters, where the recipe asks for them
    batch_size, pad = arguments.per_device_train_batch_size, processor.tokenizer.pad_token_id

    def measure(measured: PreparedRows) -> RowLoss:
        return mean_loss(learning, measured, batch_size, pad, trainer.accelerator, dtype)

    # DeepSpeed lays a model out over the devices when training begins, so it cannot be measured before.
    measured = None if trainer.is_deepspeed_enabled else measure
    losses = StageLosses(job.work, job.stage, rows, measured, progress, job.is_main)
    losses.measure("before")
    with stop.listening():
        trainer.train(resume_from_checkpoint=_last_checkpoint(job))
        trainer.accelerator.wait_for_everyone()  # a launcher ends all processes with the first, which may write still
        is_stopped = stop.is_any_asked()  # or was, while the last checkpoint was written
    state = trainer.state
    if is_stopped:
        raise RunInterrupted(f"Stopped after step {state.global_step} of {state.max_steps} of {job.stage}.")
    losses.measure("after")
    n_learning = n_parameters(parameter for parameter in learning.parameters() if parameter.requires_grad)
    _save(job, trainer, learning, processor, dtype)
    return _result(job, rows, losses, state.max_steps, n_learning)


def _precision(section: StageSection, device: str) -> str:
    if section.precision != "auto":
        return section.precision
    return "bfloat16" if device == "cuda" else "float32"


def _trainer(
    job: StageJob, arguments: Any, model: Any, processor: Any, rows: StageRows, progress: TrainProgress, dtype: str
) -> tuple[LlavaTrainer, PatientStop]:
    section = job.section
    is_finetune = isinstance(section, FinetuneSection)
    lora = section.lora if isinstance(section, FinetuneSection) else None
    parts: Literal["language_model", "projector"] = "language_model" if is_finetune else "projector"
    model = prepare_to_learn(model, parts, lora, frozen_dtype=None if section.deepspeed else dtype)
    stop = PatientStop(progress)
    trainer = LlavaTrainer(
        rows.training,
        section.projector_learning_rate or section.learning_rate,
        model=model,
        args=arguments,
        data_collator=partial(collate, pad_token_id=processor.tokenizer.pad_token_id),
        callbacks=[Metrics(job.work, job.stage, rows.counts, progress), stop],
    )
    trainer.remove_callback(PrinterCallback)  # which would print each log on stdout
    return trainer, stop


def _last_checkpoint(job: StageJob) -> str | None:
    """Return the newest whole checkpoint; remove what a killed process left half-written."""
    found = sorted(job.checkpoints.glob("checkpoint-*"), key=lambda folder: int(folder.name.rpartition("-")[2]))
    whole = [folder for folder in found if (folder / "trainer_state.json").exists()]  # which is written last
    if job.is_main:
        for folder in set(found) - set(whole):
            shutil.rmtree(folder)
    return str(whole[-1]) if whole else None


def _save(job: StageJob, trainer: LlavaTrainer, model: Any, processor: Any, dtype: str) -> None:
    """Write the trained model, adapters merged into it; the checkpoints have done their duty then."""
    lora = isinstance(job.section, FinetuneSection) and job.section.lora is not None
    weights = None
    if lora:
        trainer.save_model(str(job.work / "adapters"))
    elif trainer.is_deepspeed_enabled:  # each process has a part of the weights, and sends it
        weights = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    if not job.is_main:
        return
    if lora:
        model = merged(job.start, job.work / "adapters", dtype)
    elif weights is None:
        import torch

        model = model.to(getattr(torch, dtype))
    save_llava(model, processor, job.folder, weights)
    shutil.rmtree(job.checkpoints, ignore_errors=True)


def _result(job: StageJob, rows: StageRows, losses: StageLosses, n_steps: int, n_learning: int) -> StageResult:
    metrics = read_metrics(job.work / METRICS_FILE)
    training = losses.pair("training") or (metrics[0]["loss"], metrics[-1]["loss"])
    held_out = losses.pair("held-out")
    if job.is_main:
        plot_loss(metrics, f"{job.stage}: {len(rows.training):,} rows", job.work / "loss.png", held_out)
    return StageResult(
        stage=job.stage,
        folder=job.folder,
        n_rows=len(rows.training),
        n_steps=n_steps,
        n_learning=n_learning,
        first_loss=training[0],
        last_loss=training[1],
        held_out_before=held_out[0] if held_out else None,
        held_out_after=held_out[1] if held_out else None,
        n_held_out=len(rows.held_out) if rows.held_out else 0,
        seconds=metrics[-1]["seconds"],
        counts=rows.counts,
    )
