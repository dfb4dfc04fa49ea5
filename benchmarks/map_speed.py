"""How long a map takes, what memory, and how well it keeps neighbours, beside principal components.

    python benchmarks/map_speed.py [N_ROWS …]

Made-up rows of 384 numbers and unit length: 300 topics, in each 20 themes, around each theme single rows; a third of a
row's direction is its own. Each size is measured in a process of its own. Neighbours are counted among 3,000 rows drawn
from all: *trustworthiness* (Venna and Kaski 2001; of the 10 nearest on the map, 1 is perfect) and the *neighbours kept*
(which share of the 10 nearest rows is among the 10 nearest on the map). Output: `benchmarks/results/map_speed.md`.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness import machine
from mminstruct.encoders.protocols import Embeddings
from mminstruct.web.maps.project import N_LANDMARKS, project

RESULTS = Path(__file__).parent / "results" / "map_speed.md"
SIZES = (1_000, 50_000, 234_000)
WIDTH, N_TOPICS, N_THEMES, N_JUDGED, N_NEAREST = 384, 300, 20, 3_000, 10


def main() -> None:
    """Measure each size in a process of its own and write the table."""
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(int(sys.argv[2]))))
        return
    lines = [
        "# The map's projection",
        "",
        f"`python benchmarks/map_speed.py`: {machine(['numpy', 'scikit-learn'])}. {N_LANDMARKS:,} landmarks, one "
        "thread for t-SNE.",
        "Where other programs keep the cores busy, processor seconds tell more than seconds.",
        "",
        "| rows | seconds | processor seconds | more memory, MB | trustworthiness | of PCA | neighbours kept | "
        "by PCA |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for n in [int(word) for word in sys.argv[1:]] or SIZES:
        found = json.loads(subprocess.check_output([sys.executable, __file__, "--one", str(n)]))
        lines.append(
            f"| {n:,} | {found['seconds']:.1f} | {found['processor']:.1f} | {found['megabytes']:.0f} | "
            f"{found['trust']:.3f} | {found['trust_pca']:.3f} | {found['kept']:.1%} | {found['kept_pca']:.1%} |"
        )
        print(lines[-1], flush=True)
    RESULTS.write_text("\n".join(lines) + "\n")


def measure(n: int) -> dict[str, float]:
    """Return the figures of one size."""
    rows = made_up(n)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, used = time.perf_counter(), time.process_time()
    points = project(rows, 0)
    seconds, processor = time.perf_counter() - started, time.process_time() - used
    megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    judged = np.random.default_rng(1).choice(n, min(n, N_JUDGED), replace=False)
    centred = rows[judged] - rows.mean(axis=0)
    flat = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
    return {
        "seconds": seconds,
        "processor": processor,
        "megabytes": megabytes,
        "trust": trust(rows[judged], points[judged]),
        "trust_pca": trust(rows[judged], flat),
        "kept": kept(rows[judged], points[judged]),
        "kept_pca": kept(rows[judged], flat),
    }


def made_up(n: int) -> Embeddings:
    """Return `(n, WIDTH)` rows of unit length in topics and themes."""
    generator = np.random.default_rng(0)
    topics = generator.standard_normal((N_TOPICS, 1, WIDTH), np.float32)
    themes = (topics + 0.7 * generator.standard_normal((N_TOPICS, N_THEMES, WIDTH), np.float32)).reshape(-1, WIDTH)
    rows = np.empty((n, WIDTH), np.float32)
    for start in range(0, n, 10_000):
        block = themes[generator.integers(0, len(themes), min(10_000, n - start))]
        block += 0.7 * generator.standard_normal(block.shape, np.float32)
        rows[start : start + len(block)] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return rows


def trust(rows: Embeddings, points: npt.NDArray[np.float32]) -> float:
    """Return the trustworthiness of the points."""
    from sklearn.manifold import trustworthiness

    return float(trustworthiness(rows, points, n_neighbors=N_NEAREST))


def kept(rows: Embeddings, points: npt.NDArray[np.float32]) -> float:
    """Return the share of each row's nearest rows that are among the nearest points."""
    near_rows, near_points = nearest(rows), nearest(points)
    return float(np.mean([len(np.intersect1d(*pair)) / N_NEAREST for pair in zip(near_rows, near_points, strict=True)]))


def nearest(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return the positions of each row's nearest others, `(n, N_NEAREST)`."""
    from sklearn.neighbors import NearestNeighbors

    found: npt.NDArray[np.int64] = NearestNeighbors(n_neighbors=N_NEAREST).fit(rows).kneighbors(return_distance=False)
    return found


if __name__ == "__main__":
    main()
