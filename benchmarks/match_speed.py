"""How long matching takes beside the bare matrix product that it cannot do without.

    python benchmarks/match_speed.py [N_IMAGES]

N_IMAGES × 300 × 512, random unit vectors around a common direction. The bare product is float32, 20,000 images at a
time into one array, with all cores. Each way runs three times, in turns; the best counts. What numba compiles is
compiled before. The naive way (noise for each pair from SHAKE-128, whole rows sorted) runs on 2,000 images.
Output: `benchmarks/results/match_speed.md`.
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
from mminstruct.stages.draw.drawer import Drawer, DrawRule
from mminstruct.stages.match import Matcher

RESULTS = Path(__file__).parent / "results" / "match_speed.md"
N_INSTRUCTIONS, WIDTH, PER_IMAGE = 300, 512, 3
N_ROUNDS, N_NAIVE, N_ROWS = 3, 2_000, 50_000


def main() -> None:
    """Measure and write the table."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    images, instructions = unit_rows(n, 1), unit_rows(N_INSTRUCTIONS, 2)
    keys = np.arange(n, dtype=np.uint64)
    cap = 2 * PER_IMAGE * n // N_INSTRUCTIONS
    rules = {
        "top_k": (DrawRule(PER_IMAGE, "top_k", 0.05, None, None), n),
        "top_k, cap twice the mean": (DrawRule(PER_IMAGE, "top_k", 0.05, cap, None), n),
        "softmax": (DrawRule(PER_IMAGE, "softmax", 0.05, None, None), n),
        "softmax, cap twice the mean": (DrawRule(PER_IMAGE, "softmax", 0.05, cap, None), n),
        "softmax, min_score 0.1": (DrawRule(PER_IMAGE, "softmax", 0.05, None, 0.1), n),
        "softmax, blocks of 1,000": (DrawRule(PER_IMAGE, "softmax", 0.05, None, None), 1000),
        "random": (DrawRule(PER_IMAGE, "random", 0.05, None, None), n),
    }
    first_s = timed(lambda: Drawer(instructions, rules["softmax"][0], 0, compiled=True).draw(images[:9], keys[:9]))
    ways: dict[tuple[str, bool], Callable[[], None]] = {
        (name, compiled): drawing(images, instructions, keys, rule, block, compiled)
        for name, (rule, block) in rules.items()
        for compiled in (True, False)
    }
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bare_s: list[float] = []
    seconds: dict[tuple[str, bool], list[float]] = {way: [] for way in ways}
    for _ in range(N_ROUNDS):
        bare_s.append(timed(lambda: bare(images, instructions)))
        for name, way in ways.items():
            seconds[name].append(timed(way))
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    best = {way: min(times) for way, times in seconds.items()}
    naive_s = timed(lambda: naive(images[:N_NAIVE], instructions)) * n / N_NAIVE
    lines = [
        "# Matching beside the bare matrix product",
        "",
        f"`python benchmarks/match_speed.py {n}`: {machine(['numpy', 'numba'])}.",
        f"{n:,} × {N_INSTRUCTIONS} × {WIDTH}, {PER_IMAGE} an image: seconds, and how many times the bare product.",
        f"The peak rose by {more:.0f} MB over what held the images. The first draw with numba took {first_s:.1f} s:",
        "it compiles, or reads what it has compiled before.",
        "",
        "| | with numba | | numpy alone | |",
        "|---|---:|---:|---:|---:|",
        f"| bare product | {min(bare_s):.2f} | 1.00× | {min(bare_s):.2f} | 1.00× |",
        *(table_row(name, best[name, True], best[name, False], min(bare_s)) for name in rules),
        f"| the naive way, from {N_NAIVE:,} images | | | {naive_s:.0f} | {naive_s / min(bare_s):.0f}× |",
        "",
        f"`Matcher.match` with softmax, its rows made as well: {rows_a_second(images):,.0f} images/s.",
    ]
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(RESULTS.read_text(encoding="utf-8"))


def table_row(name: str, compiled_s: float, plain_s: float, bare_s: float) -> str:
    """Return a row of the table."""
    return f"| {name} | {compiled_s:.2f} | {compiled_s / bare_s:.2f}× | {plain_s:.2f} | {plain_s / bare_s:.2f}× |"


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
    images: Embeddings,
    instructions: Embeddings,
    keys: npt.NDArray[np.uint64],
    rule: DrawRule,
    block: int,
    compiled: bool,
) -> Callable[[], None]:
    """Return what draws for all images, `block` a call."""

    def draw() -> None:
        drawer = Drawer(instructions, rule, seed=0, compiled=compiled)
        for start in range(0, len(images), block):
            drawer.draw(images[start : start + block], keys[start : start + block])

    return draw


def naive(images: Embeddings, instructions: Embeddings) -> None:
    """Draw as one would at first: float64, Gumbel noise for each pair, everything sorted."""
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
