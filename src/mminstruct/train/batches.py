"""Prepared rows as tensors: one row, and a batch of them.

rows.arrow  ─►  {"row": 17, "input_ids": (t,), "labels": (t,), "pixel_values": (3, side, side)}
            ─►  {"rows": (b,), "input_ids": (b, t), "labels": (b, t), "attention_mask": (b, t), "pixel_values": …}
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mminstruct.errors import TrainingError
from mminstruct.imaging import BadImage, decode_image
from mminstruct.train.rows import ROWS_FILE
from mminstruct.train.template import IGNORED

if TYPE_CHECKING:
    import torch


class PreparedRows:
    """A torch dataset over `rows.arrow`, which stays on disk: every worker maps the same file.

    Attributes: `indices`, the rows' places in the file, `(n,)`; `n_tokens`, `(n,)`; `has_image`, `(n,)`.
    """

    def __init__(
        self, folder: Path, processor: Any, n_image_tokens: int, indices: NDArray[np.int64] | None = None
    ) -> None:
        """Open all rows of `folder`, or those at `indices`."""
        self._folder = folder
        self._processor = processor
        self._n_image_tokens = n_image_tokens
        self._image_token_id: int = processor.tokenizer.convert_tokens_to_ids(processor.image_token)
        self._table: Any = None
        table = self._opened()
        self.indices = np.arange(len(table)) if indices is None else indices
        self.n_tokens: NDArray[np.int32] = table["n_tokens"].to_numpy()[self.indices]
        self.has_image: NDArray[np.bool_] = np.array([bool(image) for image in self.column("image")], dtype=bool)

    def subset(self, positions: NDArray[np.int64]) -> PreparedRows:
        """Return some of these rows."""
        return PreparedRows(self._folder, self._processor, self._n_image_tokens, self.indices[positions])

    def column(self, name: str) -> list[Any]:
        """Return one column of these rows."""
        return list(self._opened()[name].take(self.indices).to_pylist())

    def row_id(self, index: int) -> str:
        """Return the id of the row at a place in the file, which a batch has in `rows`."""
        return str(self._opened()["id"][index].as_py())

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> dict[str, Any]:
        """Return the row's tensors. Raises TrainingError where its image does not open any more."""
        import torch

        index = int(self.indices[position])
        row = {name: self._opened()[name][index] for name in ("image", "input_ids", "labels")}
        input_ids, labels = (np.array(row[name].values.to_numpy()) for name in ("input_ids", "labels"))
        times = np.where(input_ids == self._image_token_id, self._n_image_tokens, 1)
        example: dict[str, Any] = {
            "row": index,
            "input_ids": torch.from_numpy(np.repeat(input_ids, times).astype(np.int64)),
            "labels": torch.from_numpy(np.repeat(labels, times).astype(np.int64)),
        }
        if path := row["image"].as_py():
            example["pixel_values"] = self._pixels(Path(path), index)
        return example

    def _pixels(self, path: Path, index: int) -> torch.Tensor:
        try:
            image = decode_image(path.read_bytes())
        except (OSError, BadImage) as error:
            detail = error.detail if isinstance(error, BadImage) else str(error)
            raise TrainingError(
                f"The image {path} of row {self.row_id(index)!r} does not open any more: {detail}. It did before "
                "training began, or `check_images` is off. Put it back and run the same command again: training goes "
                "on from the last checkpoint."
            ) from error
        pixels: torch.Tensor = self._processor.image_processor(image, return_tensors="pt")["pixel_values"][0]
        return pixels

    def _opened(self) -> Any:
        if self._table is None:
            import pyarrow as pa

            with pa.memory_map(str(self._folder / ROWS_FILE)) as source:
                self._table = pa.ipc.open_file(source).read_all()
        return self._table

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_table": None}  # a worker that was not forked maps the file by itself


def collate(examples: Sequence[dict[str, Any]], pad_token_id: int) -> dict[str, torch.Tensor]:
    """Return the rows as one batch, filled up on the right; `pixel_values` has one image for each row that has one."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    input_ids = [example["input_ids"] for example in examples]
    batch = {
        "rows": torch.tensor([example["row"] for example in examples]),
        "input_ids": pad_sequence(input_ids, batch_first=True, padding_value=pad_token_id),
        "labels": pad_sequence([example["labels"] for example in examples], batch_first=True, padding_value=IGNORED),
        "attention_mask": pad_sequence([torch.ones_like(ids) for ids in input_ids], batch_first=True),
    }
    images = [example["pixel_values"] for example in examples if "pixel_values" in example]
    if images:
        batch["pixel_values"] = torch.stack(images)
    return batch
