"""The whole ablation, every step of which goes on where it was stopped and is skipped where it is done.

base run ─► OUT/benchmark, OUT/held_out
variants ─► OUT/runs ─► OUT/data ─► OUT/models ─► OUT/benchmark/answers ─► judgments ─► OUT/ablation.md, .json
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mminstruct.ablate.base import Base, open_base, tables_of
from mminstruct.ablate.data import VariantData, write_data
from mminstruct.ablate.exam import Exam, prepare_exam
from mminstruct.ablate.held_out import open_gate
from mminstruct.ablate.judging import WinRate, answer_questions, judge_answers
from mminstruct.ablate.models import Recipes, open_recipe, recipes_for, train_one, write_recipe
from mminstruct.ablate.table import Ablation, Row, write_ablation
from mminstruct.ablate.telling import Telling
from mminstruct.ablate.variants import config_of, overrides_of
from mminstruct.bench.statistics.win_rate import t_quantile
from mminstruct.config.ablation import AblationConfig, Variant
from mminstruct.config.recipe import Recipe
from mminstruct.encoders.checkpoints import require_transformers
from mminstruct.encoders.text import load_text_encoder
from mminstruct.pipeline.lock import locked
from mminstruct.train.progress import StageResult

Trained = Mapping[str, Sequence[StageResult]]
"""By variant: what each training seed gave."""


@dataclass(frozen=True)
class _Made:
    """What stands before the training."""

    base: Base
    exam: Exam
    data: Mapping[str, VariantData]
    recipes: Recipes


def ablate(config: AblationConfig, telling: Telling | None = None) -> Ablation:
    """Make each variant's data, train the recipe on them, test the models, and write the table.

    Raises ConfigError, and what runs, exports, training and judging raise.
    """
    telling = telling or Telling()
    recipe = open_recipe(Path(config.recipe))
    # What is not installed is told now, not after hours.
    require_transformers("ablate")
    if config.judge is not None:
        t_quantile(1)
    with locked(config.out):
        made = _make(config, recipe, telling)
        trained = _train_all(made.recipes, telling)
        _answer_all(config, recipe.device, made.exam, trained, telling)
        ablation = _collect(config, made, trained)
        if config.judge is not None:
            ablation = _judged(config, ablation, made, telling)
        write_ablation(ablation, Path(config.out))
    return ablation


def prepare(config: AblationConfig, telling: Telling | None = None) -> list[Path]:
    """Make each variant's data and write the recipes, in the order in which they are to be trained.

    Whoever trains them, `ablate` goes on from there. Raises as `ablate` does.
    """
    recipe = open_recipe(Path(config.recipe))
    with locked(config.out):
        made = _make(config, recipe, telling or Telling())
        return [write_recipe(each) for each in made.recipes.all]


def _make(config: AblationConfig, recipe: Recipe, telling: Telling) -> _Made:
    out = Path(config.out)
    base = open_base(config, telling)
    for variant in config.variants:
        config_of(variant, base.config, out)  # raises now what is wrong with the last variant's overrides
    exam = prepare_exam(base.tables, Path(config.bench) if config.bench else None, out)
    data = _write_all_data(config, base, exam, telling)
    folders = {name: found.folder for name, found in data.items()}
    return _Made(base, exam, data, recipes_for(recipe, folders, exam.held_out, out, config.training_seeds))


def _write_all_data(config: AblationConfig, base: Base, exam: Exam, telling: Telling) -> dict[str, VariantData]:
    run, out = base.config, Path(config.out)
    gate = open_gate(
        base.tables.benchmark.rows(),
        list(base.tables.instructions.rows()),
        exam.benchmark,
        exam.questions,
        load_text_encoder(run.embedder),
        run.split.near_duplicate_similarity,
        run.intake.max_pixels,
    )
    data = {}
    for variant in config.variants:
        tables = tables_of(variant, base, out, telling)
        folder = out / "data" / variant.name
        found = write_data(variant.name, tables, gate, folder, variant.n_samples, config.seed)
        telling.heading(f"{variant.name}: {found.n_samples:,} samples, {found.n_left_out:,} left out")
        data[variant.name] = found
    return data


def _train_all(recipes: Recipes, telling: Telling) -> Trained:
    if recipes.pretrain is not None:
        telling.heading("pretraining, once for all variants")
        train_one(recipes.pretrain, telling)
    trained: dict[str, list[StageResult]] = {}
    for name, of_variant in recipes.variants.items():
        for recipe in of_variant:
            telling.heading(f"{name}: training with seed {recipe.seed}")
            trained.setdefault(name, []).append(train_one(recipe, telling))
    return trained


def _answer_all(config: AblationConfig, device: str, exam: Exam, trained: Trained, telling: Telling) -> None:
    for name, results in trained.items():
        telling.heading(f"{name}: answers to {len(exam.questions):,} questions")
        with telling.stages() as progress:
            answer_questions(exam.benchmark, name, results[0].folder, device, config, progress)


def _collect(config: AblationConfig, made: _Made, trained: Trained) -> Ablation:
    data, exam = made.data, made.exam
    rows = [_row(variant, data[variant.name], trained[variant.name]) for variant in config.variants]
    notes = list(exam.notes)
    for variant in config.variants:
        result, found = trained[variant.name][0], data[variant.name]
        if result.n_rows != found.n_samples:
            notes.append(
                f"{variant.name}: training left out {found.n_samples - result.n_rows:,} of its {found.n_samples:,} "
                f"samples; `left_out.jsonl` in models/{variant.name} names them."
            )
        if variant.n_samples is not None and found.n_samples < variant.n_samples:
            notes.append(f"{variant.name}: {variant.n_samples:,} samples were asked for, and it has fewer.")
    return Ablation(
        made.base.run_dir,
        config.recipe,
        config.training_seeds,
        len(exam.questions),
        exam.n_held_out,
        rows,
        notes=notes,
    )


def _row(variant: Variant, data: VariantData, results: Sequence[StageResult]) -> Row:
    return Row(
        variant=variant.name,
        kind=variant.kind,
        changes=overrides_of(variant),
        n_kept=data.n_kept,
        n_left_out=data.n_left_out,
        left_out=data.left_out,
        n_samples=data.n_samples,
        n_instructions=data.n_instructions,
        n_images=data.n_images,
        training_losses=[result.last_loss for result in results],
        held_out_losses=[result.held_out_after for result in results if result.held_out_after is not None],
        held_out_before=results[0].held_out_before,
        seconds=[result.seconds for result in results],
    )


def _judged(config: AblationConfig, ablation: Ablation, made: _Made, telling: Telling) -> Ablation:
    exam = made.exam
    telling.heading("judging")
    with telling.stages() as progress:
        judge, rates, notes = asyncio.run(
            judge_answers(exam.benchmark, exam.questions, config, Path(made.base.config.replies), progress)
        )
    none = WinRate(None, None, None, 0, 0, 0, len(exam.questions))
    rows = [replace(row, win_rate=rates.get(row.variant, none)) for row in ablation.rows[1:]]
    return replace(ablation, rows=[ablation.rows[0], *rows], judge=judge, notes=[*ablation.notes, *notes])
