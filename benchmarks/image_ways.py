"""Each way to prepare and encode images, run in a process of its own by `image_speed.py`.

python image_ways.py WAY prepare|encode MODEL LIST.json FEATURES.npy     prints a line of JSON

This file runs in two environments, ours and sentence-transformers', so it imports either only where a way needs it.
"""

from __future__ import annotations

import ctypes
import functools
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 32
N_CORES = len(os.sched_getaffinity(0))


class Busy:
    """Seconds spent inside the vision tower, which is called through this."""

    def __init__(self, model: Any) -> None:
        self.seconds = 0.0
        self._inner = model.get_image_features
        functools.update_wrapper(self, self._inner)  # sentence-transformers looks at the signature
        model.get_image_features = self

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call the tower by the clock."""
        start = time.perf_counter()
        try:
            return self._inner(*arguments, **named)
        finally:
            self.seconds += time.perf_counter() - start


def batches(paths: list[str]) -> Iterator[list[str]]:
    """Yield the paths in batches."""
    return (paths[start : start + BATCH] for start in range(0, len(paths), BATCH))


def by_processor(model: str) -> Callable[[list[str]], Any]:
    """Return the plain way: open the images, and hand them to `AutoImageProcessor`."""
    import PIL.Image
    from transformers import AutoImageProcessor

    processor = AutoImageProcessor.from_pretrained(model)  # type: ignore[no-untyped-call]
    return lambda paths: processor(images=[PIL.Image.open(path) for path in paths], return_tensors="pt")


def prepare_plain(model: str, _: list[str]) -> Callable[[list[str]], None]:
    """Prepare with transformers' processor, batch by batch in one thread, as it comes."""
    prepare = by_processor(model)

    def run(paths: list[str]) -> None:
        for batch in batches(paths):
            prepare(batch)

    return run


def prepare_threads(model: str, _: list[str]) -> Callable[[list[str]], None]:
    """Prepare with transformers' processor, image by image in a thread for each core, joined to batches."""
    import torch

    prepare = by_processor(model)
    pool = ThreadPoolExecutor(N_CORES)

    def run(paths: list[str]) -> None:
        parts = pool.map(lambda path: prepare([path])["pixel_values"], paths)
        for batch in batches(paths):
            torch.cat([next(parts) for _ in batch])

    return run


def prepare_ours(model: str, _: list[str]) -> Callable[[list[str]], None]:
    """Ours, in threads."""
    from transformers import AutoImageProcessor

    from mminstruct.encoders.images import ImageReader

    processor = AutoImageProcessor.from_pretrained(model, backend="pil")  # type: ignore[no-untyped-call]
    reader = ImageReader(processor, BATCH, "cpu")

    def run(paths: list[str]) -> None:
        for _ in reader.batches(paths):
            pass

    return run


_SHARED: Any = None
_PREPARATION: Any = None


def _attach(raw: Any, fields: tuple[Any, ...]) -> None:
    global _SHARED, _PREPARATION
    import torch

    from mminstruct.encoders.images import Preparation

    torch.set_num_threads(1)
    _PREPARATION = Preparation(*fields)
    _SHARED = torch.from_numpy(np.frombuffer(raw, np.uint8)).view(-1, 3, *_PREPARATION.crop)


def _read_into(place: int, path: str) -> None:
    _PREPARATION.read_into(_SHARED[place], Path(path).read_bytes())


def prepare_processes(model: str, warm_up: list[str]) -> Callable[[list[str]], None]:
    """Our steps in a process for each core, which write into shared memory."""
    from transformers import AutoImageProcessor

    from mminstruct.encoders.images import Preparation

    processor = AutoImageProcessor.from_pretrained(model, backend="pil")  # type: ignore[no-untyped-call]
    preparation = Preparation.of(processor)
    assert preparation is not None
    context, n_slots = get_context("spawn"), 3
    fields = (preparation.resize, preparation.crop, preparation.filter, preparation.scale, preparation.shift)
    raw = context.RawArray(ctypes.c_uint8, n_slots * BATCH * 3 * preparation.crop[0] * preparation.crop[1])
    _attach(raw, fields)
    pool = ProcessPoolExecutor(N_CORES, context, _attach, (raw, fields))
    list(pool.map(_read_into, range(BATCH), warm_up[:BATCH]))

    def run(paths: list[str]) -> None:
        coming: list[tuple[int, list[Any]]] = []
        for number, batch in enumerate(batches(paths)):
            slot = number % n_slots * BATCH
            coming.append((slot, [pool.submit(_read_into, slot + i, path) for i, path in enumerate(batch)]))
            if len(coming) == n_slots:
                finish(*coming.pop(0))
        while coming:
            finish(*coming.pop(0))

    def finish(slot: int, reading: list[Any]) -> None:
        for future in reading:
            future.result()
        preparation.normalise(_SHARED[slot : slot + len(reading)])

    return run


def prepare_peer(model: str, _: list[str]) -> Callable[[list[str]], None]:
    """sentence-transformers' own preparation."""
    import PIL.Image
    from sentence_transformers import SentenceTransformer  # type: ignore[import-not-found]

    peer = SentenceTransformer(model, device="cpu")

    def run(paths: list[str]) -> None:
        for batch in batches(paths):
            peer.preprocess([PIL.Image.open(path) for path in batch])

    return run


def encode_plain(model: str) -> tuple[Busy, Callable[[list[str]], Any]]:
    """transformers: processor and tower in turns."""
    import torch
    from transformers import AutoModel

    prepare = by_processor(model)
    tower = AutoModel.from_pretrained(model).eval()
    busy = Busy(tower)

    def run(paths: list[str]) -> Any:
        features = []
        with torch.inference_mode():
            for batch in batches(paths):
                found = tower.get_image_features(**prepare(batch)).pooler_output
                features.append(torch.nn.functional.normalize(found, dim=1))
        return torch.cat(features).numpy()

    return busy, run


def encode_ours(model: str) -> tuple[Busy, Callable[[list[str]], Any]]:
    """Ours: the images of the next batches are read while the tower has one."""
    from mminstruct.config.encoders import ClipEncoder
    from mminstruct.encoders.image_text import load_image_text_encoder

    encoder = load_image_text_encoder(ClipEncoder(model=model, batch_size=BATCH, device="cpu"))
    return Busy(encoder._model), encoder.encode_images


def encode_peer(model: str) -> tuple[Busy, Callable[[list[str]], Any]]:
    """sentence-transformers' `encode`, given opened images, as its documentation shows."""
    import PIL.Image
    from sentence_transformers import SentenceTransformer

    peer = SentenceTransformer(model, device="cpu")

    def run(paths: list[str]) -> Any:
        images = [PIL.Image.open(path) for path in paths]
        return peer.encode(images, batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False)

    return Busy(peer[0].auto_model), run


PREPARE = {
    "plain": prepare_plain,
    "threads": prepare_threads,
    "ours": prepare_ours,
    "processes": prepare_processes,
    "peer": prepare_peer,
}
ENCODE = {"plain": encode_plain, "ours": encode_ours, "peer": encode_peer}


def peak_mb() -> float:
    """Return this process's peak memory; `ru_maxrss` would count what its parent held when it was started."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    return int(found[1]) / 1024 if found else 0.0


def main() -> None:
    """Run one way, once to warm up and once by the clock."""
    way, what, model, listed, out = sys.argv[1:]
    paths: list[str] = json.loads(Path(listed).read_text(encoding="utf-8"))
    busy = None
    run: Callable[[list[str]], Any]
    if what == "prepare":
        run = PREPARE[way](model, paths)
    else:
        busy, run = ENCODE[way](model)
    run(paths[: 2 * BATCH])
    if busy is not None:
        busy.seconds = 0.0
    start, cpu = time.perf_counter(), time.process_time()
    features = run(paths)
    wall_s = time.perf_counter() - start
    if features is not None:
        np.save(out, features)
    measured = {
        "rate": len(paths) / wall_s,
        "cpu_ms": 1000 * (time.process_time() - cpu) / len(paths),
        "busy": busy.seconds / wall_s if busy is not None else None,
        "memory_mb": peak_mb(),
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
