"""LLaVA's own way from train.json to batches: LazySupervisedDataset, preprocess_v1 and the collator of its train.py.

python llava_loader.py EXPORT MODEL OUT.json     see trainer_loaders.py

MODEL is not used: Vicuna's tokenizer is a SentencePiece one, so a small one is trained on the export's own words.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from peers.loaded_rows import loaded_row, write_rows


def _tokenizer(train_file: Path, model_file: Path) -> Any:
    """Return a Llama tokenizer with the settings of Vicuna-1.5 and a vocabulary of its own."""
    import sentencepiece  # type: ignore[import-not-found]
    from transformers import LlamaTokenizer

    with model_file.open("wb") as model:
        sentencepiece.SentencePieceTrainer.train(
            input=str(train_file),
            model_writer=model,
            model_type="bpe",
            vocab_size=600,
            hard_vocab_limit=False,
            byte_fallback=True,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            unk_id=0,
            bos_id=1,
            eos_id=2,
            pad_id=-1,
        )
    tokenizer: Any = LlamaTokenizer(str(model_file), legacy=False, model_max_length=8192, padding_side="right")
    tokenizer.pad_token = tokenizer.unk_token  # as its train() does
    return tokenizer


def main() -> None:
    """Read `EXPORT MODEL OUT`, load, write the rows."""
    import torch
    from llava import conversation  # type: ignore[import-not-found]
    from llava.train.train import make_supervised_data_module  # type: ignore[import-not-found]
    from transformers import CLIPImageProcessor

    export, _, out = sys.argv[1:]
    train_file = Path(export) / "train.json"
    tokenizer = _tokenizer(train_file, Path(f"{out}.model"))
    conversation.default_conversation = conversation.conv_templates["v1"]
    side = {"height": 56, "width": 56}
    arguments = SimpleNamespace(
        data_path=str(train_file),
        image_folder=export,
        image_processor=CLIPImageProcessor(size=side, crop_size=side),
        image_aspect_ratio="square",
        is_multimodal=True,
        mm_use_im_start_end=False,
    )
    module = make_supervised_data_module(tokenizer, arguments)
    data, collator = module["train_dataset"], module["data_collator"]
    rows = []
    for number in range(len(data)):
        batch = collator([data[number]])
        # A row without an image gets one of zeros, which its model leaves out.
        images = batch["images"] if torch.count_nonzero(batch["images"]) else None
        rows.append(loaded_row(batch["input_ids"][0].tolist(), batch["labels"][0].tolist(), tokenizer.decode, images))
    write_rows(out, rows)


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    main()
