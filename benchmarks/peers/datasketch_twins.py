"""Near copies found by datasketch's MinHash and LSH, as its documentation does it: one text after the other.

    python datasketch_twins.py N_TEXTS N_WORDS THRESHOLD  ─►  {"found": {number: twin or -1 …}, "work_s": …}

Run in an environment with datasketch. What shares a bucket counts as a near copy; datasketch compares no further.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import pairwise
from pathlib import Path

from datasketch import MinHash, MinHashLSH

from generated_texts import text


def peak_mb() -> float:
    """Return the largest resident memory of this process so far."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) / 1024


def main() -> None:
    """Look each text up, and keep it where nothing was found."""
    n_texts, n_words, threshold = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    before_mb = peak_mb()
    lsh = MinHashLSH(threshold=threshold, num_perm=128)
    found: dict[int, int] = {}
    work_s = signature_s = 0.0
    for number in range(n_texts):
        content = text(number, n_words)
        started = time.perf_counter()
        words = content.split()
        pairs = [f"{first} {second}" for first, second in pairwise(words)]
        signature = MinHash(num_perm=128)
        signature.update_batch([shingle.encode() for shingle in {*words, *pairs}])
        signature_s += time.perf_counter() - started
        twins = lsh.query(signature)
        if twins:
            found[number] = min(map(int, twins))
        else:
            lsh.insert(number, signature)
        work_s += time.perf_counter() - started
    memory = {"before_mb": before_mb, "peak_mb": peak_mb()}
    print(json.dumps({"found": found, "work_s": work_s, "signature_s": signature_s, **memory}))


if __name__ == "__main__":
    main()
