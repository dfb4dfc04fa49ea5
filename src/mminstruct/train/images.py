"""The images of training rows: looked at before training, each once, and opened when their turn comes.

"images/17.jpg" in a row  ─►  /data/images/17.jpg, or what is wrong with it
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mminstruct.writers.checks import image_fault

Image = str | bytes


class ImageGate:
    """Remembers of one file's images, by a hash, which are faulty, and how.

    Images are looked at by several threads, as decoding leaves Python. Bytes that a row carries are written to a file
    in `unpacked`, once, and training reads them from there.
    """

    def __init__(self, base: Path, decode: bool, unpacked: Path) -> None:
        self._base = base.absolute()
        self._decode = decode
        self._unpacked = unpacked
        self._sound: set[int] = set()
        self._faulty: dict[int, tuple[str, str]] = {}
        self._threads = ThreadPoolExecutor(thread_name_prefix="images")

    def look(self, images: Iterable[Image]) -> None:
        """Look at those of the images that are new."""
        new = [image for image in dict.fromkeys(images) if not self._is_known(image)]
        for image, fault in zip(new, self._threads.map(self._fault, new), strict=True):
            if fault is None:
                self._sound.add(hash(image))
            else:
                self._faulty[hash(image)] = fault

    def fault_of(self, image: Image) -> tuple[str, str] | None:
        """Return the reason and detail of a faulty image that was looked at."""
        return self._faulty.get(hash(image))

    def path_of(self, image: Image) -> str:
        """Return the absolute path of a sound image."""
        if isinstance(image, str):
            return str(self._base / image)
        path = self._unpacked.absolute() / hashlib.sha256(image).hexdigest()[:32]
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(image)
        return str(path)

    def _is_known(self, image: Image) -> bool:
        return hash(image) in self._sound or hash(image) in self._faulty

    def _fault(self, image: Image) -> tuple[str, str] | None:
        if isinstance(image, str) and "://" in image:
            return "image_address", f"its image is the address {image}; expected a file: fetch it first"
        fault = image_fault(image, self._base, self._decode)
        return (fault[0].value, fault[1]) if fault else None
