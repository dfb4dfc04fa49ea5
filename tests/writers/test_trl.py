"""Parquet for TRL: its own data preparation takes it, and the loss falls on the answer."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from mminstruct.writers.conversations import Conversation, Fault, FaultKind, Turn
from mminstruct.writers.export import ExportOptions, write_export
from mminstruct.writers.format import ImageMode
from mminstruct.writers.trl import TRL, read_trl, write_trl
from support.training_samples import embed_image, training_samples

LLAVA_TEMPLATE = (
    "{% for message in messages %}{{ message.role | upper }}: "
    "{% for part in message.content %}{% if part.type == 'image' %}<image>\n{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}{{ '<eos>' if message.role == 'assistant' else ' ' }}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT: {% endif %}"
)


def rows_file(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "anybody.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


class TestWriteTrl:
    def test_rows_as_trl_has_them(self, tmp_path: Path) -> None:
        samples = training_samples(tmp_path / "photos", 2)
        assert write_trl(samples, tmp_path / "out", embed_image) == 0
        assert pq.read_table(tmp_path / "out" / "data" / "train-00000-of-00001.parquet").to_pylist()[1] == {
            "id": samples[1].sample_id,
            "images": [{"bytes": Path(samples[1].image).read_bytes(), "path": "1.png"}],
            "prompt": [{"role": "user", "content": "Write slogan number 1 for the image."}],
            "completion": [{"role": "assistant", "content": "Ride on, number 1!"}],
        }

    def test_a_mark_in_a_text_stays_text_and_is_counted(self, tmp_path: Path) -> None:
        (sample,) = training_samples(tmp_path / "photos", 1)
        n_signs = write_trl([replace(sample, answer=" Use <image>. ")], tmp_path / "out", embed_image)
        (row,) = read_trl(tmp_path / "out")
        assert n_signs == 1
        assert isinstance(row, Conversation)
        assert row.turns[1] == Turn("assistant", "Use < image >.")
        assert row.n_marks is None

    @pytest.mark.parametrize("mode", TRL.image_modes)
    def test_exports_pass_the_check_in_every_mode(self, tmp_path: Path, mode: ImageMode) -> None:
        samples = training_samples(tmp_path / "photos", 3)
        report = write_export(samples, tmp_path / "out", TRL, ExportOptions(image_mode=mode))
        assert (report.n_samples, report.n_images) == (3, 3)
        assert (tmp_path / "out" / "images").exists() == (mode in ("copy", "link"))


class TestReadTrl:
    def test_what_was_written(self, tmp_path: Path) -> None:
        samples = training_samples(tmp_path / "photos", 3)
        write_trl(samples, tmp_path / "embedded", embed_image)
        write_trl(samples, tmp_path / "named", lambda sample: f"images/{Path(sample.image).name}")
        for folder, image in (("embedded", embed_image(samples[2])), ("named", "images/2.png")):
            assert list(read_trl(tmp_path / folder))[2] == Conversation(
                samples[2].sample_id,
                (image,),
                (Turn("user", "Write slogan number 2 for the image."), Turn("assistant", "Ride on, number 2!")),
                None,
            )

    @pytest.mark.parametrize(
        ("row", "expected"),
        [
            (
                {"image": "a.png", "prompt": "What?", "completion": "That."},
                Conversation("", ("a.png",), (Turn("user", "What?"), Turn("assistant", "That.")), None),
            ),
            (
                {"images": [b"1", b"2"], "messages": [{"role": "user", "content": "<image> What?"}]},
                Conversation("", (b"1", b"2"), (Turn("user", "What?"),), 3),
            ),
            (
                {
                    "images": [{"bytes": None, "path": "a.png"}],
                    "messages": [
                        {
                            "role": "user",
                            "content": [{"type": "image", "text": None}, {"type": "text", "text": "What?"}],
                        }
                    ],
                },
                Conversation("", ("a.png",), (Turn("user", "What?"),), 1),
            ),
        ],
        ids=["texts", "a mark beside trl's own", "places"],
    )
    def test_anybodys(self, tmp_path: Path, row: dict[str, Any], expected: Conversation) -> None:
        assert list(read_trl(rows_file(tmp_path, [row]))) == [expected]

    @pytest.mark.parametrize(
        ("row", "kind", "detail"),
        [
            ({"prompt": "What?"}, FaultKind.NOT_A_ROW, "found neither messages nor prompt and completion"),
            ({"prompt": 3, "completion": "a"}, FaultKind.NOT_A_ROW, "messages are int, expected a list or a text"),
            ({"messages": [{"role": "human", "content": "a"}]}, FaultKind.UNKNOWN_ROLE, "found a message of role 'hum"),
            ({"messages": [{"role": "user", "content": 3}]}, FaultKind.NOT_A_ROW, "a content is neither"),
            ({"messages": ["a"]}, FaultKind.UNKNOWN_ROLE, "found a message of role 'a'"),
            ({"images": 3, "messages": []}, FaultKind.NOT_A_ROW, "images is int, expected a list"),
            ({"images": [3], "messages": []}, FaultKind.NOT_A_ROW, "an image has neither bytes nor a path"),
        ],
    )
    def test_faults(self, tmp_path: Path, row: dict[str, Any], kind: FaultKind, detail: str) -> None:
        (fault,) = read_trl(rows_file(tmp_path, [{"id": "x", **row}]))
        assert isinstance(fault, Fault)
        assert (fault.kind, fault.row, fault.id) == (kind, 1, "x")
        assert fault.detail.startswith(detail)


class TestJson:
    @pytest.mark.parametrize("is_list", [True, False])
    def test_rows_of_json_read_as_those_of_parquet_do(self, tmp_path: Path, is_list: bool) -> None:
        rows = [
            {"id": 7, "images": ["a.png"], "prompt": "What?", "completion": "That."},
            {"image": {"path": "b.png"}, "messages": [{"role": "user", "content": "Do."}]},
        ]
        lines = [json.dumps(row) for row in rows]
        (tmp_path / "rows").write_text(f"[{','.join(lines)}]" if is_list else "\n".join(lines))
        assert list(read_trl(tmp_path / "rows")) == [
            Conversation("7", ("a.png",), (Turn("user", "What?"), Turn("assistant", "That.")), None),
            Conversation("", ("b.png",), (Turn("user", "Do."),), None),
        ]

    def test_a_line_that_is_no_row_is_told_with_its_number(self, tmp_path: Path) -> None:
        (tmp_path / "rows").write_text('{"prompt": "a", "completion": "b"}\n[1]\n{"prompt": "a"}\n')
        _, first, second = read_trl(tmp_path / "rows")
        assert isinstance(first, Fault) and isinstance(second, Fault)
        assert (first.row, first.detail) == (2, "found [1], expected a JSON object")
        assert (second.row, second.detail) == (3, "found neither messages nor prompt and completion")


@pytest.mark.filterwarnings("ignore")
class TestRealReaders:
    def test_datasets_decodes_the_images(self, tmp_path: Path) -> None:
        datasets = pytest.importorskip("datasets")
        samples = training_samples(tmp_path / "photos", 2)
        write_trl(samples, tmp_path / "out", embed_image)
        shards = sorted((tmp_path / "out").glob(TRL.train_file))
        files = [str(shard) for shard in shards]
        rows = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
        assert TRL.card_header is not None
        head = yaml.safe_load(yaml.safe_dump(TRL.card_header(tmp_path / "out")))
        assert rows.features == datasets.Features._from_yaml_list(head["dataset_info"]["features"])
        assert rows[1]["images"][0].tobytes() == Image.open(io.BytesIO(embed_image(samples[1]))).tobytes()
        assert rows[1]["prompt"] == [{"role": "user", "content": "Write slogan number 1 for the image."}]

    def test_sft_trainer_puts_the_loss_on_the_answers(self, tmp_path: Path) -> None:
        trl = pytest.importorskip("trl")
        datasets = pytest.importorskip("datasets")
        from transformers import AutoModelForImageTextToText, AutoProcessor

        from support.tiny_llava import save_tiny_llava

        samples = training_samples(tmp_path / "photos", 2)
        write_trl(samples, tmp_path / "out", embed_image)
        shards = sorted((tmp_path / "out").glob(TRL.train_file))
        files = [str(shard) for shard in shards]
        rows = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
        folder = save_tiny_llava(tmp_path / "model", LLAVA_TEMPLATE)
        processor = AutoProcessor.from_pretrained(folder)  # type: ignore[no-untyped-call]
        trainer = trl.SFTTrainer(
            AutoModelForImageTextToText.from_pretrained(folder),
            trl.SFTConfig(
                str(tmp_path / "trained"),
                per_device_train_batch_size=2,
                max_steps=1,
                max_length=None,
                report_to="none",
                use_cpu=True,
                bf16=False,
            ),
            train_dataset=rows,
            processing_class=processor,
        )
        batch = next(iter(trainer.get_train_dataloader()))
        assert batch["pixel_values"].shape == (2, 3, 32, 32)
        answers = {
            processor.tokenizer.decode([token for token in labels if token != -100]) for labels in batch["labels"]
        }
        expected = {f"{sample.answer}<eos>" for sample in samples}
        assert {answer.strip() for answer in answers} == {
            processor.tokenizer.decode(processor.tokenizer(text, add_special_tokens=False)["input_ids"]).strip()
            for text in expected
        }
        assert trainer.train().global_step == 1
