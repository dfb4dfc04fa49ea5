"""The `augment` and `summarize` sections."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mminstruct.config.llm import LlmConfig
from mminstruct.config.section import Section


class AugmentConfig(Section):
    """Stage 1: new instructions from descriptions and a few seed instructions."""

    n_instructions: int = Field(400, ge=1, description="instructions to ask for (the paper: about 50,000)")
    shots: int = Field(3, ge=0, description="seed instructions in each prompt, drawn at random")
    seeds: str | None = Field(None, description="seed instructions of your own: .yaml, .jsonl, or text, one a line")
    max_words: int = Field(40, ge=3, description="a longer instruction is rejected")
    near_copy_similarity: float = Field(
        0.7, gt=0, le=1, description="an instruction at this word overlap or more with a seed or another is rejected"
    )
    temperature: float | None = Field(None, ge=0, description="default: the prompt file's")
    max_tokens: int | None = Field(None, ge=1, description="longest reply; default: the prompt file's")
    prompt: str | None = Field(None, description="a prompt template of your own")
    llm: LlmConfig | None = Field(None, description="keys that override the common llm")


class SummarizeConfig(Section):
    """Stage 2: one general instruction for each cluster of instructions, without duplicates and over-specific ones."""

    method: Literal["summary", "raw"] = Field(
        "summary",
        description="summary: the language model writes it; raw: the instruction nearest to the cluster's centre stays "
        "as it is, for comparison",
    )
    n_clusters: int = Field(300, ge=1, description="clusters; fewer remain after merging (the paper: about 300)")
    n_members: int = Field(8, ge=1, description="members nearest to the centre that the language model sees")
    max_words: int = Field(30, ge=3, description="a longer instruction is rejected")
    min_image_share: float = Field(
        0.05, ge=0, le=1, description="an instruction that names a thing is kept if so many descriptions name it"
    )
    merge_similarity: float = Field(
        0.85, gt=0, le=1, description="instructions at this cosine or more, or word overlap, become one"
    )
    attempts: int = Field(2, ge=1, description="tries of a cluster whose reply cannot be used")
    temperature: float | None = Field(None, ge=0, description="default: the prompt file's")
    max_tokens: int | None = Field(None, ge=1, description="longest reply; default: the prompt file's")
    prompt: str | None = Field(None, description="a prompt template of your own")
    llm: LlmConfig | None = Field(None, description="keys that override the common llm")
