"""The `exemplars`, `answer` and `split` sections."""

from __future__ import annotations

from pydantic import Field

from mminstruct.config.llm import LlmConfig
from mminstruct.config.section import Section


class ExemplarsConfig(Section):
    """Stage 4: the stronger model writes a few example answers for each instruction."""

    per_instruction: int = Field(2, ge=0, description="example answers for each instruction")
    attempts: int = Field(3, ge=1, description="tries of an example answer that breaks a filter rule")
    max_tokens: int | None = Field(None, ge=1, description="longest example answer; default: the prompt file's")
    temperature: float | None = Field(None, ge=0, description="default: the prompt file's")
    prompt: str | None = Field(None, description="a prompt template of your own")
    llm: LlmConfig | None = Field(None, description="keys that override the common llm: the stronger model")


class AnswerConfig(Section):
    """Stage 5: the open model answers every match, with example answers in its context."""

    shots: int = Field(2, ge=0, description="example answers in each prompt")
    max_tokens: int | None = Field(None, ge=1, description="longest answer; default: the prompt file's")
    temperature: float | None = Field(None, ge=0, description="default: the prompt file's")
    prompt: str | None = Field(None, description="a prompt template of your own")
    llm: LlmConfig | None = Field(None, description="keys that override the common llm")


class SplitConfig(Section):
    """Stage 7: what is held out of training for the benchmark (the paper: 33 instructions with 3 images each)."""

    n_instructions: int = Field(33, ge=0, description="instructions to hold out")
    images_per_instruction: int = Field(3, ge=1, description="images for each of them, all different")
    near_duplicate_similarity: float = Field(
        0.9, gt=0, le=1, description="an instruction at this cosine or more to a held-out one leaves training too"
    )
