"""The trained models at the benchmark: their answers, a judge's word on them, and each one's win rate over the first.

OUT/models/<variant>  ─►  OUT/benchmark/answers/<variant>.jsonl  ─►  judgments/  ─►  WinRate, notes on the judge
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mminstruct.bench.answers.checkpoint import checkpoint_settings
from mminstruct.bench.answers.respond import Asking, Responses, respond_by_checkpoint
from mminstruct.bench.folder import Benchmark, BenchmarkData
from mminstruct.bench.judging.session import Judging, JudgingOptions, judge_benchmark
from mminstruct.bench.report.contents import PairReport
from mminstruct.bench.report.summary import summarize
from mminstruct.bench.rows import BenchmarkQuestion
from mminstruct.config.ablation import AblationConfig
from mminstruct.llm.models import LanguageModels
from mminstruct.pipeline.progress import Progress


@dataclass(frozen=True)
class WinRate:
    """One variant's share of the questions against the first one's model, with its 95 % interval."""

    value: float | None  # (wins + ties / 2) / (wins + losses + ties); None where no verdict says anything
    low: float | None
    high: float | None
    wins: int
    losses: int
    ties: int
    undecided: int  # inconsistent, unreadable or not judged


def answer_questions(
    benchmark: Benchmark, name: str, model: Path, device: str, config: AblationConfig, progress: Progress
) -> Responses:
    """Have a trained model answer what it has not answered; answers of a model that was trained anew are replaced.

    Raises as `respond_by_checkpoint` does.
    """
    asking = Asking(name, max_tokens=config.max_answer_tokens)
    settings = {**checkpoint_settings(str(model), device), **asking.settings()}
    stands = benchmark.answers_file(name).with_name(f"{name}.settings.json")
    if stands.is_file() and json.loads(stands.read_text(encoding="utf-8")) != settings:
        asking = replace(asking, overwrite=True)
    return respond_by_checkpoint(benchmark, str(model), device, config.answer_batch_size, asking, progress)


async def judge_answers(
    benchmark: Benchmark,
    questions: Sequence[BenchmarkQuestion],
    config: AblationConfig,
    replies: Path,
    progress: Progress,
) -> tuple[str, dict[str, WinRate], list[str]]:
    """Have the judge compare each variant with the first; return its name, win rates by variant, what to know of them.

    Raises as `judge_benchmark` does.
    """
    assert config.judge is not None, "asked for by the config only"
    names = [variant.name for variant in config.variants]
    answers = {name: benchmark.answers(name, questions) for name in names}
    data = BenchmarkData(benchmark, list(questions), answers)
    name = f"{config.judge.model} (captions)" if config.judge_text_only and config.judge.model else ""
    options = JudgingOptions(baseline=names[0], text_only=config.judge_text_only, name=name, n_traps=config.n_traps)
    async with LanguageModels(replies, f"ablate-{Path(config.out).name}", config.budget) as models:
        judging = await judge_benchmark(data, config.judge, models, options, progress)
    report = summarize(data)
    pairs = [pair for pair in report.pairs if pair.judge == judging.judge]
    rates = {}
    for pair in pairs:
        if names[0] in (pair.model_a, pair.model_b):
            variant = pair.model_a if pair.model_b == names[0] else pair.model_b
            rates[variant] = _win_rate(pair, is_mirrored=variant == pair.model_b)
    doubts = [warning for judge in report.judges if judge.judge == judging.judge for warning in judge.warnings]
    notes = [f"Do not trust the judge {judging.judge} without a look: {doubt}" for doubt in doubts]
    return judging.judge, rates, [*notes, *_failures(judging), *report.notes]


def _failures(judging: Judging) -> list[str]:
    failed = judging.judged.failures + judging.trapped.failures
    if not failed:
        return []
    return [f"{len(failed):,} comparisons failed ({failed[0][1]}); the same command asks them again."]


def _win_rate(pair: PairReport, is_mirrored: bool) -> WinRate:
    undecided = pair.inconsistent + pair.unreadable + pair.not_judged
    if not is_mirrored:
        return WinRate(pair.win_rate, pair.ci_low, pair.ci_high, pair.wins, pair.losses, pair.ties, undecided)
    value, low, high = (None if share is None else 1 - share for share in (pair.win_rate, pair.ci_high, pair.ci_low))
    return WinRate(value, low, high, pair.losses, pair.wins, pair.ties, undecided)
