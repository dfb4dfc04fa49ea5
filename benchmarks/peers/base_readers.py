"""TRL, datasets and webdataset: the readers that stand among the tests' packages, on one export each.

python base_readers.py FORMAT EXPORT MODEL OUT.json     see trainer_loaders.py
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from peers.loaded_rows import loaded_row, read_row, write_rows


def trl_rows(export: Path, model: str) -> list[dict[str, Any]]:
    """Return what `SFTTrainer` gives a model, row after row."""
    from datasets import load_dataset
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    files = [str(shard) for shard in sorted(export.glob("data/*.parquet"))]
    data = load_dataset("parquet", data_files=files, split="train", cache_dir=str(export.parent / "cache"))
    processor = AutoProcessor.from_pretrained(model)  # type: ignore[no-untyped-call]
    trainer = SFTTrainer(
        AutoModelForImageTextToText.from_pretrained(model),
        SFTConfig(
            str(export.parent / "trained"),
            per_device_train_batch_size=1,
            max_length=None,
            report_to="none",
            use_cpu=True,
            bf16=False,
            shuffle_dataset=False,
        ),
        train_dataset=data,
        processing_class=processor,
    )
    rows = []
    prepared: Any = trainer.train_dataset
    for row in prepared:
        batch = trainer.data_collator([row])
        rows.append(
            loaded_row(
                batch["input_ids"][0].tolist(),
                batch["labels"][0].tolist(),
                lambda ids: processor.tokenizer.decode(ids, clean_up_tokenization_spaces=False),
                batch.get("pixel_values"),
            )
        )
    return rows


def hf_rows(export: Path, model: str) -> list[dict[str, Any]]:
    """Return what `load_dataset` of the folder gives."""
    from datasets import load_dataset

    data = load_dataset(str(export), split="train", cache_dir=str(export.parent / "cache"))
    return [read_row([row["instruction"], row["answer"]], [row["image"]]) for row in data]


def webdataset_rows(export: Path, model: str) -> list[dict[str, Any]]:
    """Return what webdataset decodes."""
    import webdataset

    rows = []
    tars = [str(tar) for tar in sorted(export.glob("*.tar"))]
    for record in webdataset.WebDataset(tars, shardshuffle=False).decode("pil"):
        texts = [turn["value"].replace("<image>", "") for turn in record["json"]["conversations"]]
        rows.append(read_row(texts, [record[ending] for ending in ("jpg", "jpeg", "png", "webp") if ending in record]))
    return rows


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    name, folder, checkpoint, out = sys.argv[1:]
    readers = {"trl": trl_rows, "hf": hf_rows, "webdataset": webdataset_rows}
    write_rows(out, readers[name](Path(folder), checkpoint))
