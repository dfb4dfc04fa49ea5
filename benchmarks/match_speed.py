"""How long matching takes beside the bare matrix product that it cannot do without.

    python benchmarks/match_speed.py [N_IMAGES]

N_IMAGES × 300 × 512, random unit vectors around a common direction. The bare product is float32, 20,000 images at a
time into one array, with all cores. Each way runs twice, in turns; the best counts. The old way (noise for each pair
from SHAKE-128, whole rows sorted) runs on 2,000 images. Output: `benchmarks/results/match_speed.md`.
"""

from __future__ import annotations

import hashlib
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness import machine
from mminstruct.config.match import MatchConfig
from mminstruct.encoders.protocols import Embeddings
from mminstruct.rows import Image, Instruction, content_id
from mminstruct.stages.draw import Drawer, DrawRule
from mminstruct.stages.match import Matcher

RESULTS = Path(__file__).parent / "results" / "match_speed.md"
N_INSTRUCTIONS, WIDTH, PER_IMAGE = 300, 512, 3
N_ROUNDS, N_OLD, N_ROWS = 2, 2_000, 50_000


def main() -> None:
    """Measure and write the table."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    images, instructions = unit_rows(n, 1), unit_rows(N_INSTRUCTIONS, 2)
    keys = np.arange(n, dtype=np.uint64)
    cap = 2 * PER_IMAGE * n // N_INSTRUCTIONS
    ways: dict[str, Callable[[], None]] = {"bare product": lambda: bare(images, instructions)}
    for name, rule, block in (
        ("top_k", DrawRule(PER_IMAGE, "top_k", 0.05, None, None), n),
        ("softmax", DrawRule(PER_IMAGE, "softmax", 0.05, None, None), n),
        ("softmax, blocks of 1,000", DrawRule(PER_IMAGE, "softmax", 0.05, None, None), 1000),
        ("softmax, min_score 0.1", DrawRule(PER_IMAGE, "softmax", 0.05, None, 0.1), n),
        ("softmax, cap twice the mean", DrawRule(PER_IMAGE, "softmax", 0.05, cap, None), n),
        ("top_k, cap twice the mean", DrawRule(PER_IMAGE, "top_k", 0.05, cap, None), n),
        ("random", DrawRule(PER_IMAGE, "random", 0.05, None, None), n),
    ):
        ways[name] = drawing(images, instructions, keys, rule, block)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(N_ROUNDS):
        for name, way in ways.items():
            seconds[name].append(timed(way))
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    unit = min(seconds["bare product"])
    old_s = timed(lambda: old(images[:N_OLD], instructions)) * n / N_OLD
    lines = [
        "# Matching beside the bare matrix product",
        "",
        f"`python benchmarks/match_speed.py {n}`: {machine(['numpy'])}.",
        f"{n:,} × {N_INSTRUCTIONS} × {WIDTH}, {PER_IMAGE} an image. "
        f"The peak rose by {more:.0f} MB over what held the images.",
        "",
        "| way | seconds | times the bare product |",
        "|---|---:|---:|",
        *(f"| {name} | {min(times):.2f} | {min(times) / unit:.2f} |" for name, times in seconds.items()),
        f"| the old way, from {N_OLD:,} images | {old_s:.0f} | {old_s / unit:.0f} |",
        "",
        f"`Matcher.match` with softmax, its rows made as well: {rows_a_second(images):,.0f} images/s.",
    ]
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(RESULTS.read_text(encoding="utf-8"))


def timed(way: Callable[[], object]) -> float:
    """Return the seconds it takes."""
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def unit_rows(n: int, seed: int) -> Embeddings:
    """Return `(n, WIDTH)` rows with something in common, as embeddings have."""
    generator = np.random.default_rng(seed)
    common = 0.3 * np.random.default_rng(0).standard_normal(WIDTH, np.float32)
    rows = generator.standard_normal((n, WIDTH), np.float32)
    rows += common
    rows /= np.sqrt(np.einsum("nd,nd->n", rows, rows))[:, None]
    return rows


def bare(images: Embeddings, instructions: Embeddings) -> None:
    """Multiply, and do nothing with it."""
    out = np.empty((20_000, N_INSTRUCTIONS), np.float32)
    for start in range(0, len(images), 20_000):
        block = images[start : start + 20_000]
        np.matmul(block, instructions.T, out=out[: len(block)])


def drawing(
    images: Embeddings, instructions: Embeddings, keys: npt.NDArray[np.uint64], rule: DrawRule, block: int
) -> Callable[[], None]:
    """Return what draws for all images, `block` a call."""

    def draw() -> None:
        drawer = Drawer(instructions, rule, seed=0)
        for start in range(0, len(images), block):
            drawer.draw(images[start : start + block], keys[start : start + block])

    return draw


def old(images: Embeddings, instructions: Embeddings) -> None:
    """Draw as Matcher did before: float64, Gumbel noise for each pair, everything sorted."""
    scores = np.round(images.astype(np.float64) @ instructions.T.astype(np.float64), 6)
    noise = []
    for image in range(len(images)):
        digest = hashlib.shake_128(f"0 {image}".encode()).digest(8 * N_INSTRUCTIONS)
        uniform = ((np.frombuffer(digest, "<u8") >> np.uint64(12)).astype(np.float64) + 0.5) / 2.0**52
        noise.append(-np.log(-np.log(uniform)))
    np.argsort(-(scores + 0.05 * np.stack(noise)), axis=1, kind="stable")
    np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)


def rows_a_second(features: Embeddings) -> float:
    """Return how many images a second become Match rows."""
    instructions = [Instruction(content_id(str(i)), "", "", [], [], [], "", "") for i in range(N_INSTRUCTIONS)]
    n = min(N_ROWS, len(features))
    images = [Image(content_id(str(i)), "", "", "", "", "", [], 1, 1, "JPEG", "") for i in range(n)]
    matcher = Matcher(instructions, unit_rows(N_INSTRUCTIONS, 2), MatchConfig(), seed=0)
    return n / timed(lambda: matcher.match(images, features[:n]))


if __name__ == "__main__":
    main()
