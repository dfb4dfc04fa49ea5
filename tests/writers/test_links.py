"""Images that are linked: one link a folder, every path of a row opens, and nothing leads in circles."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mminstruct.errors import ExportError
from mminstruct.rows import Sample, content_id
from mminstruct.writers.export import ExportOptions, ExportReport, write_export
from mminstruct.writers.links import FolderLinks
from mminstruct.writers.llava import LLAVA
from mminstruct.writers.sharegpt import read_sharegpt
from support.training_samples import png, training_samples


def samples_of(files: list[Path], source: str = "coco") -> list[Sample]:
    """Write the files, each an image of its own, and return their samples."""
    samples = []
    for number, file in enumerate(files):
        [sample] = training_samples(file.parent / "unused", 1)
        file.write_bytes(png((number, 0, 0)))
        key = content_id(str(file))
        samples.append(replace(sample, sample_id=key, image_id=key, image=str(file), source=source))
    return samples


def export(samples: list[Sample], out: Path) -> ExportReport:
    return write_export(samples, out, LLAVA, ExportOptions("link"))


def image_paths(out: Path) -> list[str]:
    """Return the rows' paths."""
    paths = []
    for row in read_sharegpt(out / "train.json"):
        paths += [str(image) for image in getattr(row, "images", ())]
    return paths


class TestPaths:
    def test_every_row_has_its_own_image(self, tmp_path: Path) -> None:
        files = [tmp_path / name for name in ("a/1.png", "a/2.png", "b/1.png", "c/b/1.png", "c/B/x y é.png")]
        report = export(samples_of(files), tmp_path / "out")
        paths = image_paths(tmp_path / "out")
        assert paths[:3] == ["images/coco/a/1.png", "images/coco/a/2.png", "images/coco/b/1.png"]
        assert [(tmp_path / "out" / path).read_bytes() for path in paths] == [file.read_bytes() for file in files]
        assert (report.n_images, report.n_linked, report.n_copied) == (5, 4, 0)

    def test_links_that_differ_in_case_only_do_not_collide(self, tmp_path: Path) -> None:
        export(samples_of([tmp_path / "c" / "x" / "1.png", tmp_path / "d" / "X" / "1.png"]), tmp_path / "out")
        names = [path.name.lower() for path in (tmp_path / "out" / "images" / "coco").iterdir()]
        assert len(set(names)) == 2

    def test_sources_have_folders_of_their_own(self, tmp_path: Path) -> None:
        samples = [*samples_of([tmp_path / "a" / "1.png"]), *samples_of([tmp_path / "a" / "2.png"], "../my photos")]
        export(samples, tmp_path / "out")
        assert image_paths(tmp_path / "out") == ["images/coco/a/1.png", "images/_my_photos/a/2.png"]

    @pytest.mark.parametrize(
        ("folder", "name"), [(".cache", "cache"), ("my photos; rm", "my_photos_rm"), ("é" * 120, "folder"), ("…", "_")]
    )
    def test_names_of_links_are_plain_and_not_hidden(self, tmp_path: Path, folder: str, name: str) -> None:
        export(samples_of([tmp_path / folder / "1.png"]), tmp_path / "out")
        assert image_paths(tmp_path / "out") == [f"images/coco/{name}/1.png"]

    def test_a_backslash_stays_out_of_the_rows(self, tmp_path: Path) -> None:
        report = export(samples_of([tmp_path / "a" / "b\\1.png", tmp_path / "a" / "2.png"]), tmp_path / "out")
        assert image_paths(tmp_path / "out") == ["images/coco/1.png", "images/coco/a/2.png"]
        assert report.n_linked == 2

    def test_a_file_with_the_name_of_a_linked_folder_gets_another(self, tmp_path: Path) -> None:
        samples = samples_of([tmp_path / "a" / "1.png", tmp_path / "z" / "x\\a"])
        export(samples, tmp_path / "out")
        assert image_paths(tmp_path / "out") == ["images/coco/a/1.png", f"images/coco/a-{samples[1].image_id}"]

    def test_a_folder_with_the_name_of_a_file_is_linked_file_by_file(self, tmp_path: Path) -> None:
        samples = samples_of([tmp_path / "z" / "x\\a", tmp_path / "a" / "1.png"])
        export(samples, tmp_path / "out")
        assert image_paths(tmp_path / "out") == ["images/coco/a", "images/coco/1.png"]


class TestWhereFoldersCannotBeLinked:
    def test_a_folder_that_holds_the_export_is_linked_file_by_file(self, tmp_path: Path) -> None:
        report = export(samples_of([tmp_path / "1.png", tmp_path / "2.png"]), tmp_path / "sets" / "out")
        links = sorted((tmp_path / "sets" / "out" / "images" / "coco").iterdir())
        assert [link.readlink() for link in links] == [tmp_path / "1.png", tmp_path / "2.png"]
        assert (report.n_images, report.n_linked) == (2, 2)

    def test_no_matter_by_which_path_it_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "alias").symlink_to(tmp_path)
        [sample] = samples_of([tmp_path / "1.png"])
        export([replace(sample, image=str(tmp_path / "alias" / "1.png"))], tmp_path / "out")
        assert image_paths(tmp_path / "out") == ["images/coco/1.png"]

    def test_without_symbolic_links_files_have_two_names(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*arguments: Any) -> None:
            raise OSError("no symbolic links here")

        files = [tmp_path / "a" / "1.png", tmp_path / "b" / "1.png"]
        samples = samples_of(files)
        monkeypatch.setattr(os, "symlink", refuse)
        export(samples, tmp_path / "out")
        assert all(
            (tmp_path / "out" / path).samefile(file)
            for path, file in zip(image_paths(tmp_path / "out"), files, strict=True)
        )


class TestWhatIsReplaced:
    def test_a_link_that_leads_into_the_old_export_stops_it(self, tmp_path: Path) -> None:
        [sample] = samples_of([tmp_path / "a" / "1.png"])
        write_export([sample], tmp_path / "out", LLAVA)
        (tmp_path / "b").mkdir()
        (tmp_path / "b" / "1.png").symlink_to(tmp_path / "out" / "images" / "coco" / "1.png")
        (tmp_path / "c").symlink_to(tmp_path / "out" / "images" / "coco")
        for folder in ("b", "c"):
            sly = replace(sample, image=str(tmp_path / folder / "1.png"))
            with pytest.raises(ExportError, match="which this export replaces"):
                write_export([sly], tmp_path / "out", LLAVA, ExportOptions("link", overwrite=True))

    def test_the_images_of_a_replaced_export_stay(self, tmp_path: Path) -> None:
        samples = samples_of([tmp_path / "a" / "1.png"])
        for _ in range(2):
            write_export(samples, tmp_path / "out", LLAVA, ExportOptions("link", overwrite=True))
        assert (tmp_path / "a" / "1.png").exists()
        assert (tmp_path / "out" / "images" / "coco" / "a" / "1.png").exists()


def test_a_folder_is_linked_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    links = FolderLinks(tmp_path / "partial", tmp_path / "out")
    paths = [links.place("coco", str(tmp_path / "a" / f"{number}.png")) for number in range(3)]
    assert paths == [f"images/coco/a/{number}.png" for number in range(3)]
    assert links.n_links == 1
    assert links.has("images/COCO/a")
