"""Axolotl's own way from JSON Lines of messages to batches: its config, its data sets, its collator for images.

python axolotl_loader.py FILE MODEL OUT.json [boundaries]     see trainer_loaders.py; started in the export's folder

With `boundaries` its config names `role_boundaries`: without them its strategy for LLaVA trains on questions too.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from peers.loaded_rows import loaded_row, write_rows

# For the template `llava`. No spaces at the ends: many tokenizers join a space to the word behind it.
BOUNDARIES = [{"role": "assistant", "start": "ASSISTANT:", "end": "USER:", "include_end": False}]


def main() -> None:
    """Read `FILE MODEL OUT [boundaries]`, load, write the rows."""
    from axolotl.loaders import load_processor, load_tokenizer  # type: ignore[import-not-found]
    from axolotl.processing_strategies import get_processing_strategy  # type: ignore[import-not-found]
    from axolotl.utils.chat_templates import get_chat_template  # type: ignore[import-not-found]
    from axolotl.utils.collators.mm_chat import MultiModalChatDataCollator  # type: ignore[import-not-found]
    from axolotl.utils.data import prepare_datasets  # type: ignore[import-not-found]
    from axolotl.utils.dict import DictDefault  # type: ignore[import-not-found]

    file, model, out, *more = sys.argv[1:]
    settings: dict[str, Any] = {
        "base_model": model,
        "tokenizer_config": model,
        "processor_config": model,
        "processor_type": "AutoProcessor",
        "chat_template": "llava",
        "skip_prepare_dataset": True,
        "remove_unused_columns": False,
        "sample_packing": False,
        "sequence_len": 8192,
        "datasets": [{"path": file, "ds_type": "json", "type": "chat_template"}],
        "dataset_prepared_path": f"{out}.prepared",
        "batch_size": 1,
        "micro_batch_size": 1,
        "num_epochs": 1,
        "max_steps": 1,
        "seed": 0,
        "val_set_size": 0,
        "shuffle_merged_datasets": False,
    }
    config = DictDefault(settings)
    tokenizer = load_tokenizer(config)
    processor = load_processor(config, tokenizer)
    data = prepare_datasets(config, tokenizer, processor)[0]
    strategy = get_processing_strategy(
        processor,
        get_chat_template("llava", tokenizer=tokenizer),
        "llava",
        role_boundaries_override=BOUNDARIES if more else None,
    )
    collator = MultiModalChatDataCollator(tokenizer, strategy)
    rows = []
    for row in data:
        batch = collator([row])
        rows.append(
            loaded_row(
                batch["input_ids"][0].tolist(),
                batch["labels"][0].tolist(),
                lambda ids: tokenizer.decode(ids, clean_up_tokenization_spaces=False),
                batch.get("pixel_values"),
            )
        )
    write_rows(out, rows)


if __name__ == "__main__":
    os.environ |= {"HF_HUB_OFFLINE": "1", "AXOLOTL_DO_NOT_TRACK": "1"}
    main()
