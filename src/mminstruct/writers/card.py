"""The data card: what is in a training set, how it was made and what to know before using it.

CardFacts  ─►  README.md (a YAML header in the Hugging Face form, then the prose of card.md.j2)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import numpy as np
import yaml
from jinja2 import Environment, StrictUndefined

CARD_FILE = "README.md"

_PERCENTILES = (5, 25, 50, 75, 95)

# https://huggingface.co/docs/hub/datasets-cards: the size categories of the Hub, by their upper ends.
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)


@dataclass(frozen=True, slots=True)
class StageFacts:
    """What one stage did: a row of the card's stage table."""

    name: str
    n_in: int
    n_out: int
    n_rejected: int
    n_requests: int = 0
    n_prompt_tokens: int = 0
    n_completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ReviewFacts:
    """What people decided about the rows, where the export honours it."""

    n_reviewers: int
    n_kept: int
    n_edited: int
    n_dropped: int
    n_rescued: int  # rejected by the filter, kept by a reviewer
    n_undecided: int
    n_not_applied: int  # decisions on rows that are held out, were made anew, or are gone
    only_decided: bool  # the undecided rows were left out


@dataclass(frozen=True, slots=True)
class CardFacts:
    """Everything that a card says of one run; the pipeline fills it."""

    run_name: str
    version: str  # of mminstruct
    sources: Mapping[str, int]  # source to samples
    n_samples: int
    n_images: int
    n_instructions: int
    n_held_out: int  # questions of the benchmark
    instruction_lengths: Sequence[int]  # words, one a sample
    answer_lengths: Sequence[int]  # words, one a sample
    categories: Mapping[str, int]  # category to samples
    models: Mapping[str, str]  # stage to model, for the stages that have one
    stages: Sequence[StageFacts]
    rejects: Mapping[str, Mapping[str, int]]  # stage to reason to rows
    encoder: str  # what compared images with instructions
    config: str  # the resolved config, as YAML
    license: str = "unknown"  # one of the Hub's identifiers
    license_name: str = ""  # where `license` is "other"
    license_link: str = ""
    language: str = "en"
    train_file: str = "train.json"  # may hold a *
    about: str = "`train.json` is a JSON list in LLaVA's form."  # what that file holds
    usage: str = ""  # how a trainer loads it, in Markdown
    n_mixed: int = 0  # rows of another data set that stand behind the samples
    review: ReviewFacts | None = None  # None: reviewers' decisions are not in this export
    more_header: Mapping[str, object] = field(default_factory=dict)  # what a format adds to the head
    tags: Sequence[str] = ("image", "instruction-tuning", "synthetic", "llava", "mminstruct")
    notes: Sequence[str] = field(default=())  # more to know, one sentence each


def write_card(facts: CardFacts, out: Path) -> Path:
    """Write `out/README.md` and return its path."""
    path = out / CARD_FILE
    path.write_text(render_card(facts), encoding="utf-8", newline="\n")
    return path


def render_card(facts: CardFacts) -> str:
    """Return the card's text."""
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {"cell": _cell, "count": lambda number: f"{number:,}"}
    source = resources.files("mminstruct.writers").joinpath("card.md.j2").read_text(encoding="utf-8")
    return environment.from_string(source).render(
        facts=facts,
        header=_header(facts),
        lengths={"instruction": _lengths(facts.instruction_lengths), "answer": _lengths(facts.answer_lengths)},
        percentiles=_PERCENTILES,
        rejects=[
            (stage, reason, count)
            for stage, reasons in facts.rejects.items()
            for reason, count in _most_first(reasons)
            if count
        ],
        sources=_most_first(facts.sources),
        categories=_most_first(facts.categories),
        fence=_fence(facts.config),
    )


def size_category(n_samples: int) -> str:
    """Return the Hub's name for a number of rows.

    >>> size_category(999), size_category(1000)
    ('n<1K', '1K<n<10K')
    """
    return next((name for end, name in _SIZES if n_samples < end), "n>10M")


def _header(facts: CardFacts) -> str:
    header: dict[str, object] = {"pretty_name": facts.run_name, "license": facts.license}
    if facts.license == "other":
        header |= {"license_name": facts.license_name or "unknown", "license_link": facts.license_link or "unknown"}
    header |= {
        "language": [facts.language],
        "task_categories": ["image-text-to-text", "visual-question-answering"],
        "size_categories": [size_category(facts.n_samples + facts.n_mixed)],
        "tags": list(facts.tags),
        # Without this the Hub sees the image folder and shows pictures without their conversations.
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": facts.train_file}]}],
        **facts.more_header,
    }
    return yaml.safe_dump(header, sort_keys=False, allow_unicode=True).rstrip()


def _lengths(lengths: Sequence[int]) -> list[str]:
    """Return mean, smallest, the percentiles and largest, as the table shows them."""
    if not lengths:
        return ["–"] * (3 + len(_PERCENTILES))
    values = np.asarray(lengths)
    quantiles = np.percentile(values, _PERCENTILES)
    return [f"{values.mean():.1f}", f"{values.min()}", *(f"{value:.0f}" for value in quantiles), f"{values.max()}"]


def _most_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _cell(text: str) -> str:
    """Return a text that stays inside a Markdown table's cell."""
    return re.sub(r"\s+", " ", text).replace("|", "\\|").strip() or "–"


def _fence(text: str) -> str:
    """Return a code fence that is longer than any in the text."""
    return "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
