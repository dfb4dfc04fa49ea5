"""A folder that appears whole or not at all."""

from pathlib import Path

import pytest

from mminstruct.errors import ExportError
from mminstruct.writers.folder import whole_folder


def write(out: Path, text: str, overwrite: bool = False) -> None:
    with whole_folder(out, overwrite, "train.json") as folder:
        (folder / "train.json").write_text(text)


def test_it_appears_at_the_end(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "a" / "out", False, "train.json") as folder:
        (folder / "train.json").write_text("1")
        assert not (tmp_path / "a" / "out").exists()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["out"]
    assert (tmp_path / "a" / "out" / "train.json").read_text() == "1"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_after_a_failure(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), whole_folder(tmp_path / "out", False, "train.json") as folder:
        (folder / "train.json").write_text("half")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_refuses_is_an_export_error(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="No space left"), whole_folder(tmp_path / "out", False, "train.json"):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_export_left_is_cleared(tmp_path: Path) -> None:
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial" / "stale").touch()
    write(tmp_path / "out", "1")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["train.json"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write(tmp_path / "out", "1")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(ExportError, match="out is a file"):
        write(tmp_path / "out", "1", overwrite=True)


def test_an_earlier_export_is_replaced_only_when_asked(tmp_path: Path) -> None:
    write(tmp_path / "out", "1")
    with pytest.raises(ExportError, match=r"not empty.*--overwrite"):
        write(tmp_path / "out", "2")
    assert (tmp_path / "out" / "train.json").read_text() == "1"
    write(tmp_path / "out", "2", overwrite=True)
    assert (tmp_path / "out" / "train.json").read_text() == "2"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_failed_replacement_leaves_the_earlier_export(tmp_path: Path) -> None:
    write(tmp_path / "out", "1")
    with pytest.raises(ValueError, match="no"), whole_folder(tmp_path / "out", True, "train.json"):
        raise ValueError("no")
    assert (tmp_path / "out" / "train.json").read_text() == "1"


def test_a_folder_that_is_no_export_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("ten years of work")
    with pytest.raises(ExportError, match=r"holds no train\.json"):
        write(tmp_path / "home", "1", overwrite=True)
    assert (tmp_path / "home" / "thesis.tex").read_text() == "ten years of work"


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    write(tmp_path / "out", "1")
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "disk" / "train.json").read_text() == "1"
