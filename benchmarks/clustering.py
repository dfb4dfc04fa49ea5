"""How fast and how good k-means is beside scikit-learn's.

    python benchmarks/clustering.py [--large]

50,000 × 384 into 300: groups of very different sizes with noise, and noise alone. scikit-learn: k-means++, 20
iterations, its default threads. Inertia: the sum of squared distances to the own centroid. `--large` measures
1,000,000 × 384 into 3,000 too, ours alone. Output: `benchmarks/results/clustering.md`.
"""

from __future__ import annotations

import resource
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans

from harness import machine
from mminstruct.encoders.clustering import Clusters, cluster
from mminstruct.encoders.protocols import Embeddings

RESULTS = Path(__file__).parent / "results" / "clustering.md"
WIDTH = 384


def main() -> None:
    """Measure and write the table."""
    lines = [
        "# k-means beside scikit-learn's",
        "",
        f"`python benchmarks/clustering.py {' '.join(sys.argv[1:])}`: {machine(['numpy', 'scikit-learn'])}.",
        "",
        "| rows | clusters | ours, s | scikit-learn, s | times as fast | inertia, ours / theirs |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, rows in {"50,000 in groups": grouped(50_000, 800), "50,000 of noise": unit_rows(50_000, 4)}.items():
        start = time.perf_counter()
        ours = cluster(rows, 300, seed=0)
        ours_s = time.perf_counter() - start
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = KMeans(300, n_init=1, max_iter=20, random_state=0).fit(rows)
        theirs_s = time.perf_counter() - start
        ratio = inertia(rows, ours) / theirs.inertia_
        lines.append(f"| {name} | 300 | {ours_s:.2f} | {theirs_s:.2f} | {theirs_s / ours_s:.1f} | {ratio:.4f} |")
    if "--large" in sys.argv:
        rows = grouped(1_000_000, 8000)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        ours = cluster(rows, 3000, seed=0)
        lines.append(f"| 1,000,000 in groups | 3,000 | {time.perf_counter() - start:.0f} | | | |")
        more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024**2
        lines += ["", f"The peak of the large one rose by {more:.2f} GB over making its rows."]
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(RESULTS.read_text(encoding="utf-8"))


def unit_rows(n: int, seed: int) -> Embeddings:
    """Return `(n, WIDTH)` directions, all alike likely."""
    rows = np.random.default_rng(seed).standard_normal((n, WIDTH), np.float32)
    rows /= np.sqrt(np.einsum("nd,nd->n", rows, rows))[:, None]
    return rows


def grouped(n: int, n_groups: int) -> Embeddings:
    """Return `(n, WIDTH)` unit rows around centres, few groups large and many small."""
    generator = np.random.default_rng(3)
    sizes = generator.pareto(1.2, n_groups) + 0.1
    rows = unit_rows(n, 5)
    rows *= np.float32(0.7)
    rows += unit_rows(n_groups, 7)[generator.choice(n_groups, n, p=sizes / sizes.sum())]
    rows /= np.sqrt(np.einsum("nd,nd->n", rows, rows))[:, None]
    return rows


def inertia(rows: Embeddings, clusters: Clusters) -> float:
    """Return the sum of squared distances to the own centroid."""
    return float(np.square(rows - clusters.centroids[clusters.labels]).sum(dtype=np.float64))


if __name__ == "__main__":
    main()
