"""What the report says of a run, as plain data; the page and its figures show this and add nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from mminstruct.bench.report.contents import Report as BenchmarkReport


@dataclass(frozen=True)
class Source:
    """A source of captioned images, as the config names it."""

    name: str
    format: str
    n_images: int | None  # that opened; None before the stage images


@dataclass(frozen=True)
class Setting:
    """One line of the config's summary: `key` as the config has it."""

    key: str
    value: str


@dataclass(frozen=True)
class StageLine:
    """A stage: rows and rejects as they are in its tables now, the rest as the manifest has it."""

    stage: str
    status: str  # `done`, `running` (also: stopped), `stale`, `not begun`
    n_in: int
    n_out: int
    n_rejected: int
    requests: int
    cached: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None  # None: nothing was asked, or no price is known
    seconds: float
    model: str
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SpentLine:
    """What one model took in all stages."""

    model: str
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None


@dataclass(frozen=True)
class Step:
    """What a stage made of what came in; `n_in` is `n_on`, `n_aside`, the rejects and `n_waiting` together.

    All are counts of the same thing, `unit`, also where each that goes on becomes several of another (an image's
    matches): how many those are is the next step's `n_in`.
    """

    stage: str
    unit: str  # `images`, `pairs`, `requests`, `clusters`
    n_in: int
    n_on: int
    rejects: dict[str, int]  # by reason, the most frequent first
    n_waiting: int  # not worked on yet
    n_aside: int = 0  # split: the benchmark's questions


@dataclass(frozen=True)
class RejectLine:
    """How many rows a stage dropped for one reason."""

    stage: str
    reason: str
    n: int
    n_in: int  # of the stage


@dataclass(frozen=True)
class Histogram:
    """Counts of values in bins of equal width; bin k is from `start + k * width` up to the next one."""

    start: float
    width: float
    counts: list[int]
    n_beyond: int = 0  # far above all others: not in any bin


@dataclass(frozen=True)
class Spread:
    """A column of numbers: how many, their quantiles, their histogram. All are None or empty where `n` is 0."""

    name: str
    n: int
    least: float | None
    p5: float | None
    median: float | None
    mean: float | None
    p95: float | None
    most: float | None
    histogram: Histogram | None


@dataclass(frozen=True)
class InstructionLine:
    """A final instruction and how often it was used."""

    instruction_id: str
    text: str
    category: str
    n_raw: int  # raw instructions that it stands for
    n_matches: int
    n_kept: int  # of the matches: those whose answers passed the filter
    n_samples: int  # for training


@dataclass(frozen=True)
class Balance:
    """How evenly pairs fall on instructions: `n` pairs over `n_instructions`."""

    of: str  # `matches` or `samples`
    n: int
    n_instructions: int
    fewest: int
    median: float
    most: int
    n_unused: int
    n_effective: float  # so many instructions, used equally, would be as diverse (Hill 1973)
    n_top: int  # a tenth of the instructions, rounded up: the most used ones
    top_share: float  # of all pairs, that these have


@dataclass(frozen=True)
class Match:
    """The match balance."""

    balances: list[Balance]
    instructions: list[InstructionLine]  # the most used first
    scores: list[Spread]  # of all matches, and of the samples
    per_image: dict[int, int]  # how many images have so many matches, those without any among them
    n_images: int  # that came to the match
    n_without: int
    encoder: str


@dataclass(frozen=True)
class CategoryLine:
    """A category's share of the instructions, samples and questions."""

    category: str
    n_instructions: int
    n_samples: int
    n_questions: int


@dataclass(frozen=True)
class VerbObject:
    """How often instructions open with a verb and what it asks for."""

    verb: str
    object: str  # empty: the sentence names none
    n_instructions: int
    n_samples: int


@dataclass(frozen=True)
class MapPoint:
    """An instruction in the plane, -1 to 1."""

    x: float
    y: float
    text: str
    kind: str  # `raw`, `final`, `rejected`
    cluster: int  # of the final instruction that it is or became, else its own; -1: it came into none
    reason: str = ""  # why it was rejected
    n_raw: int = 0  # of a final one: raw instructions that it stands for


@dataclass(frozen=True)
class InstructionMap:
    """Raw and final instructions in the plane; of many raw ones, a part drawn by chance."""

    points: list[MapPoint]
    n_raw: int  # and rejected ones, that there are
    n_raw_shown: int
    n_final: int
    note: str = ""  # what is missing, and why


@dataclass(frozen=True)
class Picture:
    """An image as the gallery shows it, or why it cannot; `data` is WebP bytes."""

    data: bytes | None
    width: int = 0
    height: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Exhibit:
    """A sample or a reject in the gallery; texts are empty where nothing is known."""

    row_id: str
    picture: Picture | None  # None: the row speaks of no image
    instruction: str
    text: str  # the answer, or the text that was judged
    category: str = ""
    score: float | None = None
    stage: str = ""  # of a reject
    reason: str = ""
    detail: str = ""
    description: str = ""
    n_of_reason: int = 0  # rejects of this stage and reason
    image_name: str = ""


@dataclass(frozen=True)
class RunReport:
    """All of it. A part that the run has no table for yet is None or empty, and `missing` says so."""

    name: str
    version: str  # of mminstruct
    written_at: str  # UTC, to the minute
    sources: list[Source]
    settings: list[Setting]
    stages: list[StageLine]
    spent: list[SpentLine]
    image_flow: list[Step]
    instruction_flow: list[Step]
    rejects: list[RejectLine]
    match: Match | None
    map: InstructionMap | None
    map_missing: str  # why there is no map
    lengths: list[Spread]  # in words
    categories: list[CategoryLine]
    verbs: list[VerbObject]
    verbs_count_samples: bool  # the verbs count samples; else there are none, and they count instructions
    samples: list[Exhibit]
    rejected: list[Exhibit]
    n_samples: int
    n_questions: int
    n_instructions: int
    n_images: int
    benchmark: BenchmarkReport | None

    @property
    def unfinished(self) -> list[StageLine]:
        """The stages that are not done."""
        return [line for line in self.stages if line.status != "done"]
