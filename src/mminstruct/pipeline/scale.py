"""What a run of any number of images takes, without reading them: the config's plan times rates.

    config ─► prompts as long as they really are ─► requests, tokens ─┐
    rates.yaml ─► seconds, bytes of one image, request or row ────────┴─► hours, storage, memory at n images

Where the config's captions can be read, the first of them give the lengths, the sources in turns; else descriptions are
assumed to be as long as the `describe` stage's. What a stage does part by part on one process is its driver hours; what
any number of cores or GPUs can share is apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from statistics import mean

from mminstruct.config.encoders import ClipEncoder
from mminstruct.config.images import Source
from mminstruct.config.rates import Rates
from mminstruct.config.run import RunConfig
from mminstruct.errors import SourceError
from mminstruct.pipeline.plan import (
    CHARACTERS_PER_TOKEN,
    DESCRIPTION_TOKENS,
    Captions,
    Planner,
    StagePlan,
    picture_tokens,
)
from mminstruct.readers.records import CaptionRecord
from mminstruct.readers.sources import check_source, read_source

_N_READ = 1000  # captions of each source that are looked at
_WORD = "word "
_WITHOUT_CAPTIONS = _WORD * round(DESCRIPTION_TOKENS * CHARACTERS_PER_TOKEN / len(_WORD))
_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class StageScale:
    """What one stage takes."""

    plan: StagePlan
    cpu_hours: float = 0.0  # of one core; shared by as many as there are
    driver_hours: float = 0.0  # of one process
    gpu_hours: tuple[float, float] = (0.0, 0.0)  # with a small and with a large language model


@dataclass(frozen=True, slots=True)
class Stored:
    """What one table, or another part of a run, takes on disk."""

    name: str
    n_rows: int
    n_bytes: float
    n_files: int


@dataclass(frozen=True, slots=True)
class Scale:
    """A run of `n_images`, whole."""

    n_images: int
    stages: tuple[StageScale, ...]
    stored: tuple[Stored, ...]
    picture_bytes: float  # of the image files, which stay where they are
    memory: dict[str, float]  # bytes that the driver holds in a stage that keeps something of every row

    def stage(self, name: str) -> StageScale:
        """Return a stage by its name."""
        return next(stage for stage in self.stages if stage.plan.stage == name)

    def bytes_of(self, name: str) -> float:
        """Return what a part of the run takes on disk; nothing where the run has none."""
        return sum(stored.n_bytes for stored in self.stored if stored.name == name)


class Scaler:
    """Scales one config; the prompts are rendered once, then any number of images is a multiplication."""

    def __init__(self, config: RunConfig, rates: Rates) -> None:
        self.config = config
        self.rates = rates
        self.faults: dict[str, str] = {}  # why a source could not be read, by its name
        # Sources in turns, for the prompts are rendered with the first descriptions alone.
        in_turns = chain.from_iterable(zip_longest(*map(self._first_records, config.images)))
        records = [record for record in in_turns if record is not None]
        self.n_read = len(records)  # captions; 0: their length is assumed
        self._captions = Captions(records or [_assumed_record()], config.describe)
        self._planner = Planner(config, self._captions)

    def _first_records(self, source: Source) -> list[CaptionRecord]:
        """Return the first records of a source; none where it is not here, for a plan may come before its data."""
        try:
            check_source(source)
            return [record for record in islice(read_source(source), _N_READ) if isinstance(record, CaptionRecord)]
        except SourceError as error:
            self.faults[source.name] = str(error)
            return []

    @property
    def n_descriptions(self) -> int:
        """How many descriptions gave the lengths."""
        return len(self._captions.descriptions)

    @property
    def description_characters(self) -> float:
        """The mean length of a description."""
        return mean([len(text) for text in self._captions.descriptions])

    def at(self, n_images: int) -> Scale:
        """Return what a run of so many images takes."""
        plans = {plan.stage: plan for plan in self._planner.stages(n_images)}
        stored = tuple(self._stored(plans))
        by_name = {table.name: table.n_bytes for table in stored}
        stages = tuple(self._stage(plan, plans, by_name) for plan in plans.values())
        rates, n_matches = self.rates, plans["match"].n_rows
        memory = {
            "images": n_images * rates.accepted_bytes_per_image.value,
            "filter": n_matches * rates.kept_share.value * rates.compared_bytes_per_answer.value,
            "split": n_matches * rates.kept_share.value * rates.split_bytes_per_row.value,
        }
        if "near_duplicate_answer" in self.config.filter.skip:
            del memory["filter"]
        return Scale(n_images, stages, stored, n_images * rates.image_file_bytes.value, memory)

    def _stage(self, plan: StagePlan, plans: dict[str, StagePlan], n_bytes: dict[str, float]) -> StageScale:
        stage, rates = plan.stage, self.rates
        driver_s = self._driver_seconds(plans)[stage]
        driver_s += n_bytes.get(_TABLES.get(stage, ""), 0) / rates.bytes_settled_per_s.value
        n_images = plans["images"].n_rows
        cpu_s, gpu_s = 0.0, (0.0, 0.0)
        if stage == "images":
            cpu_s = n_images / rates.images_opened_per_s.value
        elif stage == "match" and isinstance(self.config.match.encoder, ClipEncoder):
            cpu_s = n_images / rates.images_prepared_per_s.value
            gpu_s = (n_images / rates.clip_images_per_gpu_s.value,) * 2
        elif stage == "match":
            cpu_s = n_images / rates.texts_encoded_per_s.value
        elif stage == "filter":
            cpu_s = plans["match"].n_rows / rates.judged_answers_per_s.value
        elif plan.n_requests and self.config.llm_for(stage).kind == "embedded":
            cpu_s = plan.completion_tokens / rates.embedded_tokens_per_s.value
        elif plan.n_requests:
            gpu_s = self._llm_seconds(plan)
        return StageScale(plan, cpu_s / _HOUR, driver_s / _HOUR, (gpu_s[0] / _HOUR, gpu_s[1] / _HOUR))

    def _llm_seconds(self, plan: StagePlan) -> tuple[float, float]:
        rates = self.rates
        small = plan.prompt_tokens / rates.small_llm_prompt_tokens_per_gpu_s.value
        small += plan.completion_tokens / rates.small_llm_completion_tokens_per_gpu_s.value
        large = plan.prompt_tokens / rates.large_llm_prompt_tokens_per_gpu_s.value
        large += plan.completion_tokens / rates.large_llm_completion_tokens_per_gpu_s.value
        return small, large

    def _driver_seconds(self, plans: dict[str, StagePlan]) -> dict[str, float]:
        """Return each stage's seconds on the driver, without those of counting and hashing its table at the end."""
        rates = self.rates
        n_images, n_matches = plans["images"].n_rows, plans["match"].n_rows
        n_kept = n_matches * rates.kept_share.value
        read, written = 1 / rates.rows_read_per_s.value, 1 / rates.rows_written_per_s.value
        pairs_s = n_images * plans["summarize"].n_rows / rates.matched_pairs_per_s.value
        compared_s = 0.0
        if "near_duplicate_answer" not in self.config.filter.skip:
            compared_s = n_matches / rates.compared_answers_per_s.value
        seconds = {
            "images": n_images / rates.images_accepted_per_s.value + n_images * written,
            "describe": 0.0,
            "augment": n_images * read,  # all are read to draw a few
            "summarize": n_images * read,
            "match": n_images * read + pairs_s + n_matches * written,
            "exemplars": (n_images + n_matches) * read,
            "answer": 0.0,
            "filter": (n_images + 2 * n_matches) * read + compared_s + n_kept * written,
            "split": n_kept / rates.split_rows_per_s.value + 2 * n_kept * read + n_kept * written,
        }
        return {stage: seconds[stage] + plan.n_requests / rates.requests_per_s.value for stage, plan in plans.items()}

    def _stored(self, plans: dict[str, StagePlan]) -> Iterator[Stored]:
        rates, plan = self.rates, plans["answer"]
        n_images, n_matches = plans["images"].n_rows, plans["match"].n_rows
        n_kept = round(n_matches * rates.kept_share.value)
        per_character = rates.text_bytes_per_character.value
        description = self.description_characters * per_character
        answer = plan.completion_tokens / max(1, plan.n_requests) * CHARACTERS_PER_TOKEN * per_character
        row_bytes = {
            "01_images": (n_images, rates.image_row_bytes.value + 2 * description),  # and as its caption
            "01_described": (n_images, rates.image_row_bytes.value + 2 * description),
            "04_matches": (n_matches, rates.match_row_bytes.value),
            "06_answers": (n_matches, rates.answer_row_bytes.value + answer),
            "06_kept": (n_kept, rates.sample_row_bytes.value + description + answer),
            "07_samples": (n_kept, rates.sample_row_bytes.value + description + answer),
        }
        n_parts = math.ceil(n_images / self.config.shard_size)
        for name, (n_rows, n_bytes) in row_bytes.items():
            if name != "01_described" or "describe" in plans:
                yield Stored(name, n_rows, n_rows * n_bytes, n_parts)
        yield self._reply_store(plans)
        is_clip = isinstance(self.config.match.encoder, ClipEncoder)
        n_dimensions = (rates.clip_dimensions if is_clip else rates.text_dimensions).value
        yield Stored("vectors", n_images, n_images * n_dimensions * 4, 1)

    def _reply_store(self, plans: dict[str, StagePlan]) -> Stored:
        n_requests = sum(plan.n_requests for plan in plans.values())
        n_tokens = float(sum(plan.prompt_tokens + plan.completion_tokens for plan in plans.values()))
        if "describe" in plans:  # the store holds a reference in an image's place
            n_tokens -= plans["describe"].n_requests * picture_tokens(self.config.describe.max_side)
        n_bytes = n_requests * self.rates.store_bytes_per_reply.value
        n_bytes += n_tokens * CHARACTERS_PER_TOKEN * self.rates.store_bytes_per_text_byte.value
        return Stored("reply store", n_requests, n_bytes, 1)


_TABLES = {
    "images": "01_images",
    "describe": "01_described",
    "match": "04_matches",
    "answer": "06_answers",
    "filter": "06_kept",
    "split": "07_samples",
}


def _assumed_record() -> CaptionRecord:
    return CaptionRecord("", "", "", "", [_WITHOUT_CAPTIONS], "")
