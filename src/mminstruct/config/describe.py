"""The `describe` section: a vision model writes, or checks, the descriptions that everything else rests on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mminstruct.config.llm import LlmConfig
from mminstruct.config.section import Section


class DescribeConfig(Section):
    """Before stage 1, off by default: a model that sees the images describes those whose captions say too little."""

    when: Literal["never", "short", "always"] = Field(
        "never",
        description="which images are described: none, those with fewer than `min_words` words of captions (none at "
        "all included), or every one",
    )
    min_words: int = Field(20, ge=1, description="words that the captions of an image must have together")
    check: bool = Field(
        False, description="ask whether the image shows what its description says, and reject it where it does not"
    )
    max_side: int = Field(768, ge=16, le=8192, description="pixels; a larger image is scaled down before it is sent")
    max_tokens: int | None = Field(None, ge=1, description="longest description; default: the prompt file's")
    temperature: float | None = Field(None, ge=0, description="of descriptions; default: the prompt file's")
    n_asks: int = Field(2, ge=1, description="asks for a reply, the first included, while it cannot be used")
    prompt: str | None = Field(None, description="a prompt template of your own")
    check_prompt: str | None = Field(None, description="a prompt template of your own, for the check")
    llm: LlmConfig | None = Field(None, description="keys that override the common llm: a model that sees images")

    @property
    def writes(self) -> bool:
        """Whether images may come without captions."""
        return self.when != "never"

    @property
    def is_on(self) -> bool:
        """Whether the stage is a part of the run."""
        return self.writes or self.check

    def wants(self, description: str) -> bool:
        """Tell whether an image with this description, the given captions joined, is to be described."""
        return self.when == "always" or (self.when == "short" and len(description.split()) < self.min_words)
