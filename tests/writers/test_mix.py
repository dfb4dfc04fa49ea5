"""Rows of another data set beside the samples: drawn by their ids, whole or left out with a word."""

import json
from pathlib import Path
from typing import Any

import pytest

from mminstruct.errors import ExportError, SourceError
from mminstruct.rows import Sample
from mminstruct.writers.conversations import FaultKind
from mminstruct.writers.export import FORMATS, ExportOptions, ExportReport, write_export
from mminstruct.writers.mix import Mix, MixTally, mixed_rows
from support.training_samples import png, training_samples

TURNS = [{"from": "human", "value": "Look.\n<image>"}, {"from": "gpt", "value": "I see."}]
TEXT_TURNS = [{"from": "human", "value": "Hi."}, {"from": "gpt", "value": "Hello."}] * 2


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    return training_samples(tmp_path / "photos", 2)


@pytest.fixture
def mix_file(tmp_path: Path) -> Path:
    """Return a file as LLaVA's mix: a list on one line, ids that repeat, rows without images, two with one image."""
    (tmp_path / "mix" / "coco").mkdir(parents=True)
    for number in range(2):
        (tmp_path / "mix" / "coco" / f"{number}.png").write_bytes(png((7, 7, number)))
    rows = [
        {"id": "7", "image": "coco/0.png", "conversations": TURNS},
        {"id": "7", "image": "coco/0.png", "conversations": TURNS + TEXT_TURNS},
        {"id": "8", "image": "coco/1.png", "conversations": TURNS},
        {"id": "t", "model": "", "conversations": TEXT_TURNS},
    ]
    file = tmp_path / "mix" / "mix.json"
    file.write_text(json.dumps(rows))
    return file


def write(samples: list[Sample], out: Path, name: str, mix: Mix, root: Path | None = None) -> ExportReport:
    """Write with copies, or with paths relative to a root."""
    return write_export(samples, out, FORMATS[name], ExportOptions("none" if root else "copy", root, mix))


def drawn(mix: Mix) -> list[str]:
    rows = mixed_rows(mix, lambda path, source, row_id: path.as_posix(), MixTally())
    return [row.id for row in rows]


class TestExports:
    def test_llavas_rows_come_behind_the_samples(self, samples: list[Sample], mix_file: Path, tmp_path: Path) -> None:
        report = write(samples, tmp_path / "out", "llava", Mix(mix_file))
        rows = json.loads((tmp_path / "out" / "train.json").read_text())
        assert [row["id"] for row in rows[:2]] == [sample.sample_id for sample in samples]
        assert rows[2:] == [
            {
                "id": "mix-1-7",
                "image": "images/mix/0.png",
                "conversations": [{"from": "human", "value": "<image>\nLook."}, {"from": "gpt", "value": "I see."}],
            },
            {
                "id": "mix-2-7",
                "image": "images/mix/0.png",
                "conversations": [
                    {"from": "human", "value": "<image>\nLook."},
                    {"from": "gpt", "value": "I see."},
                    *TEXT_TURNS,
                ],
            },
            {
                "id": "mix-3-8",
                "image": "images/mix/1.png",
                "conversations": [{"from": "human", "value": "<image>\nLook."}, {"from": "gpt", "value": "I see."}],
            },
            {"id": "mix-4-t", "conversations": TEXT_TURNS},
        ]
        assert (tmp_path / "out" / "images" / "mix" / "1.png").read_bytes() == png((7, 7, 1))
        assert (report.n_samples, report.n_images, report.n_copied) == (2, 4, 4)
        assert (report.mix.n_rows, report.mix.n_taken, report.mix.n_text_only) == (4, 4, 1)

    def test_sharegpt_has_no_images_for_a_text(self, samples: list[Sample], mix_file: Path, tmp_path: Path) -> None:
        write(samples, tmp_path / "out", "sharegpt", Mix(mix_file))
        rows = [json.loads(line) for line in (tmp_path / "out" / "train.jsonl").read_text().splitlines()]
        assert [row["images"] for row in rows[2:]] == [["images/mix/0.png"]] * 2 + [["images/mix/1.png"], []]

    def test_messages_have_the_image_in_the_first_turn(
        self, samples: list[Sample], mix_file: Path, tmp_path: Path
    ) -> None:
        write(samples, tmp_path / "out", "messages", Mix(mix_file))
        rows = [json.loads(line) for line in (tmp_path / "out" / "train.jsonl").read_text().splitlines()]
        kinds = [[part["type"] for message in row["messages"] for part in message["content"]] for row in rows[2:]]
        assert kinds == [["image", "text", "text"], ["image", *["text"] * 6], ["image", "text", "text"], ["text"] * 4]

    def test_left_in_place_both_go_by_one_root(self, samples: list[Sample], mix_file: Path, tmp_path: Path) -> None:
        write(samples, tmp_path / "out", "llava", Mix(mix_file), tmp_path)
        rows = json.loads((tmp_path / "out" / "train.json").read_text())
        images = [row.get("image") for row in rows]
        assert images == ["photos/0.png", "photos/1.png", *["mix/coco/0.png"] * 2, "mix/coco/1.png", None]

    def test_images_of_one_name_do_not_meet(self, samples: list[Sample], tmp_path: Path) -> None:
        for folder in "ab":
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "1.png").write_bytes(png((9, 9, ord(folder))))
        rows = [{"id": folder, "image": f"{folder}/1.png", "conversations": TURNS} for folder in "ab"]
        (tmp_path / "mix.json").write_text(json.dumps(rows))
        write(samples, tmp_path / "out", "llava", Mix(tmp_path / "mix.json"))
        written = json.loads((tmp_path / "out" / "train.json").read_text())[2:]
        contents = [(tmp_path / "out" / row["image"]).read_bytes() for row in written]
        assert contents == [png((9, 9, ord(folder))) for folder in "ab"]

    def test_openai_takes_no_mix(self, samples: list[Sample], mix_file: Path, tmp_path: Path) -> None:
        with pytest.raises(ExportError, match=r"openai takes no mix\. Formats that do: llava, sharegpt, messages"):
            write_export(samples, tmp_path / "out", FORMATS["openai"], ExportOptions(mix=Mix(mix_file)))


class TestDraw:
    @pytest.fixture
    def many(self, tmp_path: Path) -> Path:
        rows = [{"id": str(number), "conversations": TEXT_TURNS} for number in range(2000)]
        (tmp_path / "many.json").write_text(json.dumps(rows))
        return tmp_path / "many.json"

    def test_a_share_of_the_rows_is_taken(self, many: Path) -> None:
        # Binomial, n = 2000, p = 0.25: more than 6 standard deviations on each side.
        assert 380 < len(drawn(Mix(many, 0.25))) < 620
        assert len(drawn(Mix(many))) == 2000

    def test_the_same_seed_takes_the_same_and_a_larger_share_keeps_them(self, many: Path) -> None:
        quarter = drawn(Mix(many, 0.25))
        assert quarter == drawn(Mix(many, 0.25))
        assert set(quarter) < set(drawn(Mix(many, 0.5)))
        assert quarter != drawn(Mix(many, 0.25, seed=1))

    @pytest.mark.parametrize("ratio", [0.0, -0.5, 1.5, float("nan")])
    def test_a_ratio_that_is_none_is_refused(self, many: Path, ratio: float) -> None:
        with pytest.raises(ExportError, match="expected more than 0 and at most 1"):
            drawn(Mix(many, ratio))


class TestFaults:
    def test_rows_that_no_trainer_can_use_are_counted(self, tmp_path: Path) -> None:
        rows: list[Any] = [
            {"id": "a", "conversations": TEXT_TURNS},
            {"id": "b", "conversations": TEXT_TURNS[1:]},
            {"id": "c", "conversations": TURNS},
            "no row",
            {"id": "e", "conversations": [TEXT_TURNS[0], {"from": "gpt", "value": " "}]},
        ]
        (tmp_path / "mix.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        tally = MixTally()
        taken = list(mixed_rows(Mix(tmp_path / "mix.jsonl"), lambda path, source, row_id: "", tally))
        assert [row.id for row in taken] == ["mix-1-a"]
        assert tally.left_out == {
            FaultKind.TURN_ORDER: 1,
            FaultKind.MARK_COUNT: 1,
            FaultKind.NOT_A_ROW: 1,
            FaultKind.EMPTY_ANSWER: 1,
        }
        assert tally.first_left_out is not None and tally.first_left_out.row == 2
        assert (tally.n_rows, tally.n_taken) == (5, 1)

    def test_signs_of_the_loaders_are_spaced_out(self, tmp_path: Path) -> None:
        turns = [TEXT_TURNS[0], {"from": "gpt", "value": "A </s> and a <video>."}]
        (tmp_path / "mix.json").write_text(json.dumps([{"conversations": turns}]))
        tally = MixTally()
        [row] = mixed_rows(Mix(tmp_path / "mix.json"), lambda path, source, row_id: "", tally)
        assert (row.id, row.turns[1].text, tally.n_signs) == ("mix-1", "A < /s > and a < video >.", 2)

    def test_a_missing_image_stops_it_and_nothing_is_left(
        self, samples: list[Sample], mix_file: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(ExportError, match=r"Row 1 of .*mix\.json \(id '7'\): its image coco/0\.png does not exist"):
            write(samples, tmp_path / "out", "llava", Mix(mix_file, image_root=tmp_path / "photos"))
        assert not (tmp_path / "out").exists()

    def test_a_file_that_is_not_there_stops_it(self, samples: list[Sample], tmp_path: Path) -> None:
        with pytest.raises(SourceError, match=r"none\.json"):
            write(samples, tmp_path / "out", "llava", Mix(tmp_path / "none.json"))
        assert not (tmp_path / "out").exists()

    def test_a_file_without_any_row_that_can_be_used_stops_it(self, samples: list[Sample], tmp_path: Path) -> None:
        file = tmp_path / "notes.txt"
        file.write_text("not\nrows\n")
        with pytest.raises(ExportError, match=r"notes\.txt no row can be used: 2 were drawn, and the first, row 1"):
            write(samples, tmp_path / "out", "llava", Mix(file))
        assert not (tmp_path / "out").exists()
