"""Thumbnails and pictures: of sound files, and of every kind of file that is not what the run saw."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image as PillowImage

pytest.importorskip("duckdb")

from mminstruct.imaging import image_hash
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.tables import Folder
from mminstruct.rows import Image, content_id
from mminstruct.web.explore.app import run_app
from mminstruct.web.explore.library import RunExplorer
from mminstruct.web.explore.safety import Guard
from mminstruct.web.explore.thumbnails import Thumbnails
from mminstruct.web.own_folder import OwnFolder
from support.browser import served
from support.explored_run import CHANGED, GONE, ROWS
from support.http_asking import Told, ask


def opened(told: Told) -> PillowImage.Image:
    assert told.status == 200 and told.headers["content-type"] == "image/webp"
    return PillowImage.open(io.BytesIO(told.body))


class TestSoundImages:
    def test_sizes(self, address: str) -> None:
        wide = ROWS[6].image_id  # 400 × 60
        assert opened(ask(address, f"/thumb/{wide}")).size == (320, 48)
        assert opened(ask(address, f"/picture/{wide}")).size == (400, 60)

    def test_a_thumbnail_is_kept_and_served_again(self, address: str, explored_run: Path) -> None:
        image_id = ROWS[20].image_id
        first = ask(address, f"/thumb/{image_id}")
        kept = explored_run / "explore" / "thumbnails" / image_id[:2] / f"{image_id}.webp"
        assert kept.read_bytes() == first.body == ask(address, f"/thumb/{image_id}").body
        assert "max-age" in first.headers["cache-control"]

    def test_many_at_once(self, address: str) -> None:
        with ThreadPoolExecutor(16) as pool:
            ids = [row.image_id for row in ROWS[20:60]]
            statuses = pool.map(lambda image_id: ask(address, f"/picture/{image_id}").status, ids)
            assert set(statuses) == {200}


class TestRefused:
    def test_what_is_gone_or_another_file_by_now(self, address: str) -> None:
        for kind in ("thumb", "picture"):
            gone = ask(address, f"/{kind}/{ROWS[2 * GONE].image_id}")
            assert (gone.status, gone.json()["error"]) == (404, "The file is gone.")
            changed = ask(address, f"/{kind}/{ROWS[2 * CHANGED].image_id}")
            assert changed.status == 422 and "no longer" in changed.json()["error"]
            assert "max-age" not in changed.headers["cache-control"]

    @pytest.mark.parametrize("image_id", ["", "0" * 16, "0123456789ABCDEF", "..", "x" * 5000, "%2e%2e%2fetc"])
    def test_ids_that_are_none(self, address: str, image_id: str) -> None:
        assert ask(address, f"/thumb/{image_id}").status == 404


@pytest.fixture
def images() -> dict[str, bytes]:
    """Files that are trouble, as a run's table might name them."""
    bomb = io.BytesIO()
    PillowImage.new("1", (30_000, 30_000)).save(bomb, "PNG")  # 900 million pixels in some 100 kB
    sound = io.BytesIO()
    PillowImage.new("RGB", (50, 40), "red").save(sound, "JPEG")
    return {
        "bomb.png": bomb.getvalue(),
        "empty.jpg": b"",
        "one.jpg": b"\xff",
        "cut.jpg": sound.getvalue()[:-200],
        "passwd": b"root:x:0:0:root:/root:/bin/bash\n",
        "page.svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        "sound.jpg": sound.getvalue(),
    }


class TestTamperedRun:
    """The run's own table is not to be trusted either: a run comes by mail as well."""

    @pytest.fixture
    def served_run(self, run: Path, tmp_path: Path, images: dict[str, bytes]) -> Iterator[tuple[str, Tables]]:
        tables = Tables(Folder(str(run)))
        given = tables.images.read_part(0)
        rows = [_row(given[0], tmp_path / name, data) for name, data in images.items()]
        secret = tmp_path / "outside.jpg"
        secret.write_bytes(images["sound.jpg"])
        rows.append(replace(given[10], path=str(secret)))  # another's hash: not the image that the row speaks of
        rows += [replace(given[12 + n], path=path) for n, path in enumerate(_odd_paths(tmp_path))]
        tables.images.write_part(0, rows)
        with served(run_app(RunExplorer(str(run)), Guard())) as address:
            yield address, tables

    def test_none_is_shown_but_the_sound_one_and_the_server_lives(self, served_run: tuple[str, Tables]) -> None:
        address, tables = served_run
        rows = tables.images.read_part(0)
        for image in rows:
            for kind in ("thumb", "picture"):
                told = ask(address, f"/{kind}/{image.image_id}")
                if image.path.endswith("/sound.jpg"):
                    assert opened(told).size == (50, 40)
                else:
                    assert told.status in (404, 422), image.path
                    assert told.json()["error"].endswith(".") and b"root" not in told.body
        told = ask(address, f"/thumb/{rows[0].image_id}")
        assert "more pixels" in told.json()["error"]
        assert ask(address, "/api/about").status == 200


def _row(like: Image, path: Path, data: bytes) -> Image:
    path.write_bytes(data)
    content_hash = image_hash(data)
    return replace(like, image_id=content_id(content_hash), path=str(path), content_hash=content_hash)


def _odd_paths(folder: Path) -> list[str]:
    os.mkfifo(folder / "pipe")
    (folder / "no.tar").write_bytes(b"no tar")
    return [
        "/dev/zero", str(folder / "pipe"), str(folder), "", "a\0b", f"{folder}/no.tar::a.jpg", "http://evil.example/a.jpg",
        "x" * 5000,
    ]  # fmt: skip


class TestThumbnails:
    def test_the_oldest_go_once_the_cap_is_reached(self, tmp_path: Path) -> None:
        own = OwnFolder(str(tmp_path))
        thumbnails = Thumbnails(own, most_bytes=1000)
        for number in range(30):
            thumbnails.put(f"{number:016x}", b"x" * 100)
            os.utime(own.path / "thumbnails" / "00" / f"{number:016x}.webp", (number, number))
        files = list((own.path / "thumbnails").rglob("*.webp"))
        assert sum(file.stat().st_size for file in files) <= 1000
        assert thumbnails.get(f"{29:016x}") == b"x" * 100 and thumbnails.get(f"{0:016x}") is None
        assert Thumbnails(own, most_bytes=1000).get(f"{29:016x}") is not None
