from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from mminstruct.config.recipe import DataFile
from mminstruct.errors import TrainingError
from mminstruct.train.batches import PreparedRows, collate
from mminstruct.train.models import image_tokens, open_llava
from mminstruct.train.rows import RowLimits, prepare_rows
from mminstruct.train.template import IGNORED, SYSTEM_V1, Template
from support.tiny_llava import save_tiny_llava
from support.tiny_training import row, save_rows

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    return open_llava(str(save_tiny_llava(tmp_path_factory.mktemp("llava"))))


def prepared(folder: Path, processor: Any, rows: list[dict[str, Any]]) -> PreparedRows:
    file = DataFile(path=str(save_rows(folder / "data", rows)), image_root=None)
    limits = RowLimits(512, image_tokens(processor))
    prepare_rows([file], Template(processor.tokenizer, "v1"), limits, folder / "rows")
    return PreparedRows(folder / "rows", processor, image_tokens(processor))


def hand_written_loss(model: Any, processor: Any, folder: Path, rows: list[dict[str, Any]]) -> float:
    """Return the mean negative log likelihood of the answers' tokens, from single rows, without padding or labels.

    The tokens are those of the processor of transformers for the same text, one character run at a time; the model
    sees one row at a time, and the log likelihoods are read from its logits.
    """
    import torch

    tokenizer, total, n = processor.tokenizer, 0.0, 0
    for found in rows:
        question, answer = (turn["value"] for turn in found["conversations"])
        prompt = f"{SYSTEM_V1} USER: {question} ASSISTANT:"
        image = PIL.Image.open(folder / found["image"]).convert("RGB") if "image" in found else None
        inputs = processor(text=[prompt], images=[image] if image else None, return_tensors="pt")
        start = inputs["input_ids"][0].tolist()
        ids = [*start, *tokenizer.encode(f" {answer}", add_special_tokens=False), tokenizer.eos_token_id]
        given = {"pixel_values": inputs["pixel_values"]} if image else {}
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([ids]), **given).logits[0].double()
        for place in range(len(start), len(ids)):
            total -= float(torch.log_softmax(logits[place - 1], dim=-1)[ids[place]])
            n += 1
    return total / n


@pytest.mark.parametrize("kind", ["with images", "text alone", "both"])
def test_a_batch_s_loss_is_that_of_a_hand_written_computation(
    kind: str, llava: tuple[Any, Any], tmp_path: Path
) -> None:
    model, processor = llava
    images = {"with images": ("", "", ""), "text alone": (None, None, None), "both": ("", None, "")}[kind]
    answers = ("Yes.", "A plain green picture with nothing in it at all.", "Blue")
    rows = [row(number, image=images[number], answer=answers[number]) for number in range(3)]
    ready = prepared(tmp_path, processor, rows)
    batch = collate([ready[position] for position in range(3)], processor.tokenizer.pad_token_id)
    del batch["rows"]
    loss = model(**batch).loss.item()
    assert loss == pytest.approx(hand_written_loss(model, processor, tmp_path / "data", rows), rel=1e-5)


class TestRows:
    def test_an_image_is_padded_to_a_square_with_the_mean_colour(self, llava: tuple[Any, Any], tmp_path: Path) -> None:
        _, processor = llava
        ready = prepared(tmp_path, processor, [row(0)])
        PIL.Image.new("RGB", (64, 16), "red").save(tmp_path / "data/images/0.png")
        pixels = ready[0]["pixel_values"].numpy()
        settings = processor.image_processor
        red = (np.array([1.0, 0, 0]) - settings.image_mean) / settings.image_std
        assert np.abs(pixels[:, 0]).max() < 0.02  # the mean colour is 0 once it is scaled
        assert np.abs(pixels[:, -1]).max() < 0.02
        assert pixels[:, 16, 16] == pytest.approx(red, abs=0.02)

    def test_a_worker_opens_the_file_by_itself(self, llava: tuple[Any, Any], tmp_path: Path) -> None:
        ready = prepared(tmp_path, llava[1], [row(0), row(1)])
        again = pickle.loads(pickle.dumps(ready))
        assert again[1]["input_ids"].tolist() == ready[1]["input_ids"].tolist()

    def test_an_image_that_goes_after_the_check_stops_the_training(
        self, llava: tuple[Any, Any], tmp_path: Path
    ) -> None:
        ready = prepared(tmp_path, llava[1], [row(0)])
        (tmp_path / "data/images/0.png").unlink()
        with pytest.raises(TrainingError, match="'row-0' does not open any more"):
            ready[0]

    def test_a_subset_is_named_by_its_places_in_the_file(self, llava: tuple[Any, Any], tmp_path: Path) -> None:
        ready = prepared(tmp_path, llava[1], [row(0), row(1, image=None), row(2)]).subset(np.array([1, 2]))
        assert ready.column("id") == ["row-1", "row-2"]
        assert ready.has_image.tolist() == [False, True]
        assert ready.row_id(ready[1]["row"]) == "row-2"


def test_padding_is_neither_attended_to_nor_learnt(llava: tuple[Any, Any], tmp_path: Path) -> None:
    ready = prepared(tmp_path, llava[1], [row(0, answer="Yes."), row(1, image=None, answer="No, not at all, I say.")])
    batch = collate([ready[0], ready[1]], 2)
    for position in (0, 1):
        n_tokens = int(ready.n_tokens[position])
        assert batch["attention_mask"][position].sum() == n_tokens
        assert set(batch["labels"][position][n_tokens:].tolist()) <= {IGNORED}
    assert batch["pixel_values"].shape == (1, 3, 32, 32)
