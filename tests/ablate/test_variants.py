"""Variants as configs: what they change, where they go, what is left as it was."""

from pathlib import Path
from typing import Any, get_args

import pytest

from mminstruct.ablate.variants import config_of, first_changed_stage
from mminstruct.config.ablation import Variant
from mminstruct.config.file import load_config
from mminstruct.config.filter import RuleName
from mminstruct.config.run import RunConfig
from mminstruct.errors import ConfigError
from support.collection import make_collection, write_config


@pytest.fixture
def base(tmp_path: Path) -> RunConfig:
    make_collection(tmp_path)
    return load_config(write_config(tmp_path, "http://127.0.0.1:9/v1"))


def config(base: RunConfig, **keys: Any) -> RunConfig:
    return config_of(Variant(name="v", **keys), base, Path('/out/runs/it\'s: a "name"'))


class TestConfig:
    def test_a_variant_has_its_folder_and_the_runs_replies(self, base: RunConfig) -> None:
        changed = config(base, kind="random_match")
        assert changed.run_dir == '/out/runs/it\'s: a "name"' and changed.replies == base.replies
        assert changed.match.sampling == "random" and changed.match.per_image == base.match.per_image
        unchanged = {"run_dir": base.run_dir, "match": base.match}
        assert changed.model_copy(update=unchanged) == base

    def test_unfiltered_skips_every_rule_but_that_for_nothing_at_all(self, base: RunConfig) -> None:
        assert {*config(base, kind="unfiltered").filter.skip, "empty_answer"} == set(get_args(RuleName))

    def test_no_summary_takes_raw_instructions(self, base: RunConfig) -> None:
        assert config(base, kind="no_summary").summarize.method == "raw"

    def test_own_overrides_come_last(self, base: RunConfig) -> None:
        changed = config(base, kind="random_match", overrides=("match.sampling=top_k", "match.per_image=2"))
        assert (changed.match.sampling, changed.match.per_image) == ("top_k", 2)

    def test_a_wrong_override_names_the_variant_and_the_override(self, base: RunConfig) -> None:
        with pytest.raises(ConfigError, match=r"Variant v has 1 fault.*\n.*-o match.per_imag=2.*unknown key"):
            config(base, overrides=("match.per_imag=2",))


class TestFirstChangedStage:
    @pytest.mark.parametrize(
        ("keys", "stage"),
        [
            ({}, None),
            ({"kind": "unfiltered"}, "filter"),
            ({"kind": "random_match"}, "match"),
            ({"kind": "no_summary"}, "summarize"),
            ({"overrides": ("answer.llm={model: other}",)}, "answer"),
            ({"overrides": ("llm.model=other",)}, "augment"),
            ({"overrides": ("embedder={kind: transformers, model: other}",)}, "summarize"),
            ({"overrides": ("seed=1",)}, "images"),
            ({"overrides": ("llm.concurrency=3",)}, None),
        ],
    )
    def test_is_where_the_work_begins(self, keys: dict[str, Any], stage: str | None, base: RunConfig) -> None:
        assert first_changed_stage(base, config(base, **keys)) == stage
