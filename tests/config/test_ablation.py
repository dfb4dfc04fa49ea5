"""Ablations as files: paths, defaults, and every mistake at once."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from mminstruct.config.ablation import VariantKind, load_ablation
from mminstruct.errors import ConfigError

REPOSITORY = Path(__file__).parents[2]

GOOD = """
run: runs/my
out: ablations/my
recipe: recipe.yaml
variants:
  - {name: full}
  - {name: chance, kind: random_match}
"""


def write(folder: Path, text: str = GOOD, more: str = "") -> Path:
    path = folder / "ablation.yaml"
    path.write_text(text + more)
    return path


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = load_ablation(write(tmp_path, more="bench: bench/my\n"))
    assert config.run == str(tmp_path / "runs/my") and config.out == str(tmp_path / "ablations/my")
    assert config.recipe == str(tmp_path / "recipe.yaml") and config.bench == str(tmp_path / "bench/my")


def test_seeds_are_the_seed_unless_they_are_given(tmp_path: Path) -> None:
    assert load_ablation(write(tmp_path, more="seed: 3\n")).training_seeds == (3,)
    assert load_ablation(write(tmp_path, more="seeds: [4, 5]\n")).training_seeds == (4, 5)


def test_keys_can_be_overridden(tmp_path: Path) -> None:
    config = load_ablation(write(tmp_path), ["variants.1.n_samples=7", "judge={kind: embedded}"])
    assert config.variants[1].n_samples == 7 and config.judge is not None


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("seeds: [1, 1]\n", r"seeds: found \[1, 1\]; expected different numbers"),
        ("judge: {base_url: 'http://127.0.0.1:9/v1'}\n", "judge: `model` must be set"),
        ("judge: {base_url: 'http://h/v1', model: m}\nbudget: {max_cost: 1}\n", "budget.max_cost: needs `price`"),
        ("judges: {}\n", "unknown key 'judges'; did you mean 'judge'"),
    ],
)
def test_mistakes_are_named(more: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        load_ablation(write(tmp_path, more=more))


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ("{name: full}", "variants: 2 are called 'full'"),
        ("{name: a/b}", r"variants.1.name: found 'a/b'"),
        ("{name: b, kind: unfilterd}", "variants.1.kind: found 'unfilterd'"),
        ("{name: b, overrides: ['split.n_instructions=2']}", "split.n_instructions=2: run_dir, replies, split are the"),
    ],
)
def test_mistakes_in_a_variant_are_named(variant: str, message: str, tmp_path: Path) -> None:
    text = GOOD.replace("{name: chance, kind: random_match}", variant)
    with pytest.raises(ConfigError, match=message) as raised:
        load_ablation(write(tmp_path, text))
    assert "has 1 fault:" in str(raised.value)


def test_one_variant_is_none(tmp_path: Path) -> None:
    text = "\n".join(GOOD.splitlines()[:-1])
    with pytest.raises(ConfigError, match="variants: found"):
        load_ablation(write(tmp_path, text))


@pytest.mark.parametrize("name", ["ablation.yaml", "ablation-demo.yaml"])
def test_the_examples_are_sound(name: str) -> None:
    config = load_ablation(REPOSITORY / "configs" / name)
    assert {variant.kind for variant in config.variants} == set(get_args(VariantKind))
