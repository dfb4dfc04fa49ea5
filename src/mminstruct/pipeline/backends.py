"""Opens what the stages need from outside: language models, encoders, prompts; each once, when first asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType

from mminstruct.config.encoders import CaptionEncoder
from mminstruct.config.run import RunConfig
from mminstruct.encoders.image_text import ImageTextEncoder, load_image_text_encoder
from mminstruct.encoders.kept import KeptImageEncoder, keep_images, keep_texts, vector_folder
from mminstruct.encoders.protocols import TextEncoder
from mminstruct.encoders.text import load_text_encoder
from mminstruct.llm.models import LanguageModels, StageChat
from mminstruct.llm.store.remote import Replies
from mminstruct.prompts.template import Prompt, PromptName, load_prompt
from mminstruct.readers.seeds import load_seeds
from mminstruct.rows import Seed
from mminstruct.stages.filter import AnswerFilter

_PROMPT_NAMES: dict[str, PromptName] = {
    "describe": "describe",
    "augment": "augment",
    "summarize": "summarize",
    "exemplars": "exemplar",
    "answer": "answer",
}


class Backends:
    """The outside of one run. Use as an asynchronous context manager: it stops servers and closes files at its end."""

    def __init__(self, config: RunConfig, run_id: str = "", replies: Replies | None = None) -> None:
        self._config = config
        self._keeps_vectors = replies is None  # a file of vectors is for the processes of one machine
        self._stack = ExitStack()
        self.models = LanguageModels(Path(config.replies), run_id, config.budget, replies)

    async def __aenter__(self) -> Backends:
        await self.models.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        await self.models.__aexit__(kind, error, trace)

    async def chat(self, stage: str, told: Callable[[str], None]) -> StageChat:
        """Return the stage's language model, with a usage count of its own; `told` hears of batches that take long."""
        return await self.models.chat(self._config.llm_for(stage), stage, told)

    def check(self, stages: Sequence[str]) -> None:
        """Load what these stages need and can lack (packages, model folders, prompts), before anything is asked."""
        for stage in set(stages) & set(_PROMPT_NAMES):
            self.prompt(stage)
        if "describe" in stages:
            _ = self.check_prompt
        if {"summarize", "answer", "filter", "split"} & set(stages):
            _ = self.text_encoder
        if "match" in stages:
            _ = self.image_text_encoder or self.text_encoder
        if "filter" in stages:
            AnswerFilter(self._config.filter)

    def prompt(self, stage: str) -> Prompt:
        """Return the stage's prompt, in the style that suits its language model, or the user's own."""
        override = getattr(self._config, stage).prompt
        return load_prompt(_PROMPT_NAMES[stage], self._config.llm_for(stage).prompt_style, override)

    @cached_property
    def check_prompt(self) -> Prompt:
        """The second prompt of the stage describe."""
        return load_prompt("check_description", override=self._config.describe.check_prompt)

    @cached_property
    def seeds(self) -> list[Seed]:
        """The seed instructions."""
        return load_seeds(self._config.augment.seeds)

    @cached_property
    def text_encoder(self) -> TextEncoder:
        """The sentence encoder, for texts that are asked about once."""
        return load_text_encoder(self._config.embedder)

    @cached_property
    def kept_text_encoder(self) -> TextEncoder:
        """The sentence encoder, for texts that come again: their vectors are kept beside the replies."""
        if not self._keeps_vectors:
            return self.text_encoder
        kept = keep_texts(self.text_encoder, self._config.embedder, self._vector_folder)
        self._stack.callback(kept.close)
        return kept

    @cached_property
    def image_text_encoder(self) -> KeptImageEncoder | ImageTextEncoder | None:
        """The encoder of the match, or None where the match is with descriptions (`encoder: {kind: caption}`)."""
        encoder = self._config.match.encoder
        if isinstance(encoder, CaptionEncoder):
            return None
        loaded = load_image_text_encoder(encoder)
        if not self._keeps_vectors:
            return loaded
        kept = keep_images(loaded, encoder, self._vector_folder)
        self._stack.callback(kept.close)
        return kept

    @property
    def _vector_folder(self) -> Path:
        return vector_folder(self._config.replies)
