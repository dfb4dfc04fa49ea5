"""A stage of a recipe as transformers' TrainingArguments: what the recipe says, and nothing by default."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mminstruct.config.recipe import StageSection
from mminstruct.errors import ConfigError


def training_arguments(section: StageSection, folder: Path, seed: int, dtype: str, on_cpu: bool) -> Any:
    """Return the arguments; checkpoints go to `folder`.

    Raises ConfigError where the batch cannot be divided among the devices.
    """
    from transformers import TrainingArguments

    n_devices = int(os.environ.get("WORLD_SIZE", "1"))
    on_device, n_rounds = device_batch(section.batch_size, section.device_batch_size, n_devices)
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=section.epochs,
        per_device_train_batch_size=on_device,
        gradient_accumulation_steps=n_rounds,
        learning_rate=section.learning_rate,
        lr_scheduler_type=section.schedule,
        warmup_steps=section.warmup_share,  # below 1 it is a share, of which transformers takes the ceiling
        weight_decay=section.weight_decay,
        max_grad_norm=section.max_gradient_norm,
        optim="adamw_torch",
        bf16=dtype == "bfloat16",
        use_cpu=on_cpu,
        activation_checkpointing=section.gradient_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False},  # which alone works with frozen inputs
        deepspeed=section.deepspeed,
        save_steps=section.save_steps,
        save_total_limit=section.keep_checkpoints,
        logging_steps=section.log_steps,
        logging_first_step=True,
        logging_nan_inf_filter=False,  # it would put the last good loss in the place of one that is no number
        dataloader_num_workers=section.workers,
        dataloader_pin_memory=not on_cpu,
        remove_unused_columns=False,
        label_names=["labels"],
        ddp_find_unused_parameters=False,
        report_to="none",  # callbacks.py writes the metrics
        disable_tqdm=True,
        log_level="error",
        seed=seed,
    )


def device_batch(batch_size: int, at_once: int, n_devices: int) -> tuple[int, int]:
    """Return the rows at once on a device, and the rounds of accumulation that make a whole step of them.

    At most `at_once` rows, and the largest number that makes the step whole. Raises ConfigError where none does.

    >>> device_batch(128, 16, 4)
    (16, 2)
    >>> device_batch(6, 4, 1)
    (3, 2)
    """
    if batch_size % n_devices:
        raise ConfigError(
            f"batch_size is {batch_size}, and {n_devices} devices cannot share it. Expected a multiple of {n_devices}."
        )
    own = batch_size // n_devices
    on_device = next(n for n in range(min(at_once, own), 0, -1) if own % n == 0)
    return on_device, own // on_device
