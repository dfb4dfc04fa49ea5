"""The recipe for each variant: the same for all, but for the data of its stage `finetune`, the seed and the folder.

OUT/pretrain  (once, where the recipe has that stage)  ─►  OUT/models/<variant>/seed-<n>
"""

from __future__ import annotations

from pathlib import Path

from mminstruct.ablate.telling import Telling
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


def with_pretrained(recipe: Recipe, out: Path, seed: int, telling: Telling) -> Recipe:
    """Return the recipe without its stage `pretrain`, whose model, trained in `out`, it starts with.

    That stage is the same for all variants and is trained once, with one seed.
    """
    if recipe.pretrain is None:
        return recipe
    telling.heading("pretraining, once for all variants")
    alone = recipe.model_copy(update={"out": str(out), "seed": seed, "finetune": None})
    with telling.training() as progress:
        *_, result = train(alone, progress, overwrite=True)
    return recipe.model_copy(update={"pretrain": None, "model": ModelSection(start=str(result.folder))})


def train_variant(
    recipe: Recipe, data: Path, held_out: Path | None, out: Path, seed: int, telling: Telling
) -> StageResult:
    """Train on a variant's data in `out`; what was trained there on the same is not trained again.

    Its `held_out_after` is the loss on `held_out`. Raises as `train` does.
    """
    assert recipe.finetune is not None, "checked when the recipe was read"
    files = {
        "data": [DataFile(path=str(data))],
        "held_out": [DataFile(path=str(held_out))] if held_out else [],
        "held_out_share": 0.0,
    }
    update = {"out": str(out), "seed": seed, "finetune": recipe.finetune.model_copy(update=files)}
    with telling.training() as progress:
        *_, result = train(recipe.model_copy(update=update), progress, overwrite=True)
    return result
