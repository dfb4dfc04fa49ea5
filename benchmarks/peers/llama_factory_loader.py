"""LLaMA-Factory's own way from a ShareGPT folder to batches: dataset_info.json, converter, template, mask, collator.

python llama_factory_loader.py EXPORT MODEL OUT.json     see trainer_loaders.py
"""

from __future__ import annotations

import importlib.machinery
import os
import sys
import types
from typing import Any

from peers.loaded_rows import loaded_row, write_rows


def main() -> None:
    """Read `EXPORT MODEL OUT`, load, write the rows."""
    import transformers  # noqa: F401  # before torchaudio's stand-in, for it asks for that package's version

    # Its data code imports torchaudio for sounds, whose wheel does not load without CUDA.
    sys.modules["torchaudio"] = types.ModuleType("torchaudio")
    sys.modules["torchaudio"].__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)
    from llamafactory.data import (  # type: ignore[import-not-found]
        SFTDataCollatorWith4DAttentionMask,
        get_dataset,
        get_template_and_fix_tokenizer,
    )
    from llamafactory.hparams import get_train_args  # type: ignore[import-not-found]
    from llamafactory.model import load_tokenizer  # type: ignore[import-not-found]

    export, model, out = sys.argv[1:]
    settings: dict[str, Any] = {
        "stage": "sft",
        "do_train": True,
        "model_name_or_path": model,
        "dataset_dir": export,
        "dataset": "mm_instruct",
        "template": "llava",
        "cutoff_len": 8192,
        "output_dir": f"{out}.trained",
        "report_to": "none",
        "use_cpu": True,
        "bf16": False,
    }
    model_args, data_args, training_args, _, _ = get_train_args(settings)
    loaded = load_tokenizer(model_args)
    tokenizer, processor = loaded["tokenizer"], loaded["processor"]
    template = get_template_and_fix_tokenizer(tokenizer, data_args)
    data = get_dataset(template, model_args, data_args, training_args, stage="sft", **loaded)["train_dataset"]
    collator = SFTDataCollatorWith4DAttentionMask(template=template, tokenizer=tokenizer, processor=processor)
    rows = []
    for row in data:
        has_image = bool(row["images"])  # a batch of text alone gets an image that stands for none
        batch = collator([dict(row)])
        pixels = batch["pixel_values"] if has_image else None
        n_tokens = len(row["input_ids"])
        rows.append(
            loaded_row(
                batch["input_ids"][0][:n_tokens].tolist(),
                batch["labels"][0][:n_tokens].tolist(),
                lambda ids: tokenizer.decode(ids, clean_up_tokenization_spaces=False),
                pixels,
            )
        )
    write_rows(out, rows)


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    main()
