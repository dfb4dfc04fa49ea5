"""Image files to a vision tower's input, in threads, ahead of the tower.

    path ─► bytes ─► upright RGB, a large JPEG at ½, ¼ or ⅛ of its size ─► resize ─► crop ─► one uint8 array a batch
    batch (b, 3, h, w) uint8 ─► the device ─► float32, rescaled and normalised in one go

What the checkpoint's processor asks for is done by a short way where it is the usual (`Preparation`), and by that
processor itself where it is anything else. Decoding and resizing leave Python's lock alone, so threads use every core.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

import PIL.Image

from mminstruct.errors import RunError
from mminstruct.imaging import BadImage, decode_image, decode_reduced, image_hash, read_image_bytes
from mminstruct.rows import Reason

if TYPE_CHECKING:
    from torch import Tensor

_N_AHEAD = 2  # batches in the works while the tower has one: the threads never wait for it at a batch's end
_PROCESSORS = ("CLIPImageProcessorPil", "SiglipImageProcessorPil")
_FILTERS = {2: "bilinear", 3: "bicubic"}  # Pillow's numbers: the filters that torch has too, with the same results
_LONG = 4  # where a side is resized to so many times what is left of it, Pillow cuts first
_ROUNDING = 1e-9  # torch rounds the size of the result down: 224 / 240 * 240 must not become 223

_File = tuple[str, str | None]  # path, and the hash of the content that is expected


@dataclass(frozen=True, slots=True)
class Preparation:
    """What is done to an image: resize, centred crop, and a factor and a term for each channel."""

    resize: int | tuple[int, int]  # the shorter side, or height and width whatever the shape was
    crop: tuple[int, int]  # height and width of the result
    filter: str
    scale: tuple[float, ...]  # red, green, blue, for values 0 to 255
    shift: tuple[float, ...]

    @classmethod
    def of(cls, processor: Any) -> Self | None:
        """Return what a CLIP or SigLIP processor of transformers does, or None where it does anything unusual."""
        if type(processor).__name__ not in _PROCESSORS or not processor.do_resize or processor.do_pad:
            return None
        resize = _sides(processor.size)
        # Without a crop every image that keeps its shape would have a size of its own.
        crop = _sides(processor.crop_size) if processor.do_center_crop else resize
        resample = _FILTERS.get(processor.resample)
        if resize is None or not isinstance(crop, tuple) or resample is None:
            return None
        least = resize if isinstance(resize, tuple) else (resize, resize)
        if any(cut > side for cut, side in zip(crop, least, strict=True)):
            return None  # it would have to be padded
        factor = processor.rescale_factor if processor.do_rescale else 1.0
        mean = _of_channels(processor.image_mean if processor.do_normalize else 0.0)
        std = _of_channels(processor.image_std if processor.do_normalize else 1.0)
        scale = tuple(factor / each for each in std)
        shift = tuple(-middle / each for middle, each in zip(mean, std, strict=True))
        return cls(resize, crop, resample, scale, shift)

    def read_into(self, place: Tensor, data: bytes) -> None:
        """Decode, resize and crop an image into `place`, `(3, h, w)` uint8. Raises BadImage.

        Where nothing is decoded smaller, pixels are the processor's but for a level or two of 255; only those that
        Pillow clips between its two passes (saturated noise) can differ by more, for it orders them by the shape.
        """
        import torch

        least_side = self.resize if isinstance(self.resize, int) else max(self.resize)
        image, whole = decode_reduced(data, least_side)
        height, width = size = self._resized(*whole)
        top, left = (height - self.crop[0]) // 2, (width - self.crop[1]) // 2
        # Of 2001 pixels an eighth is 250.125, for which the JPEG library gives 251: the last one is not a whole one.
        shrunk = round(max(whole) / max(image.size))
        down, across = whole[1] / shrunk / height, whole[0] / shrunk / width
        if max(size) > _LONG * max(self.crop):
            box = (left * across, top * down, (left + self.crop[1]) * across, (top + self.crop[0]) * down)
            image = image.resize(self.crop[::-1], PIL.Image.Resampling[self.filter.upper()], box=box)
            down = across = 1.0
            top = left = 0
        factors = [(1 + _ROUNDING) / down, (1 + _ROUNDING) / across]
        resized = torch.nn.functional.interpolate(
            _planes(image), scale_factor=factors, mode=self.filter, antialias=True, recompute_scale_factor=False
        )
        # By numpy: torch would start a team of threads in each of ours for so small a copy.
        place.numpy()[:] = resized.numpy()[0, :3, top : top + self.crop[0], left : left + self.crop[1]]

    def normalise(self, pixels: Tensor) -> Tensor:
        """Return `(b, 3, h, w)` uint8 as float32 on the same device, rescaled and normalised."""
        import torch

        scale, shift = (torch.tensor(values, device=pixels.device).view(3, 1, 1) for values in (self.scale, self.shift))
        return pixels.to(torch.float32).mul_(scale).add_(shift)

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        """Return the height and width to resize to, rounded as transformers rounds them."""
        if not isinstance(self.resize, int):
            return self.resize
        longer = int(self.resize * max(width, height) / min(width, height))
        return (longer, self.resize) if width <= height else (self.resize, longer)


class ImageReader:
    """Reads images for one checkpoint in threads that live as long as it does."""

    def __init__(self, processor: Any, batch_size: int, device: str) -> None:
        self._processor = processor
        self._preparation = Preparation.of(processor)
        self._batch_size = batch_size
        self._device = device
        n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(n_cores, thread_name_prefix="image")

    def batches(self, paths: Sequence[str], content_hashes: Sequence[str] | None = None) -> Iterator[dict[str, Tensor]]:
        """Yield the tower's inputs on its device, batch by batch in the order of the paths, reading on meanwhile.

        Raises RunError where an image can no longer be read, or is another than `content_hashes` say.
        """
        hashes: Sequence[str | None] = [None] * len(paths) if content_hashes is None else content_hashes
        files = list(zip(paths, hashes, strict=True))
        parts = (files[start : start + self._batch_size] for start in range(0, len(files), self._batch_size))
        coming: deque[_Batch] = deque()
        try:
            coming.extend(self._begin(part) for part in islice(parts, _N_AHEAD))
            while coming:
                batch = coming.popleft()
                inputs = batch.finish(self._device)
                coming.extend(self._begin(part) for part in islice(parts, 1))
                yield inputs
        finally:  # of an error or Ctrl-C: what is not yet begun stays undone
            for batch in coming:
                batch.cancel()

    def _begin(self, files: Sequence[_File]) -> _Batch:
        """Hand a batch to the threads."""
        preparation = self._preparation
        if preparation is None:
            return _Batch(None, None, [self._pool.submit(self._process, file) for file in files])
        import torch

        pixels = torch.empty((len(files), 3, *preparation.crop), dtype=torch.uint8)
        reading = [
            self._pool.submit(_read_into, preparation, place, file) for place, file in zip(pixels, files, strict=True)
        ]
        return _Batch(preparation, pixels, reading)

    def _process(self, file: _File) -> dict[str, Any]:
        with _named(file):
            return dict(self._processor(images=decode_image(_read(file)), return_tensors="pt"))


@dataclass(frozen=True, slots=True)
class _Batch:
    """Images in the works: their pixels' places, or, with the checkpoint's own processor, each one's inputs."""

    preparation: Preparation | None
    pixels: Tensor | None
    reading: list[Future[Any]]

    def finish(self, device: str) -> dict[str, Tensor]:
        """Wait for the images and return the tower's inputs."""
        import torch

        try:
            read = [future.result() for future in self.reading]
        except BaseException:
            self.cancel()
            raise
        if self.preparation is not None and self.pixels is not None:
            return {"pixel_values": self.preparation.normalise(self.pixels.to(device))}
        return {key: torch.cat([inputs[key] for inputs in read]).to(device) for key in read[0]}

    def cancel(self) -> None:
        for future in self.reading:
            future.cancel()


def _read_into(preparation: Preparation, place: Tensor, file: _File) -> None:
    with _named(file):
        preparation.read_into(place, _read(file))


def _read(file: _File) -> bytes:
    path, content_hash = file
    data = read_image_bytes(path)
    if content_hash is not None and image_hash(data) != content_hash:
        raise BadImage(Reason.CHANGED_IMAGE, "found other bytes than when the images were read")
    return data


@contextmanager
def _named(file: _File) -> Iterator[None]:
    """Turn what is wrong with an image into an error that names it."""
    try:
        yield
    except (OSError, BadImage) as error:
        raise RunError(
            f"The image {file[0]} can no longer be read: {error}. It was sound when its captions were read; put it "
            "back, or run again with `--from images`."
        ) from error


def _planes(image: PIL.Image.Image) -> Tensor:
    """Return an RGB image as `(1, 3 or 4, h, w)` uint8, of which the first three channels count; copies if it must."""
    import numpy as np
    import pyarrow as pa
    import torch

    try:  # Pillow itself keeps RGB in four bytes a pixel, and lends them
        values = torch.utils.dlpack.from_dlpack(pa.array(image).values).view(image.height, image.width, 4)
    except (
        AttributeError,
        TypeError,
        ValueError,
        pa.ArrowException,
    ):  # Pillow before 11.3, or more than 4 million pixels
        values = torch.from_numpy(np.array(image))
    return values.permute(2, 0, 1)[None]


def _sides(size: Any) -> int | tuple[int, int] | None:
    """Return the shorter side or height and width of transformers' SizeDict, None where it says anything else."""
    sides = {name: int(value) for name, value in dict(size or {}).items() if value}
    if sides.keys() == {"shortest_edge"}:
        return sides["shortest_edge"]
    return (sides["height"], sides["width"]) if sides.keys() == {"height", "width"} else None


def _of_channels(value: float | Sequence[float]) -> tuple[float, ...]:
    """Return a value of each channel, where the checkpoint may give one for all."""
    return (float(value),) * 3 if isinstance(value, int | float) else tuple(float(each) for each in value)
