"""The whole config of a run: every section with its default."""

from __future__ import annotations

from collections import Counter
from typing import Self

from pydantic import Field, model_validator

from mminstruct import STAGES
from mminstruct.config.answers import AnswerConfig, ExemplarsConfig, SplitConfig
from mminstruct.config.budget import BudgetConfig
from mminstruct.config.describe import DescribeConfig
from mminstruct.config.encoders import EmbeddedTextEncoder, TextEncoderConfig
from mminstruct.config.engine import EngineConfig, LocalEngine
from mminstruct.config.filter import FilterConfig
from mminstruct.config.images import IntakeConfig, Source
from mminstruct.config.instructions import AugmentConfig, SummarizeConfig
from mminstruct.config.llm import LlmConfig
from mminstruct.config.match import MatchConfig
from mminstruct.config.section import Section

LLM_STAGES = ("describe", "augment", "summarize", "exemplars", "answer")
"""The stages with an `llm` and a `prompt` of their own; `RunConfig.llm_stages` are those of one run."""


class RunConfig(Section):
    """Everything that decides what a run does; written back to `config.yaml` in the run's folder."""

    run_dir: str = Field(description="the run's folder, made when missing")
    seed: int = Field(0, ge=0, description="the one seed of every random choice")
    images: list[Source] = Field(min_length=1, description="the captioned images: one entry a source")
    intake: IntakeConfig = Field(default_factory=IntakeConfig, description="what happens to bad input")
    llm: LlmConfig = Field(default_factory=lambda: LlmConfig(kind="embedded"), description="the common language model")
    embedder: TextEncoderConfig = Field(default_factory=EmbeddedTextEncoder, description="the sentence encoder")
    describe: DescribeConfig = Field(default_factory=DescribeConfig)
    augment: AugmentConfig = Field(default_factory=AugmentConfig)
    summarize: SummarizeConfig = Field(default_factory=SummarizeConfig)
    match: MatchConfig = Field(default_factory=MatchConfig)
    exemplars: ExemplarsConfig = Field(default_factory=ExemplarsConfig)
    answer: AnswerConfig = Field(default_factory=AnswerConfig)
    filter: FilterConfig = Field(default_factory=FilterConfig)
    split: SplitConfig = Field(default_factory=SplitConfig)
    budget: BudgetConfig = Field(default_factory=BudgetConfig, description="what the run may spend")
    replies: str = Field("replies", description="folder of the reply store; several runs may share it")
    engine: EngineConfig = Field(default_factory=LocalEngine, description="where per-row work runs")
    shard_size: int = Field(500, ge=1, description="images in one part of a table: the unit of resuming")

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages of this run in order: all but `describe`, which is there when it is switched on."""
        return tuple(stage for stage in STAGES if stage != "describe" or self.describe.is_on)

    @property
    def llm_stages(self) -> tuple[str, ...]:
        """Those of this run's stages that ask a language model."""
        asked = (stage for stage in self.stages if stage in LLM_STAGES)
        return tuple(stage for stage in asked if stage != "summarize" or self.summarize.method == "summary")

    def llm_for(self, stage: str) -> LlmConfig:
        """Return the language model of an LLM stage: the common one with the stage's own keys over it."""
        return self.llm.overridden_by(getattr(self, stage).llm)

    @model_validator(mode="after")
    def _check_across_sections(self) -> Self:
        faults = []
        for name, count in Counter(source.name for source in self.images).items():
            if count > 1:
                faults.append(f"images: {count} sources are called {name!r}; give each its own `name`")
        lacking: dict[tuple[str, ...], list[str]] = {}
        if self.describe.is_on and self.llm_for("describe").kind == "embedded":
            faults.append(
                "describe: the embedded model cannot see images; give `describe` an `llm` of its own that can "
                "(`kind: http`, `base_url`, `model`)"
            )
        for stage in self.llm_stages:
            if missing := self.llm_for(stage).missing_keys():
                lacking.setdefault(tuple(missing), []).append(stage)
        for keys, stages in lacking.items():
            needed = " and ".join(f"`{key}`" for key in keys)
            faults.append(
                f"llm: {needed} must be set for {', '.join(stages)} (in `llm` or in the stage's own `llm`); "
                "`llm: {kind: embedded}` is the built-in model"
            )
        beside = [stage for stage in self.llm_stages if self.llm_for(stage).kind == "vllm"]
        if beside and self.engine.kind != "ray":
            faults.append(
                f"llm: `kind: vllm` ({', '.join(beside)}) begins engines on a Ray cluster, found `engine: {{kind: "
                f"{self.engine.kind}}}`; expected `engine: {{kind: ray}}`, or an endpoint (`kind: http`, `base_url`)"
            )
        unpriced = [stage for stage in self.llm_stages if self.llm_for(stage).price_in_force is None]
        if self.budget.max_cost is not None and unpriced:
            faults.append(
                f"budget.max_cost: needs `price` in the `llm` of {', '.join(unpriced)}, for costs are never guessed"
            )
        if faults:
            raise ValueError("; ".join(faults))
        return self
