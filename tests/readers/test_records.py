"""Paths that leave the root never become a record; captions join to one description."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mminstruct.readers.faults import BadRecord
from mminstruct.readers.records import (
    captions_of,
    decode_text,
    join_captions,
    locate,
    record_in_folder,
    relative_name,
    source_id_of,
)
from mminstruct.rows import Reason

OUTSIDE = [
    "../secret.jpg",
    "a/../../secret.jpg",
    "a/../../root/inside.jpg",
    "..",
    "/etc/passwd",
    "//etc/passwd",
    "..\\secret.jpg",
    "a\\..\\..\\secret.jpg",
    "\\\\host\\share\\a.jpg",
    "C:\\a.jpg",
    "C:/a.jpg",
]
PIECES = st.sampled_from(["..", ".", "", "a", "b.jpg", "out", "loop", "\\..", "C:", "~", "ä", " ", "\0", "/", "\ud800"])


class TestLocate:
    @pytest.mark.parametrize("name", OUTSIDE)
    def test_outside(self, tmp_path: Path, name: str) -> None:
        assert locate(str(tmp_path / "root"), name) is None

    @pytest.mark.parametrize(
        ("name", "located"),
        [
            ("a.jpg", "a.jpg"),
            ("./a/b.jpg", "a/b.jpg"),
            ("a/../b.jpg", "b.jpg"),
            ("..a.jpg", "..a.jpg"),
            ("a//b", "a/b"),
        ],
    )
    def test_inside(self, tmp_path: Path, name: str, located: str) -> None:
        assert locate(str(tmp_path), name) == located

    def test_an_absolute_path_inside_the_root(self, tmp_path: Path) -> None:
        assert locate(str(tmp_path), str(tmp_path / "a" / "b.jpg")) == "a/b.jpg"
        assert locate(str(tmp_path), str(tmp_path) + "2/b.jpg") is None

    def test_links(self, tmp_path: Path) -> None:
        root = tmp_path / "root"
        (root / "a").mkdir(parents=True)
        (root / "out.jpg").symlink_to(tmp_path / "secret.jpg")
        (root / "out").symlink_to(tmp_path)
        (root / "in.jpg").symlink_to(root / "a" / "b.jpg")
        assert locate(str(root), "out.jpg") is None
        assert locate(str(root), "out/secret.jpg") is None
        assert locate(str(root), "in.jpg") == "in.jpg"

    def test_a_root_that_is_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "root").symlink_to(tmp_path / "real")
        assert locate(str(tmp_path / "root"), "a.jpg") == "a.jpg"

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=500)
    @given(st.one_of(st.lists(PIECES, max_size=8).map("/".join), st.text(max_size=20)))
    def test_nothing_gets_out(self, tmp_path: Path, name: str) -> None:
        root = tmp_path / "root"
        if not root.exists():
            (root / "a").mkdir(parents=True)
            (root / "out").symlink_to(tmp_path)
            (root / "loop").symlink_to(root / "loop")
        try:
            record = record_in_folder("s", "1", str(root), name, [], "here")
        except BadRecord as fault:
            assert fault.reason in (Reason.PATH_OUTSIDE_ROOT, Reason.INVALID_UTF8)
            return
        if "\0" not in record.path:
            real = os.path.realpath(record.path)
            assert real == str(root.resolve()) or real.startswith(f"{root.resolve()}{os.sep}")
        assert ".." not in record.file_name.split("/")
        assert relative_name(record.file_name) == record.file_name


class TestJoin:
    @pytest.mark.parametrize(
        ("captions", "description"),
        [
            (["A dog"], "A dog"),
            ([" A dog \n"], "A dog"),
            (["A dog", "A cat."], "A dog. A cat."),
            (["A dog", "A dog.", " A dog"], "A dog."),
            (["Is it a dog?", "", "  ", "Yes!"], "Is it a dog? Yes!"),
            (["A dog", " "], "A dog"),
            ([], ""),
        ],
    )
    def test_joined(self, captions: list[str], description: str) -> None:
        assert join_captions(captions) == description


class TestValues:
    @pytest.mark.parametrize(("value", "captions"), [("a", ["a"]), (["a", "b"], ["a", "b"]), (None, []), ("", [""])])
    def test_captions(self, value: object, captions: list[str]) -> None:
        assert captions_of(value, "caption") == captions

    @pytest.mark.parametrize("value", [7, {"text": "a"}, ["a", 7], True])
    def test_no_captions(self, value: object) -> None:
        with pytest.raises(BadRecord) as caught:
            captions_of(value, "caption")
        assert caught.value.reason is Reason.INVALID_RECORD

    @pytest.mark.parametrize("value", [None, "", True, 1.5, ["a"]])
    def test_no_ids(self, value: object) -> None:
        with pytest.raises(BadRecord) as caught:
            source_id_of(value, "id")
        assert caught.value.reason is Reason.INVALID_RECORD

    def test_bom(self) -> None:
        assert decode_text("\ufeffä".encode()) == "ä"

    def test_not_utf8(self) -> None:
        with pytest.raises(BadRecord, match="0xe4 at offset 1") as caught:
            decode_text("aä".encode("latin-1"))
        assert caught.value.reason is Reason.INVALID_UTF8
