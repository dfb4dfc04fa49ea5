from __future__ import annotations

from pathlib import Path

import pytest

from mminstruct.config.recipe import FinetuneSection, Recipe, load_recipe
from mminstruct.errors import ConfigError

RECIPES = Path(__file__).parents[2] / "recipes"
DATA = [{"path": "train.json"}]


class TestPaper:
    """The numbers of LLaVA-1.5's scripts."""

    def test_the_recipe(self) -> None:
        recipe = load_recipe(RECIPES / "llava-1.5-7b/recipe.yaml")
        pretrain, finetune = recipe.stages["pretrain"], recipe.stages["finetune"]
        assert (pretrain.learning_rate, pretrain.batch_size, pretrain.template) == (1e-3, 256, "plain")
        assert (finetune.learning_rate, finetune.batch_size, finetune.template) == (2e-5, 128, "v1")
        for stage in (pretrain, finetune):
            assert (stage.epochs, stage.schedule, stage.warmup_share) == (1, "cosine", 0.03)
            assert (stage.weight_decay, stage.max_tokens, stage.gradient_checkpointing) == (0, 2048, True)
        assert finetune.deepspeed == str(RECIPES / "llava-1.5-7b/zero3.json")
        assert Path(finetune.deepspeed).is_file()

    def test_with_adapters(self) -> None:
        finetune = load_recipe(RECIPES / "llava-1.5-7b/lora.yaml").finetune
        assert finetune is not None
        assert finetune.lora is not None
        assert (finetune.lora.rank, finetune.lora.alpha) == (128, 256)
        assert (finetune.learning_rate, finetune.projector_learning_rate) == (2e-4, 2e-5)

    def test_adapters_have_rates_of_their_own_by_default(self) -> None:
        section = FinetuneSection.model_validate({"data": DATA, "lora": {}})
        assert (section.learning_rate, section.projector_learning_rate) == (2e-4, 2e-5)
        assert FinetuneSection.model_validate({"data": DATA}).learning_rate == 2e-5


class TestPaths:
    def test_are_relative_to_the_file_and_overrides_to_here(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "recipes/tower").mkdir(parents=True)
        file = tmp_path / "recipes/recipe.yaml"
        file.write_text(
            "out: ../out\n"
            "model: {vision: tower, language: org/name}\n"
            "finetune: {data: [{path: a.json, image_root: images}, {path: b.json}]}\n"
        )
        monkeypatch.chdir(tmp_path)
        recipe = load_recipe(file, ["finetune.data.1.path=c.json"])
        assert recipe.out == str(tmp_path / "out")
        assert (recipe.model.vision, recipe.model.language) == (str(tmp_path / "recipes/tower"), "org/name")
        assert recipe.finetune is not None
        assert [data.path for data in recipe.finetune.data] == [
            str(tmp_path / "recipes/a.json"),
            str(tmp_path / "c.json"),
        ]
        assert recipe.finetune.data[0].image_root == str(tmp_path / "recipes/images")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{out: o, model: {start: a}}", "no stage to train"),
        ("{out: o, model: {start: a, vision: b}, finetune: {data: [{path: t}]}}", "not both"),
        ("{out: o, model: {vision: b}, finetune: {data: [{path: t}]}}", "`start` is missing, or both"),
        ("{out: o, model: {start: a}, finetune: {data: []}}", "finetune.data"),
        ("{out: o, model: {start: a}, finetune: {data: [{path: t}], learning_rat: 1}}", "did you mean 'learning_rate'"),
        (
            "{out: o, model: {start: a}, finetune: {data: [{path: t}], held_out: [{path: t}], held_out_share: 0.1}}",
            "`held_out` or `held_out_share`, not both",
        ),
    ],
)
def test_faults_are_named_with_their_place(text: str, fault: str, tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_recipe(file)
    assert fault in str(error.value)
    assert f"{file}:1:" in str(error.value) or "no stage" in fault


def test_the_tiny_recipe_is_one() -> None:
    assert isinstance(load_recipe(RECIPES / "tiny-cpu/recipe.yaml"), Recipe)
