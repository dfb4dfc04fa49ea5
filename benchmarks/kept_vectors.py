"""How fast kept vectors are stored and read, and that they come back bit by bit.

    python benchmarks/kept_vectors.py [--n 500000]     a minute; takes 1.2 GB of disk while it runs

Vectors of 512 float32 numbers under hashed keys, as the encoders keep them. They are stored in blocks of 256, as a run
stores them, and of 4096; then read a shard of 1,000 at a time, in the order in which they were stored (a stage run
again) and in any order. The last tenth of storing is told apart: there the file is at its largest. Output:
`benchmarks/results/kept_vectors.md`.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from pathlib import Path

import numpy as np

from harness import HERE, machine
from mminstruct.encoders.protocols import Embeddings
from mminstruct.encoders.vectors import VectorFile

RESULTS = HERE / "results" / "kept_vectors.md"
WIDTH = 512
SHARD = 1000


def store(path: Path, keys: list[bytes], vectors: Embeddings, block: int) -> tuple[float, float]:
    """Return vectors stored a second, of all and of the last tenth."""
    file = VectorFile(path)
    mark = len(keys) * 9 // 10 // block * block
    start = last = time.perf_counter()
    for first in range(0, len(keys), block):
        if first == mark:
            last = time.perf_counter()
        some = keys[first : first + block]
        at = first % (len(vectors) - block)
        file.add(some, vectors[at : at + len(some)])
    end = time.perf_counter()
    file.close()
    return len(keys) / (end - start), (len(keys) - mark) / (end - last)


def read(path: Path, keys: list[bytes]) -> float:
    """Return vectors read a second."""
    file = VectorFile(path)
    start = time.perf_counter()
    for first in range(0, len(keys), SHARD):
        _, missing = file.read(keys[first : first + SHARD], WIDTH)
        assert not missing
    rate = len(keys) / (time.perf_counter() - start)
    file.close()
    return rate


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=500_000)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    numbers = np.random.default_rng(0)
    vectors = numbers.standard_normal((10_000, WIDTH)).astype(np.float32)
    lines = [
        "# Kept vectors",
        "",
        f"`python benchmarks/kept_vectors.py`: {machine(('numpy',))}. Vectors of {WIDTH} numbers a second.",
        "",
        "| vectors | block | stored | of them the last tenth | read in order | read in any order | on disk |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for n_vectors in (options.n // 10, options.n):
        keys = [hashlib.blake2b(str(i).encode(), digest_size=16).digest() for i in range(n_vectors)]
        shuffled = [keys[i] for i in numbers.permutation(n_vectors)[:50_000]]
        for block in (256, 4096):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "vectors.sqlite"
                rates = [*store(path, keys, vectors, block), read(path, keys), read(path, shuffled)]
                first = VectorFile(path).read(keys[:block], WIDTH)[0]
                assert first.tobytes() == vectors[:block].tobytes()
                shown = " | ".join(f"{rate:,.0f}" for rate in rates)
                lines.append(f"| {n_vectors:,} | {block} | {shown} | {path.stat().st_size / 1e6:,.0f} MB |")
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(options.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
