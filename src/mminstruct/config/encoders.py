"""Which encoders are used: `embedder` (sentences) and `match.encoder` (instructions and images)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mminstruct.config.section import Section

_DEVICE = "where torch computes: `auto` (a GPU if there is one), `cpu`, `cuda`, `cuda:1`, `mps`"


class EmbeddedTextEncoder(Section):
    """all-MiniLM-L6-v2 out of a package, computed with numpy: no torch, no GPU, no download."""

    kind: Literal["embedded"] = "embedded"


class TransformersTextEncoder(Section):
    """A sentence encoder that transformers can load, with mean pooling (all-mpnet-base-v2, E5, GTE, …)."""

    kind: Literal["transformers"] = "transformers"
    model: str = Field(min_length=1, description="a folder, or a name on the Hugging Face hub")
    batch_size: int = Field(64, ge=1, description="texts that are encoded at once")
    device: str = Field("auto", min_length=1, description=_DEVICE)


TextEncoderConfig = Annotated[EmbeddedTextEncoder | TransformersTextEncoder, Field(discriminator="kind")]


class CaptionEncoder(Section):
    """Matches an instruction with the image's description, through the sentence encoder; sees no image."""

    kind: Literal["caption"] = "caption"


class ClipEncoder(Section):
    """Matches an instruction with the image itself, through CLIP or SigLIP."""

    kind: Literal["clip"] = "clip"
    model: str = Field(min_length=1, description="a CLIP or SigLIP: a folder, or a name on the Hugging Face hub")
    batch_size: int = Field(32, ge=1, description="images or texts that are encoded at once")
    device: str = Field("auto", min_length=1, description=_DEVICE)


EncoderConfig = Annotated[CaptionEncoder | ClipEncoder, Field(discriminator="kind")]
