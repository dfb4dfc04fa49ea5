"""The `filter` section: which rules judge the answers, and every threshold."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from mminstruct.config.section import Section

RuleName = Literal[
    "empty_answer",
    "truncated_answer",
    "refusal",
    "cannot_see",
    "source_leak",
    "prompt_echo",
    "role_marker",
    "placeholder",
    "too_short",
    "too_long",
    "repetition",
    "wrong_language",
    "off_topic",
    "near_duplicate_answer",
]


class FilterConfig(Section):
    """Stage 6: named rules drop the answers that should teach nobody anything."""

    skip: tuple[RuleName, ...] = Field((), description="rules that are switched off")
    min_words: int = Field(4, ge=1, description="shortest answer")
    min_words_short_form: int = Field(
        1, ge=1, description="shortest answer where a title, slogan, single word or the like is asked for"
    )
    max_words: int = Field(1000, ge=1, description="longest answer")
    max_copied_share: float = Field(
        0.6, gt=0, le=1, description="an answer echoes when more of its five-word runs stand in the description"
    )
    max_copied_words: int = Field(40, ge=8, description="or when a longer run of words stands in it word for word")
    max_repeats: int = Field(3, ge=1, description="how often the same words may follow on themselves")
    max_repetition: float = Field(0.45, gt=0, le=1, description="share of four-word runs that stood earlier already")
    language: str | None = Field("en", description="ISO 639-1 code that answers are held to; null: any language")
    min_language_words: int = Field(10, ge=1, description="shorter texts are not judged by their language")
    min_language_confidence: float = Field(0.8, gt=0, le=1, description="how sure of another language it must be")
    max_foreign_share: float = Field(0.3, ge=0, le=1, description="share of words that may be in another language")
    min_description_similarity: float = Field(
        0.12, ge=-1, le=1, description="cosine of answer and description; lower is off topic where words differ too"
    )
    min_shared_words: int = Field(2, ge=0, description="an answer with so many of the description's words is on topic")
    words_per_shared_word: int = Field(
        15, ge=1, description="one of them is asked for in so many words; shorter answers are never off topic"
    )
    near_duplicate_similarity: float = Field(
        0.7, gt=0, le=1, description="Jaccard similarity of words and word pairs from which an answer is a near copy"
    )
    near_duplicate_min_words: int = Field(15, ge=1, description="shorter answers may repeat each other")

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        if self.min_words > self.max_words:
            raise ValueError(f"min_words is {self.min_words}, over max_words, which is {self.max_words}")
        return self
