import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from mminstruct.errors import ModelError
from mminstruct.evaluate.model import check_model, folder_fingerprint, with_template
from support.fake_lmms_eval import save_model_files
from support.tiny_llava import CHAT_TEMPLATE, save_tiny_llava

V1 = files("mminstruct.train").joinpath("llava_v1.jinja").read_text(encoding="utf-8")
ASKED = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite answers to the user's questions. USER: <image>\nWhat is it? ASSISTANT:"
)


class TestWithTemplate:
    def test_the_real_processor_asks_with_the_given_one(self, tmp_path: Path) -> None:
        from transformers import AutoProcessor

        model = save_tiny_llava(tmp_path / "tiny", CHAT_TEMPLATE)
        view = with_template(model, V1, tmp_path / "asked")
        load: Any = AutoProcessor.from_pretrained
        # content as lmms-eval's ChatMessages dump it
        content = [{"type": "image", "url": None}, {"type": "text", "text": "What is it?"}]
        turns = [{"role": "user", "content": content}]
        said = [
            load(folder).apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
            for folder in (view, model)
        ]
        assert said == [ASKED, "user: <image> What is it? assistant:"]
        assert (view / "model.safetensors").samefile(model / "model.safetensors")

    def test_a_model_that_has_it_is_taken_as_it_is(self, tmp_path: Path) -> None:
        model = save_model_files(tmp_path / "mine", template=V1 + "\n")
        assert with_template(model, V1, tmp_path / "asked") == model
        assert not (tmp_path / "asked").exists()

    def test_an_older_folder_s_template_is_left_behind(self, tmp_path: Path) -> None:
        model = save_model_files(tmp_path / "mine")
        (model / "chat_template.json").write_text('{"chat_template": "old"}')
        view = with_template(model, V1, tmp_path / "asked")
        assert not (view / "chat_template.json").exists()
        assert (model / "chat_template.json").exists()

    def test_a_model_keeps_its_own_only_where_it_has_one(self, tmp_path: Path) -> None:
        model = save_model_files(tmp_path / "mine", template="own")
        assert with_template(model, None, tmp_path / "asked") == model
        bare = save_model_files(tmp_path / "bare")
        with pytest.raises(ModelError, match="--prompt v1"):
            with_template(bare, None, tmp_path / "asked")


class TestCheckModel:
    def test_a_model_of_another_kind_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2_vl"}))
        with pytest.raises(ModelError, match="model_type 'qwen2_vl', expected 'llava'"):
            check_model(tmp_path)

    @pytest.mark.parametrize("text", ["{", "[]"])
    def test_a_broken_config_is_named(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(ModelError, match="is not the JSON of a model's config"):
            check_model(tmp_path)


def test_a_fingerprint_changes_with_any_file(tmp_path: Path) -> None:
    model = save_model_files(tmp_path / "mine")
    before = folder_fingerprint(model)
    assert folder_fingerprint(model) == before
    (model / "new").write_text("")
    assert folder_fingerprint(model) != before
