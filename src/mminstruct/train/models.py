"""The model of a stage: opened, frozen but for what learns, with adapters where they are asked for, and saved.

folder of a LLaVA  ─►  model and processor  ─►  which parameters learn  ─►  … training …  ─►  folder of a LLaVA
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from mminstruct.config.recipe import LoraSection
from mminstruct.encoders.checkpoints import open_checkpoint, open_model
from mminstruct.errors import ModelError
from mminstruct.train.build import IMAGE_TOKEN, llava_processor

PROJECTOR = "multi_modal_projector"
_PUBLISHED = (  # how weights' names begin: in memory, and in published files
    ("model.vision_tower.vision_model.", "vision_tower.vision_model."),
    ("model.vision_tower.", "vision_tower.vision_model."),
    ("model.language_model.", "language_model.model."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
    ("lm_head.", "language_model.lm_head."),
)
_EXPECTED = "a LLaVA in transformers' form, such as llava-hf/llava-1.5-7b-hf or a folder that `mminstruct train` wrote"


def open_llava(model: str, dtype: str = "float32") -> tuple[Any, Any]:
    """Return a LlavaForConditionalGeneration and its LlavaProcessor, which pads images to squares.

    Raises ModelError where there is none, or another kind of model.
    """
    from transformers import AutoConfig, AutoTokenizer, LlavaForConditionalGeneration

    config = open_checkpoint(AutoConfig.from_pretrained, model, _EXPECTED)
    if config.model_type != "llava":
        raise ModelError(f"{model} is a model of the kind {config.model_type!r}. Expected {_EXPECTED}.")
    tokenizer = open_checkpoint(AutoTokenizer.from_pretrained, model, _EXPECTED)
    found = tokenizer.convert_ids_to_tokens(config.image_token_id)
    if found != IMAGE_TOKEN:
        raise ModelError(f"{model} has {found!r} as its image token. Expected {IMAGE_TOKEN!r}.")
    processor = llava_processor(model, config.vision_config, tokenizer, config.vision_feature_select_strategy)
    load = LlavaForConditionalGeneration.from_pretrained
    return open_model(model, _EXPECTED, load=load, dtype=dtype), processor


def image_tokens(processor: Any) -> int:
    """Return how many tokens an image is: 576 for a ViT-L/14 at 336 pixels without its class token."""
    side = processor.image_processor.crop_size["height"] // processor.patch_size
    n_dropped = 1 if processor.vision_feature_select_strategy == "default" else 0
    return int(side * side + processor.num_additional_image_tokens - n_dropped)


def prepare_to_learn(
    model: Any, parts: Literal["projector", "language_model"], lora: LoraSection | None, frozen_dtype: str | None
) -> Any:
    """Return the model with all frozen but the projector, and the language model or adapters in it.

    The vision tower is frozen always. What is frozen is kept in `frozen_dtype`, what learns in float32; with None both
    stay as they are, for DeepSpeed sees to that.
    """
    import torch

    model.requires_grad_(False)
    model.model.multi_modal_projector.requires_grad_(True)
    if parts == "language_model" and lora is None:
        model.model.language_model.requires_grad_(True)
        model.lm_head.requires_grad_(True)
    if frozen_dtype is not None:
        for parameter in model.parameters():
            parameter.data = parameter.data.to(torch.float32 if parameter.requires_grad else _torch_dtype(frozen_dtype))
    return model if lora is None else _with_adapters(model, lora)


def _with_adapters(model: Any, lora: LoraSection) -> Any:
    """Return the model with adapters on every linear layer of the language model, as `find_all_linear_names` has it."""
    import torch
    from peft import LoraConfig, get_peft_model

    linear = [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and ".language_model." in f".{name}"
    ]
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        bias="none",
        target_modules=linear,
        modules_to_save=[PROJECTOR],  # it learns as a whole, and is saved with the adapters
    )
    return get_peft_model(model, config)


def merged(start: str, adapters: Path, dtype: str) -> Any:
    """Return the model `start` with what the adapters and the projector in `adapters` have learnt."""
    from peft import PeftModel
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    # Else ZeRO-3 would share out this model too, which one process alone opens.
    unset_hf_deepspeed_config()  # type: ignore[no-untyped-call]
    model, _ = open_llava(start)
    with_adapters: Any = PeftModel.from_pretrained(model, str(adapters))
    return with_adapters.merge_and_unload().to(_torch_dtype(dtype))


def save_llava(model: Any, processor: Any, folder: Path, weights: Mapping[str, Any] | None = None) -> None:
    """Write a plain folder, which transformers' `from_pretrained` and vLLM load.

    `weights` are given where the model has not all of its own: DeepSpeed shares them out over the devices. They get
    the names that they have in llava-hf/llava-1.5-7b-hf. Those that transformers 5.23 would write lack a part of the
    vision tower's, and vLLM 0.32 does not know them.
    """
    named = {published_name(name): weight for name, weight in (weights or model.state_dict()).items()}
    if model.lm_head.weight is model.get_input_embeddings().weight:
        del named[published_name("lm_head.weight")]
    model.save_pretrained(folder, state_dict=named, save_original_format=False)
    processor.save_pretrained(folder)


def published_name(name: str) -> str:
    """Return the name of a weight in a published LLaVA, for its name in memory.

    >>> published_name("model.vision_tower.pre_layrnorm.bias")
    'vision_tower.vision_model.pre_layrnorm.bias'
    """
    for ours, published in _PUBLISHED:
        if name.startswith(ours):
            return published + name.removeprefix(ours)
    return name


def learning_groups(model: Any, projector_rate: float, rate: float) -> list[dict[str, Any]]:
    """Return what learns as an optimiser's groups, the projector with a learning rate of its own."""
    groups = [(projector_rate, True), (rate, False)]
    named = [(PROJECTOR in name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    found = [(lr, [parameter for is_projector, parameter in named if is_projector == wanted]) for lr, wanted in groups]
    return [{"params": parameters, "lr": lr} for lr, parameters in found if parameters]


def n_parameters(parameters: Iterable[Any]) -> int:
    """Return how many numbers the parameters have; of one that DeepSpeed shares out, with those on other devices."""
    return sum(int(getattr(parameter, "ds_numel", parameter.numel())) for parameter in parameters)


def projector_parameters(model: Any) -> list[Any]:
    """Return what learns of the projector."""
    return [p for name, p in model.named_parameters() if PROJECTOR in name and p.requires_grad]


def _torch_dtype(name: str) -> Any:
    import torch

    return getattr(torch, name)
