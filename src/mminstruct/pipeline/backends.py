"""Opens what the stages need from outside: language models, encoders, prompts; each once, when first asked for."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType

import aiohttp

from mminstruct.config.encoders import CaptionEncoder
from mminstruct.config.llm import LlmConfig
from mminstruct.config.run import RunConfig
from mminstruct.encoders.image_text import ImageTextEncoder, load_image_text_encoder
from mminstruct.encoders.protocols import TextEncoder
from mminstruct.encoders.text import load_text_encoder
from mminstruct.llm.client import Endpoint, HttpChat
from mminstruct.llm.embedded import N_SLOTS, EmbeddedServer
from mminstruct.llm.replies import ReplyStore
from mminstruct.prompts.template import Prompt, PromptName, load_prompt
from mminstruct.readers.seeds import load_seeds
from mminstruct.rows import Seed
from mminstruct.stages.filter import AnswerFilter

_PROMPT_NAMES: dict[str, PromptName] = {
    "augment": "augment",
    "summarize": "summarize",
    "exemplars": "exemplar",
    "answer": "answer",
}


class Backends:
    """The outside of one run. Use as an asynchronous context manager: it stops servers and closes files at its end."""

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._stack = AsyncExitStack()
        self._store: ReplyStore | None = None
        self._session: aiohttp.ClientSession | None = None
        self._embedded: EmbeddedServer | None = None

    async def __aenter__(self) -> Backends:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def chat(self, stage: str) -> HttpChat:
        """Return the stage's language model, with a usage count of its own."""
        llm = self._config.llm_for(stage)
        if self._store is None:
            self._store = self._stack.enter_context(ReplyStore(Path(self._config.replies)))
        if self._session is None:
            # No limit: each client bounds its own requests. Idle connections are dropped before the usual server drops
            # them (after 5 s in uvicorn, so in vLLM, and in llama.cpp), which a request in that moment would pay for.
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=4)
            self._session = await self._stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        return HttpChat(await self._endpoint(llm), self._store, self._session)

    async def _endpoint(self, llm: LlmConfig) -> Endpoint:
        if llm.kind == "embedded":
            if self._embedded is None:
                server = EmbeddedServer()
                self._embedded = await asyncio.to_thread(self._stack.enter_context, server)
            base_url, model = self._embedded.base_url, self._embedded.model
            concurrency = min(llm.concurrency, N_SLOTS)  # more would only wait in its queue, and time out there
        else:
            assert llm.addresses and llm.model is not None, "checked when the config was read"
            base_url, model, concurrency = llm.addresses[0], llm.model, llm.concurrency
        return Endpoint(
            base_url=base_url,
            model=model,
            api_key=os.environ.get(llm.api_key_env) if llm.api_key_env else None,
            concurrency=concurrency,
            timeout_s=llm.timeout_s,
            max_tries=llm.max_tries,
            parameters=llm.parameters,
        )

    def check(self, stages: Sequence[str]) -> None:
        """Load what these stages need and can lack (packages, model folders, prompts), before anything is asked."""
        for stage in set(stages) & set(_PROMPT_NAMES):
            self.prompt(stage)
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
    def seeds(self) -> list[Seed]:
        """The seed instructions."""
        return load_seeds(self._config.augment.seeds)

    @cached_property
    def text_encoder(self) -> TextEncoder:
        """The sentence encoder."""
        return load_text_encoder(self._config.embedder)

    @cached_property
    def image_text_encoder(self) -> ImageTextEncoder | None:
        """The encoder of the match, or None where the match is with descriptions (`encoder: {kind: caption}`)."""
        encoder = self._config.match.encoder
        return None if isinstance(encoder, CaptionEncoder) else load_image_text_encoder(encoder)
