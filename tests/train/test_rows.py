from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mminstruct.config.recipe import DataFile
from mminstruct.train.rows import LEFT_OUT_FILE, ROWS_FILE, RowCounts, RowLimits, held_out_mask, prepare_rows
from mminstruct.train.template import IGNORED, SYSTEM_V1, Template, TemplateName
from support.tiny_llava import save_tiny_llava
from support.tiny_training import row, save_rows

pytest.importorskip("transformers")

N_IMAGE_TOKENS = 16


def text_of(tokenizer: Any, ids: list[int]) -> str:
    """Return the text that the ids stand for; the tiny tokenizer has no decoder of its own."""
    return "".join(tokenizer.convert_ids_to_tokens(ids)).replace("Ġ", " ").replace("Ċ", "\n")


Prepare = Callable[..., tuple[RowCounts, list[dict[str, Any]], list[dict[str, Any]]]]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(save_tiny_llava(tmp_path_factory.mktemp("llava")))


@pytest.fixture
def prepare(tokenizer: Any, tmp_path: Path) -> Prepare:
    """Return what writes rows to a file and prepares them: counts, rows on disk, rows left out."""

    def prepared(
        rows: list[dict[str, Any]], template: TemplateName = "v1", check_images: bool = True, **limits: Any
    ) -> tuple[RowCounts, list[dict[str, Any]], list[dict[str, Any]]]:
        file = DataFile(path=str(save_rows(tmp_path / "data", rows)), image_root=None)
        allowed = RowLimits(limits.pop("max_tokens", 512), N_IMAGE_TOKENS, **limits)
        out = tmp_path / "rows"
        counts = prepare_rows([file], Template(tokenizer, template), allowed, out, check_images)
        with pa.OSFile(str(out / ROWS_FILE)) as source:
            ready = pa.ipc.open_file(source).read_all().to_pylist()
        left_out = [json.loads(line) for line in (out / LEFT_OUT_FILE).read_text().splitlines()]
        return counts, ready, left_out

    return prepared


class TestLabels:
    def test_the_loss_falls_on_the_answers_and_their_ends_alone(self, prepare: Prepare, tokenizer: Any) -> None:
        _, (ready,), _ = prepare([row(0, turns=2)])
        decoded = text_of(tokenizer, [label for label in ready["labels"] if label != IGNORED])
        assert decoded.split("<eos>") == [
            " A plain red picture, seen 0 times.",
            " A plain red picture, seen 1 times.",
            "",
        ]
        masked = [token for token, label in zip(ready["input_ids"], ready["labels"], strict=True) if label == IGNORED]
        text = text_of(tokenizer, masked)
        assert SYSTEM_V1 in text
        assert "part 0. ASSISTANT:" in text
        assert "part 1. ASSISTANT:" in text
        assert "picture" not in text

    def test_plain_is_the_caption_alone(self, prepare: Prepare, tokenizer: Any) -> None:
        _, (ready,), _ = prepare([row(0)], "plain")
        answer = [label for label in ready["labels"] if label != IGNORED]
        assert text_of(tokenizer, answer).strip(" ") == "A plain red picture, seen 0 times.\n"
        assert "Describe" not in text_of(tokenizer, ready["input_ids"])


class TestBadRows:
    def test_each_is_left_out_by_its_reason_and_nothing_stands_in(self, prepare: Prepare, tmp_path: Path) -> None:
        several = row(3) | {"image": ["images/3.png", "images/4.png"]}
        several["conversations"][0]["value"] = "<image>\n<image>\nDescribe both."
        rows = [
            row(0),
            row(1, image="images/nowhere.png"),
            row(2, image="broken.png"),
            several,
            row(4, answer="It ends here <eos> or does it."),
            row(5) | {"conversations": []},
            row(6, image="http://127.0.0.1/cat.png"),
            row(7, image=None),
        ]
        (tmp_path / "data").mkdir()
        (tmp_path / "data/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
        counts, ready, left_out = prepare(rows)
        assert [found["id"] for found in ready] == ["row-0", "row-7"]
        assert {found["id"]: found["reason"] for found in left_out} == {
            "row-1": "missing_image",
            "row-2": "broken_image",
            "row-3": "several_images",
            "row-4": "special_token",
            "row-5": "no_turns",
            "row-6": "image_address",
        }
        assert all(found["detail"] for found in left_out)
        assert (counts.n_read, counts.n_rows, counts.n_text_only, counts.n_left_out) == (8, 2, 1, 6)
        assert sum(counts.left_out.values()) == 6

    def test_a_picture_that_does_not_decode_is_found_beforehand_unless_told_otherwise(
        self, prepare: Prepare, tmp_path: Path
    ) -> None:
        whole = save_rows(tmp_path / "data", [row(0)]).parent / "images/0.png"
        (tmp_path / "data/cut.png").write_bytes(whole.read_bytes()[:60])
        rows = [row(1, image="cut.png")]
        assert prepare(rows)[2][0]["reason"] == "broken_image"
        assert prepare(rows, check_images=False)[2] == []

    def test_a_row_without_an_image_has_no_caption_to_learn(self, prepare: Prepare) -> None:
        assert [found["reason"] for found in prepare([row(0, image=None)], "plain")[2]] == ["no_image"]

    def test_plain_takes_one_question_and_answer(self, prepare: Prepare) -> None:
        assert [found["reason"] for found in prepare([row(0, turns=2)], "plain")[2]] == ["turn_order"]


class TestLength:
    def test_what_is_too_long_is_cut_and_counted(self, prepare: Prepare) -> None:
        _, (whole,), _ = prepare([row(0)])
        counts, (cut,), _ = prepare([row(0)], max_tokens=whole["n_tokens"] - 3)
        assert counts.n_truncated == 1
        assert cut["input_ids"] == whole["input_ids"][:-3]
        assert cut["n_tokens"] == whole["n_tokens"] - 3 == len(cut["input_ids"]) + N_IMAGE_TOKENS - 1
        assert prepare([row(0)], max_tokens=whole["n_tokens"])[0].n_truncated == 0

    def test_or_left_out(self, prepare: Prepare) -> None:
        _, (whole,), _ = prepare([row(0)])
        counts, ready, left_out = prepare([row(0)], max_tokens=whole["n_tokens"] - 3, too_long="leave_out")
        assert ready == []
        assert left_out[0]["reason"] == "too_long"
        assert str(whole["n_tokens"]) in left_out[0]["detail"]
        assert counts.n_truncated == 0

    def test_a_question_without_any_of_its_answer_is_left_out(self, prepare: Prepare) -> None:
        _, (whole,), _ = prepare([row(0)])
        n_answer = sum(label != IGNORED for label in whole["labels"])
        assert prepare([row(0)], max_tokens=whole["n_tokens"] - n_answer)[2][0]["reason"] == "too_long"
        assert len(prepare([row(0)], max_tokens=whole["n_tokens"] - n_answer + 1)[1]) == 1


class TestHeldOut:
    def test_all_rows_of_an_image_are_on_one_side(self) -> None:
        images = [f"/a/{number // 3}.png" for number in range(30)]
        mask = held_out_mask(images, [""] * 30, 0.2)
        assert sum(mask) == 6
        assert all(len(set(mask[start : start + 3])) == 1 for start in range(0, 30, 3))
        assert held_out_mask([path.replace("/a/", "/b/") for path in images], [""] * 30, 0.2) == mask

    def test_none_without_a_share_and_one_with_the_smallest(self) -> None:
        assert held_out_mask(["a", "b"], ["", ""], 0) == [False, False]
        assert sum(held_out_mask(["a", "b"], ["", ""], 0.01)) == 1
        assert held_out_mask(["a", "a"], ["", ""], 0.5) == [False, False]  # there would be nothing left to train on
