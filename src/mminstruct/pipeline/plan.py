"""What a run would ask and cost, from its config and captions alone: no request, no image opened.

Prompts are rendered for real with the run's own descriptions and seeds. How long replies are is taken from what the
reply store has seen of the same stage and model. Where it has seen too little, that is an assumption, as is the share
of rows that a stage rejects; the table says which is which.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import mean

from mminstruct.config.describe import DescribeConfig
from mminstruct.config.llm import LlmConfig, PromptStyle
from mminstruct.config.run import RunConfig
from mminstruct.llm.chat import Request
from mminstruct.llm.embedded import MODEL_NAME
from mminstruct.llm.store.file import NAME as STORE_NAME
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.pipeline.backends import Backends
from mminstruct.readers.records import CaptionRecord, join_captions
from mminstruct.readers.sources import check_source, read_source
from mminstruct.rows import Exemplar

CHARACTERS_PER_TOKEN = 4.4  # English prose under common tokenizers
_N_TRIED = 50  # descriptions that prompts are rendered with
_KEPT = 0.8  # share of instructions that survive augment, and of clusters that survive merging

# Tokens of a reply. Small: the embedded model's, measured on the demo; standard: an assumption. What the reply store
# has seen of the same stage and model goes before both.
_REPLY_TOKENS: Mapping[PromptStyle, Mapping[str, float]] = {
    "standard": {"augment": 24, "summarize": 19, "exemplars": 200, "answer": 200},
    "small": {"augment": 15, "summarize": 17, "exemplars": 144, "answer": 149},
}
DESCRIPTION_TOKENS = 230
_CHECK_TOKENS = 27
_ENOUGH_SEEN = 20  # requests in the store, to be believed more than an assumption
_PIXELS_PER_TOKEN = 28 * 28  # of an image: Qwen2-VL's (arXiv 2409.12191); other models differ widely
_SIDES = 4 / 3  # assumed shape of an image as it is sent
_TO_COME = "x" * round(DESCRIPTION_TOKENS * CHARACTERS_PER_TOKEN)  # a description not yet written


@dataclass(frozen=True, slots=True)
class StagePlan:
    """What one stage is expected to take; `cost` is None where no price is given."""

    stage: str
    n_rows: int
    n_requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    model: str = ""
    seen: bool = False  # replies' lengths are those that the store has seen; else they are assumed


def make_plan(config: RunConfig) -> list[StagePlan]:
    """Return the plan, one entry a stage. Raises SourceError where a source cannot be read."""
    for source in config.images:
        check_source(source)
    records = (
        record
        for record in chain.from_iterable(read_source(source) for source in config.images)
        if isinstance(record, CaptionRecord)
    )
    return Planner(config, Captions(records, config.describe)).stages()


class Captions:
    """What is to be known of all captions: how many images, which of them are described, and some examples."""

    def __init__(self, records: Iterable[CaptionRecord], config: DescribeConfig) -> None:
        self.n_images = self.n_wanted = 0
        self.wanted: list[str] = []  # examples of captions that are too short
        self.descriptions: list[str] = []  # examples of what later stages are shown
        for record in records:
            caption = join_captions(record.captions)
            is_wanted = config.wants(caption)
            if self.n_images < _N_TRIED:
                self.descriptions.append(_TO_COME if is_wanted else caption)
            if is_wanted and len(self.wanted) < _N_TRIED:
                self.wanted.append(caption)
            self.n_images += 1
            self.n_wanted += is_wanted


class Planner:
    """Renders each stage's prompt with real descriptions to see how long it is, and multiplies."""

    def __init__(self, config: RunConfig, captions: Captions) -> None:
        self._config = config
        self._captions = captions
        self._descriptions = captions.descriptions or [""]
        self._backends = Backends(config)
        self._seen = _seen(config)
        self._lengths: dict[str, float] = {}  # mean characters of a stage's prompt

    def stages(self, n_images: int | None = None) -> list[StagePlan]:
        """Return the plan, one entry a stage; for `n_images` where they are not those of the captions."""
        config = self._config
        n_images = self._captions.n_images if n_images is None else n_images
        n_raw = config.augment.n_instructions
        n_clusters = min(config.summarize.n_clusters, n_raw)
        n_instructions = round(n_clusters * _KEPT)
        per_image = min(config.match.per_image, n_instructions)
        cap = config.match.max_per_instruction
        n_matches = min(n_images * per_image, n_instructions * cap) if cap else n_images * per_image
        return [
            StagePlan("images", n_images),
            *([self._describe(n_images)] if config.describe.is_on else []),
            self._stage("augment", n_raw, n_raw),
            self._stage("summarize", n_instructions, n_clusters)
            if config.summarize.method == "summary"
            else StagePlan("summarize", n_instructions),
            StagePlan("match", n_matches),
            self._stage("exemplars", n_instructions * config.exemplars.per_instruction),
            self._stage("answer", n_matches),
            StagePlan("filter", n_matches),
            StagePlan("split", n_matches),
        ]

    def _stage(self, stage: str, n_rows: int, n_requests: int | None = None) -> StagePlan:
        """Return the plan of an LLM stage; one request a row unless told otherwise."""
        n_requests = n_rows if n_requests is None else n_requests
        if stage not in self._lengths:
            prompt = self._backends.prompt(stage)
            self._lengths[stage] = mean(
                [_length(prompt.render(self._variables(stage, text))) for text in self._descriptions]
            )
        prompt_tokens = n_requests * self._lengths[stage] / CHARACTERS_PER_TOKEN
        return self._plan(stage, n_rows, n_requests, prompt_tokens, n_requests * self._reply_tokens(stage))

    def _describe(self, n_images: int) -> StagePlan:
        """Return the plan of the stage that sees images: those wanted are described, and all are checked if at all."""
        config, captions = self._config.describe, self._captions
        n_wanted = round(n_images * captions.n_wanted / captions.n_images) if captions.n_images else 0
        n_checked = n_images if config.check else 0
        if "describe" not in self._lengths:
            write, check = self._backends.prompt("describe"), self._backends.check_prompt
            self._lengths["describe"] = mean(
                [_length(write.render({"caption": text})) for text in captions.wanted or [""]]
            )
            self._lengths["check"] = mean([_length(check.render({"description": text})) for text in self._descriptions])
        n_characters = n_wanted * self._lengths["describe"] + n_checked * self._lengths["check"]
        n_tokens = n_characters / CHARACTERS_PER_TOKEN + (n_wanted + n_checked) * picture_tokens(config.max_side)
        reply_tokens = n_wanted * DESCRIPTION_TOKENS + n_checked * _CHECK_TOKENS
        return self._plan("describe", n_images, n_wanted + n_checked, n_tokens, reply_tokens)

    def _reply_tokens(self, stage: str) -> float:
        """Return the mean length of a reply, seen or assumed."""
        return self._seen.get(stage) or _REPLY_TOKENS[self._config.llm_for(stage).prompt_style][stage]

    def _plan(self, stage: str, n_rows: int, n_requests: int, n_prompt_tokens: float, reply_tokens: float) -> StagePlan:
        llm = self._config.llm_for(stage)
        prompt_tokens, completion_tokens = round(n_prompt_tokens), round(reply_tokens)
        price = llm.price_in_force
        cost = None if price is None else price.cost(prompt_tokens, completion_tokens)
        seen = stage in self._seen
        return StagePlan(stage, n_rows, n_requests, prompt_tokens, completion_tokens, cost, _model(llm), seen)

    def _variables(self, stage: str, description: str) -> dict[str, object]:
        seeds = [seed.instruction for seed in self._backends.seeds]
        instruction = seeds[0]
        if stage == "augment":
            shown = seeds[: self._config.augment.shots]
            return {"description": description, "seeds": shown, "max_words": self._config.augment.max_words}
        if stage == "summarize":
            n_members = min(
                self._config.summarize.n_members,
                max(1, self._config.augment.n_instructions // self._config.summarize.n_clusters),
            )
            members = (seeds * n_members)[:n_members]
            return {"members": members, "masked": members, "max_words": self._config.summarize.max_words}
        if stage == "exemplars":
            return {"description": description, "instruction": instruction}
        written = "x" * round(self._reply_tokens("exemplars") * CHARACTERS_PER_TOKEN)
        exemplar = Exemplar("", "", "", description, instruction, written, "", "")
        return {
            "description": description,
            "instruction": instruction,
            "exemplars": [exemplar] * self._config.answer.shots,
        }


def _model(llm: LlmConfig) -> str:
    return llm.model or MODEL_NAME


def _seen(config: RunConfig) -> dict[str, float]:
    """Return the mean tokens of the replies that the store has seen, by stage; not of those that it has seen little."""
    folder = Path(config.replies)
    if not (folder / STORE_NAME).exists():
        return {}
    with ReplyStore(folder, create=False) as store:
        means = {stage: store.mean_tokens(stage, _model(config.llm_for(stage))) for stage in config.llm_stages}
    return {
        stage: mean_tokens.completion
        for stage, mean_tokens in means.items()
        if mean_tokens is not None and mean_tokens.n_requests >= _ENOUGH_SEEN
    }


def picture_tokens(max_side: int) -> float:
    """Return the tokens that an image takes in a prompt, assumed."""
    return max_side * max_side / _SIDES / _PIXELS_PER_TOKEN


def _length(request: Request) -> int:
    return len(request.prompt) + sum(len(message.content) for message in request.messages)
