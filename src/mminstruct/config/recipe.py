"""A training recipe: the model's parts, the data, and both stages; the defaults are LLaVA-1.5's own numbers.

The numbers are those of `scripts/v1_5/{pretrain,finetune,finetune_lora}.sh` of haotian-liu/LLaVA.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from mminstruct.config.file import EACH, load_section
from mminstruct.config.section import Section

STAGES: tuple[Literal["pretrain", "finetune"], ...] = ("pretrain", "finetune")


class DataFile(Section):
    """Training rows in any format that `mminstruct validate` reads."""

    path: str = Field(description="the file, or an export's folder")
    image_root: str | None = Field(None, description="what image paths are relative to; default: the file's folder")


class ModelSection(Section):
    """What training begins with: a whole LLaVA, or a vision tower and a language model to be joined."""

    start: str | None = Field(None, description="a LLaVA: a folder or a hub's name")
    vision: str | None = Field(
        None, description="CLIP or SigLIP: a folder or a hub's name; `random`: a tiny tower to try the chain with"
    )
    language: str | None = Field(
        None, description="a causal language model: a folder, a hub's name, a *.gguf file, or `embedded`"
    )

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        if self.start and (self.vision or self.language):
            raise ValueError("give `start`, or `vision` and `language`, not both")
        if not self.start and not (self.vision and self.language):
            raise ValueError("`start` is missing, or both `vision` and `language`")
        return self


class StageSection(Section):
    """What both stages have."""

    data: list[DataFile] = Field(min_length=1, description="the training rows")
    held_out: list[DataFile] = Field(default_factory=list, description="rows to measure the loss on and never train on")
    held_out_share: float = Field(0.0, ge=0, lt=1, description="share of the images whose rows are held out of `data`")
    template: Literal["plain", "v1"] = Field(description="plain: an image and its caption; v1: a dialogue")
    epochs: float = Field(1.0, gt=0, description="how often each row is seen")
    learning_rate: float = Field(gt=0, description="the highest, after the warm-up")
    projector_learning_rate: float | None = Field(None, gt=0, description="the projector's own; unset: the same")
    batch_size: int = Field(ge=1, description="rows in one optimiser step, over all devices")
    device_batch_size: int = Field(16, ge=1, description="rows at once on one device; the rest is accumulated")
    max_tokens: int = Field(2048, ge=16, description="longest row, its image's tokens counted")
    too_long: Literal["truncate", "leave_out"] = Field("truncate", description="what happens to longer rows")
    warmup_share: float = Field(0.03, ge=0, lt=1, description="share of the steps in which the learning rate rises")
    schedule: Literal["cosine", "linear", "constant_with_warmup"] = Field("cosine", description="how it falls")
    weight_decay: float = Field(0.0, ge=0, description="of AdamW")
    max_gradient_norm: float = Field(1.0, ge=0, description="larger gradients are scaled down to it; 0: never")
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="auto: bfloat16 on a GPU")
    gradient_checkpointing: bool = Field(True, description="compute activations twice rather than keep them")
    deepspeed: str | None = Field(None, description="a DeepSpeed config, for several GPUs")
    check_images: bool = Field(True, description="decode every image before training; else it has to be there")
    max_bad_share: float = Field(
        0.01, ge=0, le=1, description="with a larger share of bad rows training stops before it begins"
    )
    workers: int = Field(4, ge=0, description="processes that prepare images; 0: the training process itself")
    save_steps: int = Field(500, ge=1, description="steps between checkpoints")
    keep_checkpoints: int = Field(1, ge=1, description="checkpoints that stay on disk")
    log_steps: int = Field(1, ge=1, description="steps between two lines of metrics")

    @model_validator(mode="after")
    def _check_held_out(self) -> Self:
        if self.held_out and self.held_out_share:
            raise ValueError("give `held_out` or `held_out_share`, not both")
        return self


class PretrainSection(StageSection):
    """Feature alignment: the projector alone learns."""

    template: Literal["plain", "v1"] = Field("plain", description="plain: an image and its caption; v1: a dialogue")
    learning_rate: float = Field(1e-3, gt=0, description="the highest, after the warm-up")
    batch_size: int = Field(256, ge=1, description="rows in one optimiser step, over all devices")


class LoraSection(Section):
    """Low-rank adapters on every linear layer of the language model."""

    rank: int = Field(128, ge=1, description="of each adapter")
    alpha: int = Field(256, ge=1, description="adapters count alpha / rank times")
    dropout: float = Field(0.05, ge=0, lt=1, description="of what goes into an adapter")


class FinetuneSection(StageSection):
    """Visual instruction tuning: language model and projector learn, or adapters and projector."""

    template: Literal["plain", "v1"] = Field("v1", description="plain: an image and its caption; v1: a dialogue")
    learning_rate: float = Field(2e-5, gt=0, description="the highest, after the warm-up; with `lora` 2e-4 if unset")
    batch_size: int = Field(128, ge=1, description="rows in one optimiser step, over all devices")
    lora: LoraSection | None = Field(None, description="train adapters in place of the whole language model")

    @model_validator(mode="before")
    @classmethod
    def _lora_rates(cls, values: object) -> object:
        """With LoRA, what is unset has the rates of `finetune_lora.sh`."""
        if isinstance(values, dict) and values.get("lora") is not None:
            return {"learning_rate": 2e-4, "projector_learning_rate": 2e-5, **values}
        return values


class Recipe(Section):
    """All that decides a trained model; written into its folder."""

    out: str = Field(description="the folder that everything is written to")
    seed: int = Field(0, ge=0, description="of the new projector, the order of the rows, and dropout")
    device: Literal["auto", "cpu"] = Field("auto", description="auto: a GPU where there is one")
    model: ModelSection = Field(description="what training begins with")
    pretrain: PretrainSection | None = Field(None, description="left out: the stage is skipped")
    finetune: FinetuneSection | None = Field(None, description="left out: the stage is skipped")

    @model_validator(mode="after")
    def _check_stages(self) -> Self:
        if not self.stages:
            raise ValueError("there is no stage to train: give `pretrain`, `finetune`, or both")
        return self

    @property
    def stages(self) -> dict[str, StageSection]:
        """The stages of this recipe by their name, in order."""
        sections = {"pretrain": self.pretrain, "finetune": self.finetune}
        return {name: section for name, section in sections.items() if section is not None}


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe. Paths in it are relative to the file, paths in overrides to the current folder.

    Raises ConfigError, which lists every fault with file, line and column.
    """
    files = [
        (stage, data, EACH, key) for stage in STAGES for data in ("data", "held_out") for key in ("path", "image_root")
    ]
    configs = [(stage, "deepspeed") for stage in STAGES]
    models = [("model", key) for key in ("start", "vision", "language")]
    return load_section(Recipe, path, overrides, [("out",), *files, *configs], models)
