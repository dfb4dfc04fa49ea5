"""Config files: what is read, where each fault is, and that what is written reads back."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from mminstruct.config.encoders import ClipEncoder
from mminstruct.config.file import dump_config, load_config, parse_config
from mminstruct.config.recipe import Recipe
from mminstruct.errors import ConfigError

MINIMAL = "run_dir: r\nimages:\n  - {format: coco, path: captions.json}\n"
REPOSITORY = Path(__file__).parents[2]


def read(text: str, *overrides: str) -> object:
    return parse_config(text, "c.yaml", Path("/base"), overrides)


def faults(text: str, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text, *overrides)
    heading, *lines = str(caught.value).split("\n  ")
    assert heading == f"c.yaml has {len(lines)} fault{'s' if len(lines) > 1 else ''}:"
    return lines


class TestReading:
    def test_the_shipped_config_reads_and_has_the_readmes_values(self) -> None:
        text = (files("mminstruct") / "data" / "config.yaml").read_text()
        config = parse_config(text, "config.yaml", Path("/base"))
        assert config.run_dir == "/base/runs/coco"
        assert config.images[0].path == "/base/captions.json"
        assert (config.augment.n_instructions, config.match.max_per_instruction) == (400, 20)
        assert config.llm_for("exemplars").model == "stronger-model"
        assert config.llm_for("exemplars").base_url == config.llm.base_url
        assert config.llm_for("answer").model == "my-model"

    def test_the_papers_config_reads(self) -> None:
        config = load_config(REPOSITORY / "configs" / "paper.yaml")
        assert isinstance(config.match.encoder, ClipEncoder)
        assert config.match.encoder.model == "openai/clip-vit-large-patch14-336"
        assert (config.split.n_instructions, config.split.images_per_instruction) == (33, 3)

    def test_the_embedded_model_is_the_default_and_asks_for_small_prompts(self) -> None:
        config = parse_config(MINIMAL, "c.yaml", Path("/base"))
        assert (config.llm.kind, config.llm.prompt_style) == ("embedded", "small")

    def test_the_reply_store_lies_beside_the_file_unless_told_otherwise(self) -> None:
        assert parse_config(MINIMAL, "c.yaml", Path("/base")).replies == "/base/replies"

    def test_another_kind_in_a_stage_starts_afresh(self) -> None:
        text = MINIMAL + "answer: {llm: {base_url: 'http://x/v1', model: big, kind: http}}\n"
        config = parse_config(text, "c.yaml", Path("/base"))
        assert config.llm_for("answer").prompt_style == "standard"
        assert config.llm_for("augment").kind == "embedded"

    def test_paths_in_overrides_are_relative_to_the_current_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        config = parse_config(MINIMAL, "c.yaml", Path("/base"), ["run_dir=mine", "images.0.image_root=pictures"])
        assert config.run_dir == str(tmp_path / "mine")
        assert config.images[0].image_root == str(tmp_path / "pictures")  # type: ignore[union-attr]

    def test_addresses_of_object_stores_are_left_alone(self) -> None:
        assert parse_config(MINIMAL, "c.yaml", Path("/base"), ["run_dir=s3://bucket/run"]).run_dir == "s3://bucket/run"

    def test_a_model_is_a_folder_where_there_is_one_and_else_a_hub_name(self, tmp_path: Path) -> None:
        (tmp_path / "clip").mkdir()
        for name, expected in (("clip", str(tmp_path / "clip")), ("openai/clip", "openai/clip")):
            text = MINIMAL + f"match: {{encoder: {{kind: clip, model: {name}}}}}\n"
            encoder = parse_config(text, "c.yaml", tmp_path).match.encoder
            assert isinstance(encoder, ClipEncoder) and encoder.model == expected

    def test_what_is_written_reads_back_to_the_same(self) -> None:
        text = MINIMAL + (
            "llm: {base_url: 'http://x/v1', model: m, concurrency: 7,\n"
            "      price: {prompt_per_million: 1, completion_per_million: 2}}\n"
            "exemplars: {llm: {model: big}}\nfilter: {language: null}\nanswer: {llm: {kind: embedded}}\n"
        )
        config = parse_config(text, "c.yaml", Path("/base"))
        again = parse_config(dump_config(config), "c.yaml", Path("/elsewhere"))
        assert again.model_dump() == config.model_dump()
        assert again.llm_for("exemplars") == config.llm_for("exemplars")
        assert again.llm_for("exemplars").concurrency == 7
        assert again.filter.language is None


class TestFaults:
    def test_all_are_reported_at_once_with_their_places(self) -> None:
        text = (
            "run_dir: r\n"
            "images:\n"
            "  - {format: coco, path: captions.json, colour: red}\n"
            "augment: {n_instructons: 400, shots: three}\n"
            "match:\n"
            "  per_image: 0\n"
            "  temperature: -1\n"
            "sede: 1\n"
        )
        lines = faults(text)
        assert len(lines) == 6
        assert "c.yaml:3:41: unknown key 'images.0.colour'" in lines
        assert "c.yaml:4:11: unknown key 'augment.n_instructons'; did you mean 'n_instructions'?" in lines
        assert any(line.startswith("c.yaml:4:31: augment.shots: found 'three';") for line in lines)
        assert "c.yaml:6:3: match.per_image: found 0; input should be greater than or equal to 1" in lines
        assert any(line.startswith("c.yaml:7:3: match.temperature: found -1;") for line in lines)
        assert "c.yaml:8:1: unknown key 'sede'; did you mean 'seed'?" in lines

    def test_a_hint_names_a_key_of_this_kind_of_file(self) -> None:
        assert "pretrain" in Recipe.model_fields  # a recipe's, which is imported here: no hint for a run's file
        assert faults(MINIMAL + "pretrian: 1\n") == ["c.yaml:4:1: unknown key 'pretrian'"]

    def test_a_missing_key_is_named(self) -> None:
        assert faults("images: [{format: coco, path: c.json}]\n") == ["c.yaml: 'run_dir' is missing"]

    def test_a_fault_in_an_override_names_the_override(self) -> None:
        (line,) = faults(MINIMAL, "match.per_image=many")
        assert line.startswith("-o match.per_image=many: match.per_image: found 'many'")

    def test_an_endpoint_without_a_model_names_the_stages(self) -> None:
        (line,) = faults(MINIMAL + "llm: {base_url: 'http://x/v1'}\nanswer: {llm: {model: m}}\n")
        assert "`model` must be set for augment, summarize, exemplars" in line

    def test_two_sources_of_one_name_are_told_apart(self) -> None:
        (line,) = faults("run_dir: r\nimages: [{format: coco, path: a/c.json}, {format: coco, path: b/c.json}]\n")
        assert "2 sources are called 'c'" in line

    def test_an_unknown_format_lists_those_there_are(self) -> None:
        (line,) = faults("run_dir: r\nimages: [{format: coko, path: c.json}]\n")
        assert line.startswith("c.yaml:2:10: images.0:") and "webdataset" in line

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a: [1\n", r"c\.yaml:2:1: this is not YAML"),
            ("- 1\n", "found no sections"),
            ("", "found no sections"),
            ("seed: 1\nseed: 2\n", r"c\.yaml:2:1: key 'seed' stands here and in line 1"),
        ],
    )
    def test_what_is_no_config_is_said_so(self, text: str, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            read(text)

    @pytest.mark.parametrize("override", ["match.per_image", "=3", "images.7.path=x", "seed.deep=1"])
    def test_an_override_that_cannot_be_set_is_named(self, override: str) -> None:
        with pytest.raises(ConfigError, match="-o "):
            read(MINIMAL + "seed: 1\n", override)

    def test_a_missing_file_says_how_to_make_one(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"cannot be read.*mminstruct init"):
            load_config(tmp_path / "none.yaml")
