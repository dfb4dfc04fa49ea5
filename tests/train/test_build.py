from __future__ import annotations

from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from mminstruct.bench.answers.checkpoint import Checkpoint
from mminstruct.errors import ModelError
from mminstruct.train.build import build_llava
from mminstruct.train.models import save_llava
from support.tiny_clip import TOWER, save_tiny_clip, save_tokenizer

pytest.importorskip("transformers")


def save_tiny_language(folder: Path, is_tied: bool = False) -> Path:
    """Write a Llama with random weights into `folder` and return it; `is_tied`: words out are words in."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    specials = ["<bos>", "<eos>", "<pad>"]
    n_words = save_tokenizer(folder, "<bos> $A", specials, 2048)
    config: Any = {**TOWER, "num_key_value_heads": 2, "vocab_size": n_words, "max_position_embeddings": 2048}
    torch.manual_seed(1)
    config |= {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2, "tie_word_embeddings": is_tied}
    LlamaForCausalLM(LlamaConfig(**config)).save_pretrained(folder)
    return folder


def save_tiny_siglip(folder: Path) -> Path:
    import torch
    from transformers import SiglipImageProcessorPil, SiglipVisionConfig, SiglipVisionModel

    torch.manual_seed(2)
    config: dict[str, Any] = {**TOWER, "image_size": 32, "patch_size": 8}
    SiglipVisionModel(SiglipVisionConfig(**config)).save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("save", [save_tiny_clip, save_tiny_siglip])
class TestBuild:
    def test_answers_about_an_image_after_saving(self, save: Any, tmp_path: Path) -> None:
        vision, language = save(tmp_path / "vision"), save_tiny_language(tmp_path / "language")
        save_llava(*build_llava(str(vision), str(language)), tmp_path / "llava")
        picture = PIL.Image.new("RGB", (40, 20), "red")
        answer = Checkpoint(str(tmp_path / "llava"), "cpu").answer([("Describe the image", picture)], 4)
        assert len(answer) == 1

    def test_keeps_the_weights_of_its_parts(self, save: Any, tmp_path: Path) -> None:
        import torch
        from transformers import AutoModelForCausalLM

        vision, language = save(tmp_path / "vision"), save_tiny_language(tmp_path / "language")
        model, _ = build_llava(str(vision), str(language))
        text: Any = AutoModelForCausalLM.from_pretrained(language)
        n_words = text.config.vocab_size
        ids = torch.tensor([[0, 5, 9, 17]])
        with torch.inference_mode():
            assert torch.allclose(model(input_ids=ids).logits[..., :n_words], text(input_ids=ids).logits, atol=1e-5)
        assert model.config.text_config.vocab_size == n_words + 1  # the image token

    def test_one_token_for_each_feature_of_the_padded_image(self, save: Any, tmp_path: Path) -> None:
        vision, language = save(tmp_path / "vision"), save_tiny_language(tmp_path / "language")
        model, processor = build_llava(str(vision), str(language))
        inputs = processor(text=["<image>\nHello"], images=[PIL.Image.new("RGB", (64, 32), "red")], return_tensors="pt")
        assert int((inputs["input_ids"] == model.config.image_token_id).sum()) == 16
        features = model.get_image_features(inputs["pixel_values"]).pooler_output
        assert features[0].shape == (16, TOWER["hidden_size"])

    @pytest.mark.parametrize("is_tied", [False, True])
    def test_weights_have_the_names_of_published_models(self, is_tied: bool, save: Any, tmp_path: Path) -> None:
        """Those are all that vLLM knows: they are those of llava-hf/llava-1.5-7b-hf, layer by layer."""
        import torch
        from safetensors import safe_open
        from transformers import LlavaForConditionalGeneration

        vision, language = save(tmp_path / "vision"), save_tiny_language(tmp_path / "language", is_tied)
        model, processor = build_llava(str(vision), str(language))
        save_llava(model, processor, tmp_path / "llava")
        with safe_open(tmp_path / "llava/model.safetensors", "pt") as file:
            names = set(file.keys())
        heads = set() if is_tied else {"language_model.lm_head.weight"}
        assert {name for name in names if not name.startswith("vision_tower.vision_model.")} - heads == {
            *(f"multi_modal_projector.linear_{n}.{part}" for n in (1, 2) for part in ("weight", "bias")),
            *(name for name in names if name.startswith("language_model.model.")),
        }
        assert heads <= names
        assert {
            "language_model.model.embed_tokens.weight",
            "language_model.model.layers.0.self_attn.q_proj.weight",
            "vision_tower.vision_model.embeddings.patch_embedding.weight",
            "vision_tower.vision_model.encoder.layers.0.self_attn.q_proj.weight",
        } <= names
        again: Any = LlavaForConditionalGeneration.from_pretrained(tmp_path / "llava")
        found = again.state_dict()
        assert all(torch.equal(weight, found[name]) for name, weight in model.state_dict().items())


def test_the_language_model_s_own_chat_template_goes(tmp_path: Path) -> None:
    """SmolLM2's knows no images, and the model is trained on LLaVA's prompt."""
    from transformers import AutoTokenizer

    vision, language = save_tiny_clip(tmp_path / "vision"), save_tiny_language(tmp_path / "language")
    tokenizer: Any = AutoTokenizer.from_pretrained(language)
    tokenizer.chat_template = "{{ messages[0].content + '' }}"
    tokenizer.save_pretrained(language)
    save_llava(*build_llava(str(vision), str(language)), tmp_path / "llava")
    assert len(Checkpoint(str(tmp_path / "llava"), "cpu").answer([("Describe the image", None)], 4)) == 1


def test_a_tower_of_another_kind_is_named(tmp_path: Path) -> None:
    folder = save_tiny_language(tmp_path / "language")
    with pytest.raises(ModelError, match="kind 'llama'"):
        build_llava(str(folder), str(folder))
