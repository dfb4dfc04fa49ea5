"""How fast near copies are found among many texts, in how much memory, and how many of them.

    python benchmarks/near_duplicates.py                    some 15 minutes, and 1 GB in the folder for temporary files
    python benchmarks/near_duplicates.py --sizes 10000      a quick look

Ours (`mminstruct.twins`), the exact search (`mminstruct.near_copies`) and datasketch look at the same texts, each in a
process of its own; the two others leave out the largest size. Every tenth text copies an earlier one with some words
replaced, so the near copies at a similarity of 0.7 are known, and what is named is compared once more, shingle by
shingle. datasketch is installed in a virtual environment under `--venvs`. Output: `results/near_duplicates.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from export_formats import peak_mb
from generated_texts import COPY_EVERY, original_of, similarity, text
from harness import HERE, machine, run_measured
from mminstruct.near_copies import near_copies
from mminstruct.twins import TwinIndex

RESULTS = HERE / "results" / "near_duplicates.md"
THRESHOLD = 0.7  # the default of filter.near_duplicate_similarity
N_AT_ONCE = 500  # as many as a part of a run has
LARGEST_OF_OTHERS = 100_000
N_CHECKED = 2_000  # of the copies found and of those not found


def ours(n_texts: int, n_words: int) -> dict[str, Any]:
    """Find near copies as the filter does."""
    index = TwinIndex(THRESHOLD)
    found: dict[int, int] = {}
    work_s = signature_s = 0.0
    for first in range(0, n_texts, N_AT_ONCE):
        texts = [text(number, n_words) for number in range(first, min(n_texts, first + N_AT_ONCE))]
        started = time.perf_counter()
        signed = index.signatures(texts)
        signature_s += time.perf_counter() - started
        for number, signature in enumerate(signed, first):
            twin = index.find(signature)
            if twin is None:
                index.add(str(number), signature)
            else:
                found[number] = int(twin)
        work_s += time.perf_counter() - started
    return {"found": found, "work_s": work_s, "signature_s": signature_s}


def exact(n_texts: int, n_words: int) -> dict[str, Any]:
    """Find all near copies."""
    texts = [text(number, n_words) for number in range(n_texts)]
    started = time.perf_counter()
    twins = near_copies(texts, THRESHOLD)
    work_s = time.perf_counter() - started
    return {"found": {number: twin for number, twin in enumerate(twins) if twin is not None}, "work_s": work_s}


FINDERS: dict[str, Callable[[int, int], dict[str, Any]]] = {"ours": ours, "exact": exact}


def measured(finder: str, n_texts: int, n_words: int, datasketch: Path) -> dict[str, Any]:
    """Run one search in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--case", finder, str(n_texts), str(n_words)]
    if finder == "datasketch":
        script = [str(HERE / "peers" / "datasketch_twins.py"), str(n_texts), str(n_words), str(THRESHOLD)]
        command = ["env", f"PYTHONPATH={HERE}", str(datasketch), *script]
    with tempfile.TemporaryDirectory() as folder:
        return run_measured(command, Path(folder))


def row(label: str, n_texts: int, n_words: int, result: dict[str, Any], all_found: set[int] | None) -> str:
    """Return one row of the table: rates, memory, and the share of copies found by what is known of the texts."""
    found = {int(number): twin for number, twin in result["found"].items()}
    copies = [number for number in range(COPY_EVERY - 1, n_texts, COPY_EVERY) if _is_copy(number, n_words)]
    recall = sum(number in found for number in copies) / len(copies)
    named = list(found.items())[:: max(1, len(found) // N_CHECKED)]
    precision = sum(similarity(number, twin, n_words) >= THRESHOLD for number, twin in named) / len(named)
    of_exact = f"{len(all_found & found.keys()) / len(all_found):.4f}" if all_found else ""
    signing = f"{n_texts / result['signature_s']:,.0f}" if "signature_s" in result else ""
    cells = [
        f"{label}, {n_words} words",
        f"{n_texts:,}",
        f"{n_texts / result['work_s']:,.0f}",
        signing,
        f"{result['peak_mb'] - result['before_mb']:,.0f}",
        f"{len(copies):,}",
        f"{recall:.4f}",
        of_exact,
        f"{precision:.4f}",
    ]
    line = f"| {' | '.join(cells)} |"
    print(line, file=sys.stderr, flush=True)
    return line


def _is_copy(number: int, n_words: int) -> bool:
    original = original_of(number)
    assert original is not None
    return similarity(number, original, n_words) >= THRESHOLD


def environment(venvs: Path) -> Path:
    """Return the interpreter of datasketch's own environment, made where it is missing."""
    python = venvs.resolve() / "datasketch" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
        requirements = str(HERE / "peers" / "datasketch.txt")
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", requirements], check=True)
    return python


def main() -> None:
    """Run all searches, write the table and print it; with `--case` run one and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--case", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--venvs", type=Path, default=HERE / ".peers", help="where datasketch is installed")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the table is written")
    options = parser.parse_args()
    if options.case:
        before_mb = peak_mb()
        result = FINDERS[options.case[0]](int(options.case[1]), int(options.case[2]))
        print(json.dumps({**result, "before_mb": before_mb, "peak_mb": peak_mb()}))
        return
    python = environment(options.venvs)
    rows = []
    for n_words in (100, 12):
        for n_texts in options.sizes:
            others = n_texts <= LARGEST_OF_OTHERS
            found = measured("exact", n_texts, n_words, python) if others else None
            all_found = {int(number) for number in found["found"]} if found else None
            rows.append(row("ours", n_texts, n_words, measured("ours", n_texts, n_words, python), all_found))
            if found:
                rows.append(row("exact search", n_texts, n_words, found, all_found))
                theirs = measured("datasketch", n_texts, n_words, python)
                rows.append(row("datasketch", n_texts, n_words, theirs, all_found))
    options.out.write_text(report(rows), encoding="utf-8")
    print(options.out.read_text(encoding="utf-8"))


def report(rows: list[str]) -> str:
    """Return the table as Markdown."""
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    lines = [
        "# Near copies among many texts",
        "",
        f"`python benchmarks/near_duplicates.py`: {machine(('numpy',))}; datasketch 2.0.0; load at the end {load}.",
        "",
        f"Threshold {THRESHOLD}, in one process. Texts a second: signature, search and keeping; signatures a second:",
        "the first of these alone. Memory is what the search adds to the process at its peak; the exact search holds",
        "the texts too. Copies known are every tenth text, where it is similar enough to the one that it was made of.",
        "Recall is the share of them that was found, and of those that the exact search found. Precision is the share",
        f"of some {N_CHECKED:,} named twins that are near copies when compared word by word; datasketch does not",
        "compare them.",
        "",
        "| | texts | texts/s | signatures/s | MB | copies known | recall | recall of exact | precision |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        *rows,
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
