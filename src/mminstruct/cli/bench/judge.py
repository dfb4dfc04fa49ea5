"""`mminstruct bench judge`: compare answers."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mminstruct.cli.bench import BENCHMARK, bench
from mminstruct.cli.bench.judge_options import judge_options
from mminstruct.cli.bench.llm_options import LlmOptions, llm_config, llm_options
from mminstruct.counts import count_of
from mminstruct.errors import RunInterrupted

if TYPE_CHECKING:
    from mminstruct.bench.folder import BenchmarkData
    from mminstruct.bench.judging.session import Judging, JudgingOptions
    from mminstruct.config.llm import LlmConfig

_EXAMPLES = """
\b
Examples:
  mminstruct bench judge B                                          the embedded model: to see that it works
  mminstruct bench judge B --model gpt-4o --base-url https://api.openai.com/v1 --api-key-env OPENAI_API_KEY
  mminstruct bench judge B --model my-llm --base-url http://127.0.0.1:8000/v1 --text-only --against llava-v1.5-7b
"""


@bench.command(epilog=_EXAMPLES)
@BENCHMARK
@llm_options
@click.option("--against", "baseline", metavar="BASELINE", help="Compare every model with this one.")
@click.option("--all-pairs", is_flag=True, help="Compare every model with every other: the default.")
@judge_options
@click.option(
    "--traps",
    "n_traps",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Trap pairs of each kind, whose right verdict is known; 0: none.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be asked, and ask nothing.")
def judge(
    benchmark: Path,
    llm: LlmOptions,
    baseline: str | None,
    all_pairs: bool,
    options: JudgingOptions,
    n_traps: int,
    dry_run: bool,
) -> None:
    """Have a judge compare the models' answers in B, in both orders, and keep its replies in full.

    What is judged already is not asked again. Some trap pairs are judged as well, so that the report can say how far
    the judge is to be trusted.
    """
    from mminstruct.bench.folder import load_benchmark

    if baseline is not None and all_pairs:
        raise click.UsageError("Give --against or --all-pairs, not both.")
    options = replace(options, baseline=baseline, n_traps=n_traps)
    try:
        judging = asyncio.run(_judge(load_benchmark(benchmark), llm, llm_config(llm), options, dry_run))
    except (KeyboardInterrupt, RunInterrupted):
        click.echo("\nStopped; every reply received so far is kept. The same command goes on.", err=True)
        sys.exit(130)
    _tell(judging, benchmark, dry_run)


async def _judge(
    benchmark: BenchmarkData, llm: LlmOptions, config: LlmConfig, options: JudgingOptions, dry_run: bool
) -> Judging:
    from rich.console import Console

    from mminstruct.bench.judging.session import judge_benchmark
    from mminstruct.cli.progress import progress_for
    from mminstruct.llm.models import LanguageModels
    from mminstruct.pipeline.lock import locked

    path = benchmark.folder.path
    with locked(str(path)), progress_for(Console(stderr=True)) as progress:
        async with LanguageModels(llm.store(path), f"bench-{path.resolve().name}", llm.budget) as models:
            return await judge_benchmark(benchmark, config, models, options, progress, dry_run)


def _tell(judging: Judging, path: Path, dry_run: bool) -> None:
    plan, judged = judging.plan, judging.judged
    n_asked = len(plan.contests)
    click.echo(
        f"{judging.judge} on {count_of(len(judging.pairs), 'pair')} of models: {n_asked:,} comparisons "
        f"{'to ask' if dry_run else 'asked'}, {plan.n_done:,} judged before"
    )
    for number, what in (
        (plan.n_settled, "settled without the judge: an answer is empty"),
        (plan.n_unanswered, "left out: a model has no answer to the question"),
        (plan.n_unseen, "left out: the judge cannot be shown the question's image or caption"),
        (len(judging.traps.contests), f"comparisons of trap pairs {'to ask' if dry_run else 'asked'}"),
        (judged.n_unreadable, "comparisons whose every reply could not be read"),
        (len(judged.failures) + len(judging.trapped.failures), "comparisons failed; the same command asks them again"),
    ):
        if number:
            click.echo(f"{number:,} {what}")
    for contest, detail in (judging.trapped.failures + judged.failures)[:3]:
        click.echo(f"  question {contest.question.question_id}, {contest.model_a} and {contest.model_b}: {detail}")
    if not dry_run:
        click.echo(f"The report: mminstruct bench report {path}")
