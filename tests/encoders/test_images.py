import io
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
import pytest

from mminstruct.config.encoders import ClipEncoder
from mminstruct.encoders.image_text import ImageTextEncoder
from mminstruct.encoders.images import ImageReader, Preparation
from mminstruct.errors import RunError
from mminstruct.imaging import BadImage, decode_image, image_hash
from support.tiny_clip import save_tiny_clip

Pixels = npt.NDArray[np.uint8]
ORIENTATION = 274


def picture(width: int, height: int) -> PIL.Image.Image:
    """Return something with smooth parts, edges and texture, that no flip or turn leaves the same."""
    y, x = np.mgrid[0:height, 0:width] * (5 / min(width, height))
    channels = [np.sin(x * 3 + y), np.cos(y * 4 - x * x), np.sin(8 * x) * (x > y)]
    return PIL.Image.fromarray(np.stack([128 + 60 * each for each in channels], axis=-1).astype(np.uint8))


def encoded(image: PIL.Image.Image, name: str = "JPEG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def turned(image: PIL.Image.Image, orientation: int) -> bytes:
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = orientation
    return encoded(image, exif=exif, quality=90)


def clip(**settings: Any) -> Any:
    from transformers import CLIPImageProcessorPil

    return CLIPImageProcessorPil(**settings)


def siglip(**settings: Any) -> Any:
    from transformers import SiglipImageProcessorPil

    return SiglipImageProcessorPil(**settings)


def ours(processor: Any, data: bytes) -> Pixels:
    import torch

    preparation = Preparation.of(processor)
    assert preparation is not None
    place = torch.zeros((3, *preparation.crop), dtype=torch.uint8)
    preparation.read_into(place, data)
    return place.numpy()


def reference(processor: Any, data: bytes) -> Pixels:
    """Return the processor's own pixels of the fully decoded image."""
    options: dict[str, Any] = {"do_rescale": False, "do_normalize": False, "return_tensors": "np"}
    return np.asarray(processor(images=decode_image(data), **options)["pixel_values"][0])


def differences(one: Pixels, other: Pixels) -> npt.NDArray[np.int64]:
    assert one.shape == other.shape
    found: npt.NDArray[np.int64] = np.abs(one.astype(np.int64) - other.astype(np.int64))
    return found


SHAPES = [(640, 480), (480, 640), (641, 427), (224, 224), (100, 80), (37, 61), (1500, 200), (30, 900), (4000, 20)]


class TestPixels:
    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    @pytest.mark.parametrize(
        "processor",
        [
            clip(),
            clip(size={"shortest_edge": 256}, crop_size={"height": 224, "width": 200}),
            siglip(),
            siglip(size={"height": 256, "width": 192}, resample=PIL.Image.Resampling.BILINEAR),
        ],
        ids=["clip", "crop", "siglip", "bilinear"],
    )
    def test_are_the_processors_where_nothing_is_decoded_smaller(self, processor: Any, shape: tuple[int, int]) -> None:
        data = encoded(picture(*shape), "PNG")
        found = differences(ours(processor, data), reference(processor, data))
        assert found.max() <= 2
        assert found.mean() < 0.2  # in a tall image Pillow rounds after another pass than torch

    @pytest.mark.parametrize("shape", [(640, 480), (481, 641), (1000, 1900), (3000, 2001), (2007, 7001)], ids=str)
    @pytest.mark.parametrize("processor", [clip(), siglip()], ids=["clip", "siglip"])
    def test_are_close_where_a_jpeg_is_decoded_smaller(self, processor: Any, shape: tuple[int, int]) -> None:
        data = encoded(picture(*shape), quality=90)
        assert 0 < differences(ours(processor, data), reference(processor, data)).mean() < 1.5

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_are_upright(self, orientation: int) -> None:
        data = turned(picture(960, 640), orientation)
        assert differences(ours(clip(), data), reference(clip(), data)).mean() < 1.5

    @pytest.mark.parametrize(
        "data",
        [
            encoded(picture(300, 260).convert("P"), "PNG"),
            encoded(picture(300, 260).convert("P"), "GIF"),
            encoded(picture(300, 260).convert("LA"), "PNG"),
            encoded(picture(300, 260), "WEBP", lossless=True),
            encoded(PIL.Image.fromarray((np.arange(300 * 260) % 65536).astype(np.uint16).reshape(260, 300)), "PNG"),
            encoded(picture(300, 260), "TIFF"),
            encoded(picture(300, 260).convert("CMYK")),
            encoded(picture(300, 260).convert("L")),
        ],
        ids=["palette", "gif", "transparent", "webp", "16 bits", "tiff", "cmyk", "grey jpeg"],
    )
    def test_of_every_kind_of_image(self, data: bytes) -> None:
        assert differences(ours(clip(), data), reference(clip(), data)).max() <= 2

    def test_of_an_image_that_pillow_keeps_in_several_blocks(self) -> None:
        data = encoded(picture(2600, 2000), "PNG")
        assert differences(ours(clip(), data), reference(clip(), data)).max() <= 2

    def test_a_large_cmyk_jpeg(self) -> None:
        data = encoded(picture(1000, 900).convert("CMYK"), quality=90)
        assert differences(ours(clip(), data), reference(clip(), data)).mean() < 1.5

    @pytest.mark.parametrize(
        "settings",
        [
            {},
            {"do_normalize": False},
            {"do_rescale": False},
            {"rescale_factor": 1 / 127.5},
            {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.6, 0.7]},
        ],
        ids=str,
    )
    def test_are_normalised_as_the_processor_says(self, settings: dict[str, Any]) -> None:
        import torch

        processor = clip(**settings)
        preparation = Preparation.of(processor)
        assert preparation is not None
        pixels = torch.arange(256, dtype=torch.uint8).repeat(3 * 224 * 224 // 256).view(1, 3, 224, 224)
        expected = processor(images=pixels.numpy()[0].transpose(1, 2, 0), return_tensors="pt")["pixel_values"]
        torch.testing.assert_close(preparation.normalise(pixels), expected.to(torch.float32), rtol=1e-5, atol=1e-5)

    def test_bytes_that_are_no_image(self) -> None:
        with pytest.raises(BadImage):
            ours(clip(), b"no image")


class TestUnusualSettings:
    @pytest.mark.parametrize(
        "processor",
        [
            clip(do_resize=False),
            clip(do_pad=True, pad_size={"height": 256, "width": 256}),
            clip(resample=PIL.Image.Resampling.LANCZOS),
            clip(do_center_crop=False),
            clip(size={"shortest_edge": 200}),
            clip(size={"shortest_edge": 224, "longest_edge": 300}),
            siglip(size={"max_height": 224, "max_width": 224}),
        ],
    )
    def test_are_left_to_the_processor(self, processor: Any) -> None:
        assert Preparation.of(processor) is None

    def test_so_is_a_processor_that_is_not_known(self) -> None:
        from transformers import ViTImageProcessorPil

        assert Preparation.of(ViTImageProcessorPil()) is None

    def test_and_it_is_asked(self, files: list[str]) -> None:
        processor = clip(resample=PIL.Image.Resampling.LANCZOS)
        (batch,) = ImageReader(processor, 10, "cpu").batches(files[:3])
        images = [decode_image(Path(path).read_bytes()) for path in files[:3]]
        expected = processor(images=images, return_tensors="np")["pixel_values"]
        np.testing.assert_array_equal(batch["pixel_values"].numpy(), expected)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("images")
    paths = [folder / f"{i}.jpg" for i in range(11)]
    for i, path in enumerate(paths):
        picture(300 + 10 * i, 240).save(path)
    return [str(path) for path in paths]


class TestImageReader:
    @pytest.mark.parametrize("n", [0, 1, 4, 11])
    def test_gives_every_image_once_in_order(self, files: list[str], n: int) -> None:
        reader = ImageReader(clip(), 4, "cpu")
        expected = [b["pixel_values"].numpy() for path in files[:n] for b in reader.batches([path])]
        batches = [batch["pixel_values"].numpy() for batch in reader.batches(files[:n])]
        assert [len(batch) for batch in batches] == [4] * (n // 4) + [n % 4] * (n % 4 > 0)
        assert np.array_equal(
            np.concatenate([*batches, np.empty((0, 3, 224, 224))]), np.array(expected).reshape(-1, 3, 224, 224)
        )

    def test_goes_on_after_an_error_and_after_half_a_reading(self, files: list[str], tmp_path: Path) -> None:
        reader = ImageReader(clip(), 2, "cpu")
        with pytest.raises(RunError, match=r"gone\.jpg can no longer be read"):
            list(reader.batches([*files, str(tmp_path / "gone.jpg"), *files]))
        half = reader.batches(files)
        assert isinstance(half, Generator)
        next(half)
        half.close()
        assert sum(len(batch["pixel_values"]) for batch in reader.batches(files)) == len(files)

    @pytest.mark.parametrize("processor", [clip(), clip(resample=PIL.Image.Resampling.LANCZOS)], ids=["short", "own"])
    def test_another_content_than_expected(self, processor: Any, files: list[str]) -> None:
        reader = ImageReader(processor, 2, "cpu")
        hashes = [image_hash(Path(path).read_bytes()) for path in files]
        assert len(list(reader.batches(files, hashes))) == 6
        with pytest.raises(RunError, match=r"3\.jpg can no longer be read: found other bytes"):
            list(reader.batches(files, [*hashes[:3], hashes[0], *hashes[4:]]))

    def test_ctrl_c_ends_it_at_once(self, files: list[str]) -> None:
        code = (
            "import signal, sys; from transformers import CLIPImageProcessorPil\n"
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background ignores it
            "from mminstruct.encoders.images import ImageReader\n"
            "reader = ImageReader(CLIPImageProcessorPil(), 8, 'cpu')\n"
            "for batch in reader.batches(sys.argv[1:] * 100_000): print('batch', flush=True)"
        )
        command = [sys.executable, "-c", code, *files]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "batch\n"
            process.send_signal(signal.SIGINT)
            started = time.monotonic()
            _, stderr = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGINT
        assert stderr.strip().endswith("KeyboardInterrupt")
        assert time.monotonic() - started < 30  # and not the minutes that a million images take


def test_the_features_of_clip_stay_where_they_were(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModel

    paths = [tmp_path / f"{i}.jpg" for i in range(6)]
    for i, path in enumerate(paths):
        picture(400 + 173 * i, 900 - 111 * i).save(path)
    folder = str(save_tiny_clip(tmp_path / "clip"))
    found = ImageTextEncoder(ClipEncoder(model=folder, device="cpu")).encode_images([str(path) for path in paths])
    processor = clip(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    inputs = processor(images=[decode_image(path.read_bytes()) for path in paths], return_tensors="pt")
    expected = AutoModel.from_pretrained(folder).get_image_features(**inputs).pooler_output.detach()
    assert (torch.nn.functional.normalize(expected).numpy() * found).sum(axis=1).min() > 0.99
