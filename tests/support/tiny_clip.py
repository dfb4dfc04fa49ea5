"""A tiny real CLIP made from a config, with random weights, for tests that need images matched by pixels."""

from pathlib import Path
from typing import Any

CORPUS = ["write a poem about the cat in the image", "plan a trip", "describe the image"]
TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def save_tokenizer(folder: Path, template: str, specials: list[str], max_tokens: int) -> int:
    """Train a small byte-level BPE tokenizer, save it, and return the size of its vocabulary."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    ids = [(token, tokenizer.token_to_id(token)) for token in specials]
    tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=ids)
    names: dict[str, Any] = {f"{token.strip('<>')}_token": token for token in specials}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=max_tokens, **names).save_pretrained(folder)  # type: ignore[no-untyped-call]
    return int(tokenizer.get_vocab_size())


def save_tiny_clip(folder: Path) -> Path:
    """Write the checkpoint into `folder` and return it."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    n_words = save_tokenizer(folder, "<bos> $A <eos>", ["<bos>", "<eos>", "<pad>"], 77)
    text = {
        **TOWER,
        "vocab_size": n_words,
        "max_position_embeddings": 77,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 2,
    }
    vision = {**TOWER, "image_size": 32, "patch_size": 8}
    torch.manual_seed(0)
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)).save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder
