"""Pictures on their way to the wire: upright JPEGs of a bounded size, each the file that its row speaks of."""

from __future__ import annotations

import base64
import errno
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from mminstruct.errors import SourceError
from mminstruct.imaging import BadImage, image_hash
from mminstruct.llm.chat import Message, Picture, Request, RequestFailed
from mminstruct.llm.pictures import PictureCache
from mminstruct.rows import Reason

PREFIX = "data:image/jpeg;base64,"


def write_image(path: Path, width: int, height: int, orientation: int = 1) -> Path:
    """Write an image whose left half is red and whose right half is blue."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[:, : width // 2] = (255, 0, 0)
    pixels[:, width // 2 :] = (0, 0, 255)
    exif = PIL.Image.Exif()
    exif[274] = orientation
    PIL.Image.fromarray(pixels).save(path, exif=exif)
    return path


def picture(path: Path | str, data: bytes | None = None, max_side: int = 64) -> Picture:
    return Picture(str(path), image_hash(Path(path).read_bytes() if data is None else data), max_side)


def decoded(url: str) -> PIL.Image.Image:
    assert url.startswith(PREFIX)
    image = PIL.Image.open(io.BytesIO(base64.b64decode(url.removeprefix(PREFIX), validate=True)))
    image.load()
    assert (image.format, image.mode) == ("JPEG", "RGB")
    return image


class TestEncode:
    @pytest.mark.parametrize(
        ("size", "sent"), [((640, 480), (64, 48)), ((48, 640), (5, 64)), ((64, 64), (64, 64)), ((20, 10), (20, 10))]
    )
    @pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
    async def test_it_is_scaled_down_and_never_up(
        self, size: tuple[int, int], sent: tuple[int, int], name: str, tmp_path: Path
    ) -> None:
        path = write_image(tmp_path / name, *size)
        assert decoded(await PictureCache().encode(picture(path))).size == sent

    async def test_it_is_turned_upright(self, tmp_path: Path) -> None:
        path = write_image(tmp_path / "a.jpg", 800, 400, orientation=6)  # to be turned clockwise: red comes on top
        image = decoded(await PictureCache().encode(picture(path)))
        assert image.size == (32, 64)
        top, bottom = np.asarray(image)[4, 16], np.asarray(image)[60, 16]
        assert top[0] > 200 > 50 > top[2] and bottom[2] > 200 > 50 > bottom[0]
        assert not image.getexif()

    async def test_a_transparent_palette_becomes_rgb_on_white(self, tmp_path: Path) -> None:
        path = tmp_path / "a.gif"
        PIL.Image.new("P", (8, 8), 3).save(path, transparency=3)
        image = decoded(await PictureCache().encode(picture(path)))
        assert np.asarray(image).min() > 250

    async def test_it_is_read_out_of_a_tar(self, tmp_path: Path) -> None:
        data = write_image(tmp_path / "a.png", 100, 50).read_bytes()
        with tarfile.open(tmp_path / "0.tar", "w") as tar:
            tar.add(tmp_path / "a.png", "deep/a.png")
        url = await PictureCache().encode(picture(f"{tmp_path}/0.tar::deep/a.png", data))
        assert decoded(url).size == (64, 32)

    async def test_each_size_is_kept_by_itself(self, tmp_path: Path) -> None:
        path, cache = write_image(tmp_path / "a.png", 100, 50), PictureCache()
        assert decoded(await cache.encode(picture(path, max_side=10))).size == (10, 5)
        assert decoded(await cache.encode(picture(path, max_side=20))).size == (20, 10)

    async def test_what_was_used_last_is_kept_and_the_rest_read_again(self, tmp_path: Path) -> None:
        first, second, third = (picture(write_image(tmp_path / f"{name}.png", 40 + name, 40)) for name in range(3))
        room = len(await PictureCache().encode(first)) * 5 // 2  # for two of them
        cache = PictureCache(max_bytes=room)
        await cache.encode(first)
        await cache.encode(second)
        await cache.encode(first)
        await cache.encode(third)  # the second was used longest ago
        for path in tmp_path.iterdir():
            path.unlink()
        await cache.encode(first)
        await cache.encode(third)
        with pytest.raises(BadImage):
            await cache.encode(second)

    async def test_a_picture_larger_than_the_cache_is_sent_all_the_same(self, tmp_path: Path) -> None:
        cache = PictureCache(max_bytes=10)
        assert decoded(await cache.encode(picture(write_image(tmp_path / "a.png", 20, 10)))).size == (20, 10)


class TestFillIn:
    async def test_the_body_holds_the_data_and_its_reference_no_more(self, tmp_path: Path) -> None:
        one = picture(write_image(tmp_path / "a.png", 100, 50))
        two = picture(write_image(tmp_path / "b.jpg", 50, 100))
        # A caption that speaks as a reference does stays what it is.
        request = Request((Message("user", f'Compare "{one.reference}".', (one, two)),), parameters={"max_tokens": 9})
        body = json.loads(await PictureCache().fill_in(request.canonical(), request, "r1"))
        *images, text = body["messages"][0]["content"]
        assert [decoded(part["image_url"]["url"]).size for part in images] == [(64, 32), (32, 64)]
        assert text == {"type": "text", "text": f'Compare "{one.reference}".'}
        assert body["max_tokens"] == 9

    async def test_without_pictures_it_is_the_same_text(self) -> None:
        request = Request((Message("user", "image:00?max_side=64"),))
        text = request.canonical()
        assert await PictureCache().fill_in(text, request, "r1") is text

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda path: path.unlink(), Reason.MISSING_IMAGE),
            (lambda path: write_image(path, 7, 7), Reason.CHANGED_IMAGE),
        ],
    )
    async def test_an_image_that_is_not_the_one_any_more_fails_its_request(
        self, change: object, reason: Reason, tmp_path: Path
    ) -> None:
        path = write_image(tmp_path / "a.png", 100, 50)
        shown = picture(path)
        change(path)  # type: ignore[operator]
        await self.fails(shown, reason)

    async def test_a_damaged_image_fails_its_request(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jpg"
        path.write_bytes(write_image(tmp_path / "b.jpg", 100, 50).read_bytes()[:-100])
        await self.fails(picture(path), Reason.TRUNCATED_IMAGE)

    async def test_a_member_that_is_gone_fails_its_request(self, tmp_path: Path) -> None:
        with tarfile.open(tmp_path / "0.tar", "w"):
            pass
        await self.fails(picture(f"{tmp_path}/0.tar::a.png", b""), Reason.MISSING_IMAGE)

    async def fails(self, shown: Picture, reason: Reason) -> None:
        request = Request((Message("user", "What is this?", (shown,)),))
        with pytest.raises(RequestFailed) as caught:
            await PictureCache().fill_in(request.canonical(), request, "r1")
        assert (caught.value.request_id, caught.value.reason) == ("r1", reason)
        assert shown.path in caught.value.detail

    async def test_a_disk_that_cannot_be_read_stops_the_run(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(path: str) -> bytes:
            raise OSError(errno.EIO, "Input/output error", path)

        shown = picture(write_image(tmp_path / "a.png", 100, 50))
        monkeypatch.setattr("mminstruct.llm.pictures.read_image_bytes", fail)
        request = Request((Message("user", "What is this?", (shown,)),))
        with pytest.raises(SourceError, match="Input/output error"):
            await PictureCache().fill_in(request.canonical(), request, "r1")
