"""A LLaVA from parts: a vision tower, a language model, and between them a new projector.

    CLIP or SigLIP folder + causal LM folder or GGUF file  ─►  LlavaForConditionalGeneration and its processor

The projector is Linear–GELU–Linear on the second-to-last layer of the tower; of CLIP the class token is dropped, SigLIP
has none. The result is saved as a plain folder of transformers, which vLLM and `bench respond --checkpoint` open.
"""

from __future__ import annotations

import importlib.util
import io
from contextlib import redirect_stderr
from importlib.resources import files
from pathlib import Path
from typing import Any

from mminstruct.encoders.checkpoints import open_checkpoint, open_model, require_transformers
from mminstruct.errors import MissingExtraError, ModelError
from mminstruct.llm.embedded import model_file

EMBEDDED = "embedded"  # in place of a folder: the small language model that comes in a wheel
RANDOM = "random"  # in place of a folder: a tiny vision tower that never saw an image, to try the chain with
IMAGE_TOKEN = "<image>"
_TOWERS = {"clip": "default", "clip_vision_model": "default", "siglip": "full", "siglip_vision_model": "full"}
_TINY: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": 112,
    "patch_size": 28,
}
_VISION = "a folder, or a name on the hub, of a CLIP or SigLIP model"
_LANGUAGE = "a causal language model: a folder, a name on the hub, a *.gguf file, or `embedded`"


def build_llava(vision: str, language: str, seed: int = 0, dtype: str = "float32") -> tuple[Any, Any]:
    """Return a LlavaForConditionalGeneration, whose projector alone is new and random, and its LlavaProcessor.

    Raises ModelError where a part does not load or is of a kind that does not fit, MissingExtraError where transformers
    or, for a GGUF, its reader is not installed.
    """
    require_transformers("train")
    import torch
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    torch.manual_seed(seed)
    tower, strategy = _open_tower(vision, dtype)
    text, tokenizer = _open_language(language, dtype)
    image_token_id = _add_image_token(tokenizer, text)
    config: Any = LlavaConfig
    patches = (tower.config.image_size // tower.config.patch_size) ** 2
    config = config(
        vision_config=tower.config,
        text_config=text.config,
        image_token_index=image_token_id,
        image_seq_length=patches,
        vision_feature_select_strategy=strategy,
        vision_feature_layer=-2,
        projector_hidden_act="gelu",
    )
    model: Any = LlavaForConditionalGeneration(config).to(getattr(torch, dtype))
    model.model.vision_tower.load_state_dict(tower.state_dict())
    model.model.language_model.load_state_dict(text.get_decoder().state_dict())
    model.lm_head.load_state_dict(text.get_output_embeddings().state_dict())
    model.tie_weights()
    model.generation_config.bos_token_id = tokenizer.bos_token_id
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model, llava_processor(vision, tower.config, tokenizer, strategy)


def _open_tower(vision: str, dtype: str) -> tuple[Any, str]:
    """Return the vision part of a checkpoint, and which of its features LLaVA takes."""
    from transformers import AutoConfig, CLIPVisionConfig, CLIPVisionModel, SiglipVisionModel

    if vision == RANDOM:
        return CLIPVisionModel(CLIPVisionConfig(**_TINY)), _TOWERS["clip"]
    kind = open_checkpoint(AutoConfig.from_pretrained, vision, _VISION).model_type
    if kind not in _TOWERS:
        raise ModelError(f"{vision} is a model of the kind {kind!r}. Expected {_VISION}.")
    tower = CLIPVisionModel if kind.startswith("clip") else SiglipVisionModel
    return open_model(vision, _VISION, load=tower.from_pretrained, dtype=dtype), _TOWERS[kind]


def _open_language(language: str, dtype: str) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    settings: dict[str, Any] = {}
    path = model_file() if language == EMBEDDED else Path(language)
    if path.suffix == ".gguf":
        _require_gguf()
        if not path.is_file():
            raise ModelError(f"There is no file {path}. Expected {_LANGUAGE}.")
        language, settings = str(path.parent), {"gguf_file": path.name}
    tokenizer = open_checkpoint(AutoTokenizer.from_pretrained, language, _LANGUAGE, **settings)

    def load(model: str, **given: Any) -> Any:
        return AutoModelForCausalLM.from_pretrained(model, **settings, **given)

    with redirect_stderr(io.StringIO()):  # transformers draws a bar for a GGUF, whatever it is told
        model = open_model(language, _LANGUAGE, load=load, dtype=dtype)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config  # of the GGUF; its weights are plain numbers now
    return model, tokenizer


def _require_gguf() -> None:
    if importlib.util.find_spec("gguf") is None:
        raise MissingExtraError("gguf", "A language model from a GGUF file", "pip install 'mminstruct[train]'")


def _add_image_token(tokenizer: Any, text: Any) -> int:
    """Give the tokenizer its image token, and a token to pad with; return the image token's id."""
    tokenizer.chat_template = None  # it knows no images; LLaVA's prompt takes its place
    tokenizer.add_special_tokens({"additional_special_tokens": [IMAGE_TOKEN]})
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token  # the attention mask tells it from an end
    if text.get_input_embeddings().num_embeddings < len(tokenizer):
        text.resize_token_embeddings(len(tokenizer))
    return int(tokenizer.convert_tokens_to_ids(IMAGE_TOKEN))


def llava_processor(source: str, config: Any, tokenizer: Any, strategy: str) -> Any:
    """Return the processor: images padded to a square with the mean colour, and LLaVA-1.5's prompt as chat template.

    `config` is the vision tower's; mean and standard deviation of the colours are those of the checkpoint `source`.
    """
    from transformers import AutoImageProcessor, LlavaImageProcessorPil, LlavaProcessor

    colours: dict[str, Any] = {}
    if source != RANDOM:
        images = open_checkpoint(AutoImageProcessor.from_pretrained, source, _VISION, backend="pil")
        colours = {"image_mean": list(images.image_mean), "image_std": list(images.image_std)}
    side = config.image_size
    processor: Any = LlavaProcessor
    return processor(
        LlavaImageProcessorPil(
            do_pad=True, size={"shortest_edge": side}, crop_size={"height": side, "width": side}, **colours
        ),
        tokenizer,
        patch_size=config.patch_size,
        vision_feature_select_strategy=strategy,
        num_additional_image_tokens=1 if strategy == "default" else 0,
        image_token=IMAGE_TOKEN,
        chat_template=files("mminstruct.train").joinpath("llava_v1.jinja").read_text(encoding="utf-8"),
    )
