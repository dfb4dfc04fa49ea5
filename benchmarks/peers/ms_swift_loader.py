"""ms-swift's own way from a training file to batches: load_dataset with its converters, the template of LLaVA-1.5.

python ms_swift_loader.py FILE MODEL OUT.json     see trainer_loaders.py
"""

from __future__ import annotations

import os
import sys

from peers.loaded_rows import loaded_row, write_rows


def main() -> None:
    """Read `FILE MODEL OUT`, load, write the rows."""
    from swift.dataset import load_dataset  # type: ignore[import-not-found]
    from swift.model import get_processor  # type: ignore[import-not-found]
    from swift.template import get_template  # type: ignore[import-not-found]

    file, model, out = sys.argv[1:]
    processor = get_processor(model, model_type="llava1_5_hf")
    template = get_template(processor, max_length=8192)
    template.set_mode("train")
    data, _ = load_dataset([file], strict=True, load_from_cache_file=False)
    rows = []
    for row in data:
        encoded = template.encode(row)
        batch = template.data_collator([encoded])
        rows.append(
            loaded_row(
                encoded["input_ids"],
                encoded["labels"],
                lambda ids: template.tokenizer.decode(ids, clean_up_tokenization_spaces=False),
                batch.get("pixel_values"),
            )
        )
    write_rows(out, rows)


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    main()
