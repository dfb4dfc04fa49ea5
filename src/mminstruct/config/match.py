"""The `match` section."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mminstruct.config.encoders import CaptionEncoder, EncoderConfig
from mminstruct.config.section import Section


class MatchConfig(Section):
    """Stage 3: instructions for each image. The paper does not publish its sampling rule: this one is our choice."""

    encoder: EncoderConfig = Field(default_factory=CaptionEncoder, description="what instruction and image meet in")
    per_image: int = Field(3, ge=1, description="different instructions for an image")
    sampling: Literal["softmax", "top_k", "random"] = Field(
        "softmax",
        description="softmax: drawn at random by similarity; top_k: the most similar ones; random: similarity is not "
        "looked at, for comparison",
    )
    temperature: float = Field(
        0.05, gt=0, le=100, description="of the softmax: low is nearly top_k, high is nearly blind chance"
    )
    max_per_instruction: int | None = Field(
        None, ge=1, description="images that an instruction may have; unset: any number, and a few will win most"
    )
    min_score: float | None = Field(None, ge=-1, le=1, description="lowest cosine similarity of a match")
