"""The recipe for each variant: the same for all, but for the data of its stage `finetune`, the seed and the folder.

OUT/pretrain  (once, where the recipe has that stage)  ─►  OUT/models/<variant>/seed-<n>
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from mminstruct.ablate.telling import Telling
from mminstruct.bench.folder import write_text
from mminstruct.config.recipe import DataFile, ModelSection, Recipe, load_recipe
from mminstruct.errors import ConfigError
from mminstruct.train.progress import StageResult
from mminstruct.train.run import train


def open_recipe(path: Path) -> Recipe:
    """Read the recipe. Raises ConfigError where it cannot be used for variants."""
    recipe = load_recipe(path)
    if recipe.finetune is None:
        raise ConfigError(
            f"{path} has no stage `finetune`, in which the variants differ. Add it; its `data` are replaced by each "
            "variant's."
        )
    return recipe


@dataclass(frozen=True)
class Recipes:
    """What is trained, in order: the stage that all variants share, and each variant with each seed."""

    pretrain: Recipe | None
    variants: dict[str, list[Recipe]]

    @property
    def all(self) -> list[Recipe]:
        """All of them in order."""
        shared = [] if self.pretrain is None else [self.pretrain]
        return [*shared, *(recipe for recipes in self.variants.values() for recipe in recipes)]


def recipes_for(
    recipe: Recipe, data: Mapping[str, Path], held_out: Path | None, out: Path, seeds: Sequence[int]
) -> Recipes:
    """Return the recipes of all variants, whose data are given by name.

    The stage `pretrain` is the same for all of them and is trained once, with the first seed.
    """
    pretrain = None
    if recipe.pretrain is not None:
        pretrain = recipe.model_copy(update={"out": str(out / "pretrain"), "seed": seeds[0], "finetune": None})
        start = ModelSection(start=str(out / "pretrain" / "pretrain"))  # where training puts that stage's model
        recipe = recipe.model_copy(update={"pretrain": None, "model": start})
    assert recipe.finetune is not None, "checked when the recipe was read"
    variants: dict[str, list[Recipe]] = {}
    for name, folder in data.items():
        files = {
            "data": [DataFile(path=str(folder))],
            "held_out": [DataFile(path=str(held_out))] if held_out else [],
            "held_out_share": 0.0,
        }
        finetune = recipe.finetune.model_copy(update=files)
        variants[name] = [
            recipe.model_copy(
                update={"out": str(out / "models" / name / f"seed-{seed}"), "seed": seed, "finetune": finetune}
            )
            for seed in seeds
        ]
    return Recipes(pretrain, variants)


def write_recipe(recipe: Recipe) -> Path:
    """Write a recipe into the folder that it trains in, as training itself does; return the file."""
    file = Path(recipe.out) / "recipe.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False))
    return file


def train_one(recipe: Recipe, telling: Telling) -> StageResult:
    """Train a recipe of one stage; what was trained in its folder on the same is not trained again.

    Its `held_out_after` is the loss on the held-out rows. Raises as `train` does.
    """
    with telling.training() as progress:
        (result,) = train(recipe, progress, overwrite=True)
    return result
