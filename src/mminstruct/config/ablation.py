"""An ablation: one run, one recipe, and the variants of the run's data that models are trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from mminstruct.config.budget import BudgetConfig
from mminstruct.config.file import load_section
from mminstruct.config.llm import LlmConfig
from mminstruct.config.section import Section

VariantKind = Literal["all", "unfiltered", "random_match", "no_summary"]

# A variant's run has its own folder, the common replies, and holds nothing out: the benchmark is the base run's.
_NOT_OVERRIDDEN = ("run_dir", "replies", "split")


class Variant(Section):
    """One way to make the training data."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="in the table and in file names: letters, digits, . _ -"
    )
    kind: VariantKind = Field(
        "all",
        description="all: the run's data as they are; unfiltered: without the filter's rules; random_match: "
        "instructions drawn without a look at the image; no_summary: instructions as they were first written",
    )
    n_samples: int | None = Field(None, ge=1, description="so many of the samples, drawn at random; unset: all")
    overrides: tuple[str, ...] = Field((), description="keys of the run's config to change: `match.per_image=2`")

    @field_validator("overrides")
    @classmethod
    def _check_overrides(cls, overrides: tuple[str, ...]) -> tuple[str, ...]:
        for override in overrides:
            if override.partition("=")[0].strip().split(".")[0] in _NOT_OVERRIDDEN:
                raise ValueError(f"{override}: {', '.join(_NOT_OVERRIDDEN)} are the same for all variants")
        return overrides

    @property
    def is_the_run(self) -> bool:
        """Whether its data are those of the run itself, so that no run of its own is needed."""
        return self.kind == "all" and not self.overrides


class AblationConfig(Section):
    """The same recipe on variants of one run's data."""

    run: str = Field(description="the run: the folder of a finished one, or its config")
    out: str = Field(description="the folder that everything is written to")
    recipe: str = Field(description="the training recipe; its `out` and the data of its stage `finetune` are replaced")
    seed: int = Field(0, ge=0, description="of the draw of `n_samples`, and of the training unless `seeds` are given")
    seeds: tuple[int, ...] = Field((), description="train each variant with each of these; the first one is judged")
    variants: tuple[Variant, ...] = Field(min_length=2, description="the first is what the others are compared with")
    bench: str | None = Field(None, description="a benchmark folder; unset: what the run holds out")
    max_answer_tokens: int = Field(1024, ge=1, description="longest answer to a question of the benchmark")
    answer_batch_size: int = Field(1, ge=1, description="questions that a trained model answers at once")
    judge: LlmConfig | None = Field(None, description="the language model that compares the answers; unset: nobody")
    judge_text_only: bool = Field(False, description="show the judge the captions in place of the images")
    n_traps: int = Field(10, ge=0, description="trap pairs of each kind that the judge is tried on")
    budget: BudgetConfig = Field(default_factory=BudgetConfig, description="what the judge may spend")

    @property
    def training_seeds(self) -> tuple[int, ...]:
        """The seeds that each variant is trained with."""
        return self.seeds or (self.seed,)

    @model_validator(mode="after")
    def _check_across_keys(self) -> Self:
        faults = [
            f"variants: {count} are called {name!r}; give each a name of its own"
            for name, count in Counter(variant.name for variant in self.variants).items()
            if count > 1
        ]
        if len(set(self.seeds)) < len(self.seeds) or any(seed < 0 for seed in self.seeds):
            faults.append(f"seeds: found {list(self.seeds)}; expected different numbers from 0 on")
        if self.judge is not None:
            if self.judge.kind == "vllm":
                faults.append("judge: found `kind: vllm`, which only a run on Ray has; expected an endpoint")
            if missing := self.judge.missing_keys():
                faults.append(f"judge: {' and '.join(f'`{key}`' for key in missing)} must be set")
            if self.budget.max_cost is not None and self.judge.price_in_force is None:
                faults.append("budget.max_cost: needs `price` in `judge`, for costs are never guessed")
        if faults:
            raise ValueError("; ".join(faults))
        return self


def load_ablation(path: Path, overrides: Sequence[str] = ()) -> AblationConfig:
    """Read an ablation. Paths in it are relative to the file, paths in overrides to the current folder.

    Raises ConfigError, which lists every fault with file, line and column.
    """
    keys = [("run",), ("out",), ("recipe",), ("bench",)]
    return load_section(AblationConfig, path, overrides, keys)
