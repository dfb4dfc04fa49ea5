"""How fast the embedded sentence encoder is beside transformers' BertModel, on the CPU, and how far apart they are.

    python benchmarks/text_encoder.py

Both encode the same texts in turns, in one process. The clock is processor time, and torch has one thread: so the
figures are those of one core, and other work on the machine disturbs them little. Texts: the shipped seed instructions
and the demo's descriptions, each repeated with a number in front. Output: `benchmarks/results/text_encoder.md`.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import statistics
import time
from importlib import resources
from pathlib import Path

import numpy as np
import torch
import yaml

from mminstruct.config.encoders import EmbeddedTextEncoder, TransformersTextEncoder
from mminstruct.encoders.protocols import TextEncoder
from mminstruct.encoders.text import embedded_folder, load_text_encoder
from mminstruct.readers.seeds import load_seeds

RESULTS = Path(__file__).parent / "results" / "text_encoder.md"
N_TEXTS = {"instructions": 300, "descriptions": 60}
N_ROUNDS = 15
PACKAGES = ("numpy", "torch", "transformers", "tokenizers")


def main() -> None:
    """Measure, compare the vectors, and write the table."""
    torch.set_num_threads(1)
    encoders: dict[str, TextEncoder] = {
        "embedded (numpy)": load_text_encoder(EmbeddedTextEncoder()),
        "transformers (torch)": load_text_encoder(TransformersTextEncoder(model=str(embedded_folder()), device="cpu")),
    }
    lines = [
        "# Sentence encoder: embedded beside transformers",
        "",
        f"`python benchmarks/text_encoder.py`: {machine()}.",
        "all-MiniLM-L6-v2 in both, float32. Texts per second of processor time on one core, the best of",
        f"{N_ROUNDS} rounds taken in turns.",
        "",
        f"| texts | mean words | {' | '.join(encoders)} | ratio | largest difference |",
        "|---|---|---|---|---|---|",
    ]
    for name, texts in corpora().items():
        rates, difference = measure(encoders, texts)
        numpy_rate, torch_rate = rates.values()
        n_words = statistics.mean(len(text.split()) for text in texts)
        row = (
            name,
            f"{n_words:.0f}",
            f"{numpy_rate:.0f}",
            f"{torch_rate:.0f}",
            f"{numpy_rate / torch_rate:.2f}",
            f"{difference:.0e}",
        )
        lines.append(f"| {' | '.join(row)} |")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(RESULTS.read_text(encoding="utf-8"))


def corpora() -> dict[str, list[str]]:
    """Return short and long texts."""
    descriptions = yaml.safe_load((resources.files("mminstruct.data") / "demo_descriptions.yaml").read_text("utf-8"))
    texts = {
        "instructions": [seed.instruction for seed in load_seeds()],
        "descriptions": [entry["description"] for entry in descriptions],
    }
    return {name: [f"{i} {some[i % len(some)]}" for i in range(N_TEXTS[name])] for name, some in texts.items()}


def measure(encoders: dict[str, TextEncoder], texts: list[str]) -> tuple[dict[str, float], float]:
    """Return texts per second of processor time of each encoder, and the largest difference between their vectors."""
    seconds: dict[str, list[float]] = {name: [] for name in encoders}
    embeddings = {}
    for _ in range(N_ROUNDS):
        for name, encoder in encoders.items():
            start = time.process_time()
            embeddings[name] = encoder.encode_texts(texts)
            seconds[name].append(time.process_time() - start)
    one, other = embeddings.values()
    return {name: len(texts) / min(times) for name, times in seconds.items()}, float(np.abs(one - other).max())


def machine() -> str:
    """Return processor, cores and versions."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in PACKAGES)
    processor = found[1] if found else platform.processor()
    return f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}"


if __name__ == "__main__":
    main()
