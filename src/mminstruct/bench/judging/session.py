"""Puts a judge to a benchmark: what it can see, what is still to be asked, its traps; judgments into the folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mminstruct.bench.folder import BenchmarkData
from mminstruct.bench.judging.contests import Contest, Pair, Plan, choose_pairs, done_contests, plan_contests
from mminstruct.bench.judging.judge import Judge, Judged, judge_contests
from mminstruct.bench.rows import BenchmarkQuestion, Judgment
from mminstruct.bench.trust.traps import add_trap_judgments, plan_traps, prepare_traps, trap_judgments
from mminstruct.config.llm import LlmConfig
from mminstruct.errors import BenchmarkError
from mminstruct.imaging import image_hash
from mminstruct.llm.chat import Picture
from mminstruct.llm.models import LanguageModels, StageChat
from mminstruct.pipeline.interrupts import patient_interrupts
from mminstruct.pipeline.progress import Progress
from mminstruct.prompts.template import load_prompt


@dataclass(frozen=True)
class JudgingOptions:
    """How a judge is to judge."""

    baseline: str | None = None  # every model against this one; None: all pairs
    text_only: bool = False  # the caption in place of the image
    name: str = ""  # in the judgments; empty: the model's
    prompt: Path | None = None  # the user's own
    temperature: float | None = None  # None: the prompt's own
    n_asks: int = 3
    max_side: int = 1024  # pixels of an image as it is sent
    n_traps: int = 10  # trap pairs of each kind


@dataclass
class Judging:
    """What there was to judge, and what came of it."""

    judge: str
    pairs: list[Pair]
    plan: Plan
    judged: Judged = field(default_factory=Judged)
    traps: Plan = field(default_factory=Plan)
    trapped: Judged = field(default_factory=Judged)


async def judge_benchmark(
    benchmark: BenchmarkData,
    llm: LlmConfig,
    models: LanguageModels,
    options: JudgingOptions,
    progress: Progress,
    dry_run: bool = False,
) -> Judging:
    """Judge what is not judged yet and write the judgments; with `dry_run` only say what there is to do.

    Raises BenchmarkError: nothing to compare, nothing that the judge could see, judgments of another kind under its
    name; and what the endpoint raises.
    """
    judge = await open_judge(benchmark, llm, models, options, progress)
    earlier = benchmark.folder.judgments()
    check_name(judge, earlier)
    pairs = choose_pairs(benchmark.folder, list(benchmark.answers), options.baseline)
    done = done_contests(earlier, judge.label, judge.settings_id)
    plan = plan_contests(benchmark.questions, benchmark.answers, pairs, done, visible_to(judge, benchmark.questions))
    judging = Judging(judge.label, pairs, plan)
    if dry_run:
        judging.traps = _plan_traps(benchmark, judge, options.n_traps, keep=False)
    else:
        judging.traps, judging.trapped = await judge_traps(benchmark, judge, options.n_traps, models, progress)
        judging.judged = await ask_contests(
            "judge", judge, plan.contests, benchmark.folder.add_judgments, models, progress, plan.n_done
        )
    return judging


async def open_judge(
    benchmark: BenchmarkData, llm: LlmConfig, models: LanguageModels, options: JudgingOptions, progress: Progress
) -> Judge:
    """Return the judge: with the images, where it can see them and some are there, else with the captions.

    Raises BenchmarkError where the benchmark has nothing that this judge could see.
    """
    prompt = load_prompt("judge", llm.prompt_style, options.prompt)
    sees = not options.text_only and llm.kind != "embedded"
    pictures = (_pictures(benchmark, options.max_side) if sees else {}) or None
    if pictures is None and not any(question.caption.strip() for question in benchmark.questions):
        raise BenchmarkError(
            f"{benchmark.folder.path} has no captions to judge by, and no images for this judge. Put the images into "
            f"{benchmark.folder.images}, and use a judge that sees them."
        )
    if sees and pictures is None:
        progress.note(f"{benchmark.folder.path} has none of its images: the judge reads the captions in their place")
    chat = await models.chat(llm, "judge", progress.note)
    parameters = {} if options.temperature is None else {"temperature": options.temperature}
    settings = {**llm.parameters, **parameters}
    return Judge(chat, prompt, pictures, settings, options.n_asks, options.name)


def check_name(judge: Judge, earlier: Sequence[Judgment]) -> None:
    """Raise BenchmarkError where this name stands for a judge of the other kind: their verdicts must not mix."""
    others = {row.sees for row in earlier if row.judge == judge.label and row.sees != judge.sees}
    if others:
        raise BenchmarkError(
            f"There are judgments of {judge.label} by {others.pop()}, and this time it would judge by {judge.sees}. "
            f"Give it another name here: --name '{judge.label} ({judge.sees})'."
        )


async def ask_contests(
    what: str,
    judge: Judge,
    contests: Sequence[Contest],
    write: Callable[[list[Judgment]], None],
    models: LanguageModels,
    progress: Progress,
    n_done: int = 0,
) -> Judged:
    """Ask contests with progress and a patient Ctrl-C; `what` names the work. See `judge_contests`."""
    assert isinstance(judge.chat, StageChat)
    usage = judge.chat.usage

    def advanced(failed: bool) -> None:
        progress.advanced(1, int(failed), usage)

    progress.stage_started(what, len(contests) + n_done, n_done)
    with patient_interrupts(progress, models):
        return await judge_contests(judge, contests, write, judge.chat.rows_at_once, advanced)


async def judge_traps(
    benchmark: BenchmarkData, judge: Judge, per_kind: int, models: LanguageModels, progress: Progress
) -> tuple[Plan, Judged]:
    """Have the judge judge up to `per_kind` trap pairs of each kind, less what it has judged before."""
    plan = _plan_traps(benchmark, judge, per_kind)

    def write(judgments: list[Judgment]) -> None:
        add_trap_judgments(benchmark.folder, judgments)

    return plan, await ask_contests("traps", judge, plan.contests, write, models, progress, plan.n_done)


def _plan_traps(benchmark: BenchmarkData, judge: Judge, per_kind: int, keep: bool = True) -> Plan:
    earlier = trap_judgments(benchmark.folder)
    check_name(judge, earlier)
    done = done_contests(earlier, judge.label, judge.settings_id)
    return plan_traps(prepare_traps(benchmark, per_kind, keep=keep), done, visible_to(judge, benchmark.questions))


def _pictures(benchmark: BenchmarkData, max_side: int) -> dict[str, Picture]:
    """Return the image of each question whose image is there."""
    found = {}
    for question in benchmark.questions:
        path = benchmark.folder.image_path(question)
        if question.image and path.is_file():
            found[question.question_id] = Picture(str(path), image_hash(path.read_bytes()), max_side)
    return found


def visible_to(judge: Judge, questions: Sequence[BenchmarkQuestion]) -> set[str]:
    """Return the ids of the questions that the judge can be shown, by their image or by their caption."""
    if judge.pictures is not None:
        return set(judge.pictures)
    return {question.question_id for question in questions if question.caption.strip()}
