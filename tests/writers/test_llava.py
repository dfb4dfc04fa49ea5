"""LLaVA's training file: it loads as LLaVA's loader expects, and its images are where it says."""

import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mminstruct.errors import ExportError
from mminstruct.rows import Sample, content_id
from mminstruct.writers.export import ExportOptions, ExportReport, write_export
from mminstruct.writers.llava import LLAVA
from mminstruct.writers.mix import Mix


def write_llava(
    samples: Iterable[Sample],
    out: Path,
    image_mode: Any = "copy",
    image_root: Path | None = None,
    overwrite: bool = False,
) -> ExportReport:
    return write_export(samples, out, LLAVA, ExportOptions(image_mode, image_root, overwrite=overwrite))


def png(colour: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (5, 3), colour).save(buffer, "PNG")
    return buffer.getvalue()


def sample(image: Path | str, number: int = 0, source: str = "coco") -> Sample:
    return Sample(
        sample_id=content_id(str(image), str(number)),
        image_id=content_id(str(image)),
        image=str(image),
        instruction_id=content_id(str(number)),
        instruction=f"Write slogan number {number} for the image.",
        answer=f"Ride on, number {number}!",
        source=source,
        category="marketing",
        description="A red motorcycle.",
        score=0.5,
        width=5,
        height=3,
        model="scripted",
        request_id="0" * 16,
    )


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Return three image files in two folders; two of them share their name."""
    paths = [tmp_path / "photos" / name for name in ("a/1.png", "b/1.png", "b/2.png")]
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png((number, 0, 0)))
    return paths


@pytest.fixture
def tar(tmp_path: Path) -> Path:
    path = tmp_path / "shard-0.tar"
    with tarfile.open(path, "w") as archive:
        for name, colour in (("x/1.png", (9, 0, 0)), ("2.png", (8, 0, 0))):
            info = tarfile.TarInfo(name)
            info.size = len(png(colour))
            archive.addfile(info, io.BytesIO(png(colour)))
    return path


def load_as_llava(data_path: Path, image_folder: Path) -> list[dict[str, Any]]:
    """Restate what LLaVA's `LazySupervisedDataset` does with each row, up to the tokenizer, with its assertions.

    After llava/train/train.py: `__init__`, `modality_lengths`, `__getitem__`, `preprocess_multimodal`, `preprocess_v1`.
    """
    loaded = []
    # LLaVA names no encoding: ASCII stands for a machine that prefers the poorest one.
    for number, row in enumerate(json.loads(data_path.read_text(encoding="ascii"))):
        assert sum(len(turn["value"].split()) for turn in row["conversations"]) > 0
        with Image.open(os.path.join(image_folder, row["image"])) as file:  # noqa: PTH118 — as LLaVA does
            image = file.convert("RGB")
        source = [dict(turn) for turn in row["conversations"]]
        for turn in source:
            if "<image>" in turn["value"]:
                turn["value"] = turn["value"].replace("<image>", "").strip()
                turn["value"] = ("<image>\n" + turn["value"]).strip()
        roles = {"human": "USER", "gpt": "ASSISTANT"}
        if roles[source[0]["from"]] != "USER":
            source = source[1:]
        prompt = "A chat between a curious user and an artificial intelligence assistant. "
        for place, turn in enumerate(source):
            role = roles[turn["from"]]
            assert role == ("USER", "ASSISTANT")[place % 2], f"{number}"
            prompt += f"{role}: {turn['value']}" + (" ", "</s>")[place % 2]
        rounds = prompt.split("</s>")
        assert rounds.pop() == "", "the last turn ends the prompt"
        assert len(rounds) == len(source) // 2, "a turn holds an end sign: the loss falls on the wrong words"
        for text in rounds:
            assert len(text.split(" ASSISTANT: ")) == 2, "the loader would drop the loss of this round"
        assert prompt.count("<image>") == 1, "one image tensor for one mark"
        loaded.append({"id": row["id"], "size": image.size, "turns": source, "prompt": prompt})
    return loaded


class TestFormat:
    def test_it_is_exactly_llavas_form(self, photos: list[Path], tmp_path: Path) -> None:
        row = sample(photos[0])
        write_llava([row], tmp_path / "out")
        assert json.loads((tmp_path / "out" / "train.json").read_text()) == [
            {
                "id": row.sample_id,
                "image": "images/coco/1.png",
                "conversations": [
                    {"from": "human", "value": "<image>\nWrite slogan number 0 for the image."},
                    {"from": "gpt", "value": "Ride on, number 0!"},
                ],
            }
        ]

    def test_llavas_loader_reads_it(self, photos: list[Path], tmp_path: Path) -> None:
        rows = [sample(photo, number) for photo in photos for number in range(3)]
        report = write_llava(iter(rows), tmp_path / "out")
        loaded = load_as_llava(tmp_path / "out" / "train.json", tmp_path / "out")
        assert report == ExportReport(tmp_path / "out", 9, 3, 3, 0, 0)
        assert [row["id"] for row in loaded] == [row.sample_id for row in rows]
        assert {row["size"] for row in loaded} == {(5, 3)}
        assert [row["turns"][1]["value"] for row in loaded] == [row.answer for row in rows]

    def test_the_loaders_own_signs_in_a_text_stay_text(self, photos: list[Path], tmp_path: Path) -> None:
        row = replace(
            sample(photos[0]),
            instruction="Explain the <image> tag of the image.",
            answer="An <image> tag, <s>struck</s>, and one more <image>.",
        )
        report = write_llava([row], tmp_path / "out")
        [loaded] = load_as_llava(tmp_path / "out" / "train.json", tmp_path / "out")
        assert loaded["turns"][0]["value"] == "<image>\nExplain the < image > tag of the image."
        assert loaded["turns"][1]["value"] == "An < image > tag, < s >struck< /s >, and one more < image >."
        assert report.n_signs_spaced == 5

    @given(st.text(min_size=1), st.text(alphabet='<image>/s \n\t"\\é\u2028', min_size=1))
    def test_any_text_comes_back(self, instruction: str, answer: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            photo = Path(folder, "1.png")
            photo.write_bytes(png((1, 2, 3)))
            row = replace(sample(photo), instruction="Do: " + instruction, answer="Done: " + answer)
            report = write_llava([row], Path(folder, "out"))
            [loaded] = json.loads(Path(folder, "out", "train.json").read_text(encoding="ascii"))
            turns = loaded["conversations"]
        assert turns[0]["value"].count("<image>") == 1
        assert "<image>" not in turns[1]["value"] and "</s>" not in turns[1]["value"]
        if report.n_signs_spaced == 0:
            assert turns[0]["value"] == "<image>\n" + ("Do: " + instruction).strip()
            assert turns[1]["value"] == ("Done: " + answer).strip()

    def test_the_same_samples_give_the_same_bytes(self, photos: list[Path], tmp_path: Path) -> None:
        rows = [sample(photo) for photo in photos]
        write_llava(rows, tmp_path / "one")
        write_llava(rows, tmp_path / "two")
        assert (tmp_path / "one" / "train.json").read_bytes() == (tmp_path / "two" / "train.json").read_bytes()


@pytest.mark.parametrize(("system", "expected"), [("Be brief.", "Be brief.\n\nWhat?"), ("", "What?")])
def test_a_system_turn_of_a_mix_goes_before_the_question(
    photos: list[Path], tmp_path: Path, system: str, expected: str
) -> None:
    # LLaVA's preprocess_v1 looks every speaker up in {"human": …, "gpt": …}.
    turns = [("system", system), ("human", "<image>\nWhat?"), ("gpt", "That.")]
    row = {"id": "a", "image": photos[0].name, "conversations": [{"from": who, "value": text} for who, text in turns]}
    mix = photos[0].parent / "mix.json"
    mix.write_text(json.dumps([row]), encoding="utf-8")
    write_export([sample(photos[0])], tmp_path / "out", LLAVA, ExportOptions(mix=Mix(mix)))
    assert json.loads((tmp_path / "out" / "train.json").read_text())[1]["conversations"] == [
        {"from": "human", "value": f"<image>\n{expected}"},
        {"from": "gpt", "value": "That."},
    ]


class TestImages:
    def test_copies_have_unique_names_and_the_same_bytes(self, photos: list[Path], tmp_path: Path) -> None:
        rows = [sample(photo) for photo in photos]
        write_llava([*rows, sample(photos[0], 1)], tmp_path / "out")
        exported = json.loads((tmp_path / "out" / "train.json").read_text())
        names = [row["image"] for row in exported]
        assert names[0] == names[3] == "images/coco/1.png"
        assert names[1] == f"images/coco/1-{rows[1].image_id}.png"
        assert len(list((tmp_path / "out" / "images").rglob("*.png"))) == 3
        for photo, name in zip(photos, names, strict=False):
            assert (tmp_path / "out" / name).read_bytes() == photo.read_bytes()

    def test_sources_have_folders_of_their_own(self, photos: list[Path], tmp_path: Path) -> None:
        write_llava([sample(photos[0], source="coco"), sample(photos[1], source="../my photos")], tmp_path / "out")
        exported = json.loads((tmp_path / "out" / "train.json").read_text())
        assert [row["image"] for row in exported] == ["images/coco/1.png", "images/_my_photos/1.png"]

    def test_names_that_differ_in_case_only_do_not_collide(self, tmp_path: Path) -> None:
        paths = [tmp_path / "a" / "X.png", tmp_path / "b" / "x.png"]
        for number, path in enumerate(paths):
            path.parent.mkdir()
            path.write_bytes(png((number, 0, 0)))
        write_llava([sample(path) for path in paths], tmp_path / "out")
        names = [path.name.lower() for path in (tmp_path / "out" / "images" / "coco").iterdir()]
        assert len(set(names)) == 2

    @pytest.mark.parametrize("mode", ["copy", "link"])
    def test_a_tars_member_is_extracted(self, tar: Path, tmp_path: Path, mode: Any) -> None:
        report = write_llava([sample(f"{tar}::x/1.png"), sample(f"{tar}::2.png")], tmp_path / "out", mode)
        assert (report.n_copied, report.n_linked) == (2, 0)
        assert (tmp_path / "out" / "images" / "coco" / "1.png").read_bytes() == png((9, 0, 0))
        assert len(load_as_llava(tmp_path / "out" / "train.json", tmp_path / "out")) == 2

    def test_links_point_to_the_files(
        self, photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        report = write_llava([sample(photo.relative_to(tmp_path)) for photo in photos], Path("out"), "link")
        assert (report.n_copied, report.n_linked) == (0, 2)
        links = [tmp_path / "out" / "images" / "coco" / name for name in ("a", "b")]
        assert [link.readlink() for link in links] == [photos[0].parent, photos[1].parent]
        assert len(load_as_llava(tmp_path / "out" / "train.json", tmp_path / "out")) == 3

    def test_hard_links_stand_in_for_links(
        self, photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*arguments: Any) -> None:
            raise OSError("no symbolic links here")

        monkeypatch.setattr(os, "symlink", refuse)
        write_llava([sample(photos[0])], tmp_path / "out", "link")
        assert (tmp_path / "out" / "images" / "coco" / "1.png").samefile(photos[0])

    def test_paths_can_be_relative_to_a_root(self, photos: list[Path], tmp_path: Path) -> None:
        write_llava([sample(photo) for photo in photos], tmp_path / "out", "none", tmp_path / "photos")
        exported = json.loads((tmp_path / "out" / "train.json").read_text())
        assert [row["image"] for row in exported] == ["a/1.png", "b/1.png", "b/2.png"]
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["train.json"]
        assert len(load_as_llava(tmp_path / "out" / "train.json", tmp_path / "photos")) == 3

    def test_a_linked_image_below_the_root_is_inside_of_it(self, photos: list[Path], tmp_path: Path) -> None:
        root = tmp_path / "root"
        root.mkdir()
        (root / "link.png").symlink_to(photos[0])
        write_llava([sample(root / "link.png")], tmp_path / "out", "none", root)
        assert json.loads((tmp_path / "out" / "train.json").read_text())[0]["image"] == "link.png"

    def test_without_a_root_they_are_absolute(self, photos: list[Path], tmp_path: Path) -> None:
        write_llava([sample(photos[0])], tmp_path / "out", "none")
        assert json.loads((tmp_path / "out" / "train.json").read_text())[0]["image"] == photos[0].as_posix()
        assert len(load_as_llava(tmp_path / "out" / "train.json", tmp_path)) == 1


class TestRefusals:
    """Each leaves the target as it was before."""

    def refuse(self, match: str, out: Path, *arguments: Any, **named: Any) -> None:
        before = sorted(out.parent.rglob("*"))
        with pytest.raises(ExportError, match=match):
            write_llava(*arguments, **named)
        assert sorted(out.parent.rglob("*")) == before

    def test_an_image_outside_of_the_root_is_named(self, photos: list[Path], tmp_path: Path) -> None:
        rows = [sample(photo) for photo in reversed(photos)]
        out = tmp_path / "out"
        self.refuse("photos/a/1.png .* is outside", out, rows, out, "none", tmp_path / "photos" / "b")

    def test_dots_do_not_lead_out_of_the_root(self, photos: list[Path], tmp_path: Path) -> None:
        sly = tmp_path / "photos" / "b" / ".." / "a" / "1.png"
        out = tmp_path / "out"
        self.refuse("outside", out, [sample(str(sly))], out, "none", tmp_path / "photos" / "b")

    def test_a_tars_member_has_no_path_of_its_own(self, tar: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        self.refuse("not a file of its own", out, [sample(f"{tar}::x/1.png")], out, "none", tmp_path)

    def test_an_image_that_is_gone_is_named(self, photos: list[Path], tmp_path: Path) -> None:
        photos[2].unlink()
        out = tmp_path / "out"
        self.refuse("b/2.png .* cannot be read any more", out, [sample(photo) for photo in photos], out)

    @pytest.mark.parametrize("mode", ["link", "none"])
    def test_without_copies_too(self, photos: list[Path], tmp_path: Path, mode: Any) -> None:
        photos[2].unlink()
        out = tmp_path / "out"
        self.refuse("b/2.png does not exist", out, [sample(photo) for photo in photos], out, mode)

    def test_a_folder_that_is_gone_is_named(self, photos: list[Path], tmp_path: Path) -> None:
        out = tmp_path / "out"
        gone = sample(tmp_path / "gone" / "1.png")
        self.refuse("gone/1.png .* cannot be read any more", out, [sample(photos[0]), gone], out, "link")

    def test_an_id_that_came_before(self, photos: list[Path], tmp_path: Path) -> None:
        out = tmp_path / "out"
        self.refuse("row 2: its id came before", out, [sample(photos[0])] * 2, out)

    @pytest.mark.parametrize("field", ["instruction", "answer"])
    def test_a_text_that_is_blank(self, photos: list[Path], tmp_path: Path, field: str) -> None:
        out = tmp_path / "out"
        blank = {field: " \n"}
        self.refuse(f"its {field} is empty", out, [replace(sample(photos[0]), **blank)], out)  # type: ignore[arg-type]

    def test_no_samples(self, tmp_path: Path) -> None:
        self.refuse("not one sample", tmp_path / "out", [], tmp_path / "out")

    def test_a_folder_in_use(self, photos: list[Path], tmp_path: Path) -> None:
        out = tmp_path / "out"
        write_llava([sample(photos[0])], out)
        self.refuse("is not empty", out, [sample(photos[1])], out)
        write_llava([sample(photos[1])], out, overwrite=True)
        assert len(load_as_llava(out / "train.json", out)) == 1

    def test_images_inside_of_what_would_be_replaced(self, photos: list[Path], tmp_path: Path) -> None:
        out = tmp_path / "out"
        write_llava([sample(photos[0])], out)
        inside = sample(out / "images" / "coco" / "1.png")
        self.refuse("lies in .*out, which this export replaces", out, [inside], out, overwrite=True)
