"""How fast images are prepared for CLIP and encoded, beside transformers' processor and sentence-transformers.

    python benchmarks/image_speed.py [--images FOLDER]     ten minutes; on first use an environment for the peer

The tower is a CLIP ViT-B/32 made from its config, with random weights: speed does not depend on them. Without
`--images` the photographs are those in the wheels of scikit-image and scikit-learn that are large enough, cut to 4:3
and stored as JPEGs of 640 × 480 at quality 90. Every way runs in a process of its own (`image_ways.py`), the ways in
turns; the figures are medians. Output: `benchmarks/results/image_speed.md`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from harness import HERE, machine, run_measured
from mminstruct.demo import write_demo_inputs
from mminstruct.encoders.images import Preparation
from mminstruct.imaging import IMAGE_ENDINGS, decode_image

RESULTS = HERE / "results" / "image_speed.md"
PEER = HERE / "peers" / "sentence_transformers.txt"
SIZE = (640, 480)
PREPARE = {
    "plain": "transformers' `AutoImageProcessor`",
    "threads": "the same in a thread for each core",
    "peer": "sentence-transformers",
    "processes": "our steps in a process for each core, shared memory",
    "ours": "**ours** (a thread for each core)",
}
ENCODE = {"plain": "transformers", "peer": "sentence-transformers", "ours": "**ours**"}


def make_photographs(folder: Path) -> list[Path]:
    """Write the wheels' photographs as JPEGs of 640 × 480; those that would have to be enlarged are left out."""
    write_demo_inputs(folder)
    paths = []
    for path in sorted((folder / "images").iterdir()):
        image = decode_image(path.read_bytes())
        scale = max(SIZE[0] / image.width, SIZE[1] / image.height)
        if scale > 1.25:
            continue
        width, height = SIZE[0] / scale, SIZE[1] / scale
        left, top = max(0, image.width - width) / 2, max(0, image.height - height) / 2
        box = (left, top, min(image.width, left + width), min(image.height, top + height))
        paths.append(folder / f"{path.stem}.jpg")
        image.resize(SIZE, box=box).save(paths[-1], quality=90)
    return paths


def make_clip(folder: Path) -> Path:
    """Write a ViT-B/32 with random weights, its processor and a small tokenizer."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, PreTrainedTokenizerFast

    words = {"<bos>": 0, "<eos>": 1, "<pad>": 2, "a": 3}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [("<bos>", 0), ("<eos>", 1)]
    tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A <eos>", special_tokens=ends)
    specials: dict[str, Any] = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **specials).save_pretrained(folder)  # type: ignore[no-untyped-call]
    text = {"vocab_size": 4, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2, "num_hidden_layers": 1}
    torch.manual_seed(0)
    CLIPModel(CLIPConfig(text_config=text)).save_pretrained(folder)  # the vision tower's defaults are ViT-B/32
    CLIPImageProcessorPil().save_pretrained(folder)
    return folder


def peer_python(venv: Path) -> str:
    """Return the interpreter of sentence-transformers' environment, made on first use."""
    python, installed = venv / "bin" / "python", venv / "installed.txt"
    wanted = PEER.read_text(encoding="utf-8")
    if not installed.exists() or installed.read_text(encoding="utf-8") != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", str(PEER)], check=True)
        installed.write_text(wanted, encoding="utf-8")
    return str(python)


def measure(
    what: str, ways: dict[str, str], model: Path, paths: list[str], options: argparse.Namespace, home: Path
) -> dict[str, dict[str, float]]:
    """Return the medians of each way's figures."""
    listed = home / "list.json"
    listed.write_text(json.dumps(paths), encoding="utf-8")
    figures: dict[str, dict[str, list[float]]] = {way: defaultdict(list) for way in ways}
    for _ in range(options.rounds):
        for way in ways:
            python = peer_python(options.venv) if way == "peer" else sys.executable
            out = home / f"{way}.npy"
            command = [python, str(HERE / "image_ways.py"), way, what, str(model), str(listed), str(out)]
            for name, value in run_measured(command, home).items():
                if value is not None:
                    figures[way][name].append(value)
    return {way: {name: statistics.median(some) for name, some in found.items()} for way, found in figures.items()}


def pixel_difference(paths: list[Path]) -> float:
    """Return the mean difference of our pixels from the processor's, in levels of 255."""
    import torch
    from transformers import CLIPImageProcessorPil

    processor = CLIPImageProcessorPil()
    preparation = Preparation.of(processor)
    assert preparation is not None
    place = torch.empty((3, *preparation.crop), dtype=torch.uint8)
    differences = []
    for path in paths:
        preparation.read_into(place, path.read_bytes())
        options: dict[str, Any] = {"do_rescale": False, "do_normalize": False, "return_tensors": "np"}
        reference = processor(images=decode_image(path.read_bytes()), **options)["pixel_values"][0]
        differences.append(np.abs(place.numpy().astype(np.float32) - reference).mean())
    return float(np.mean(differences))


def tables(prepared: dict[str, dict[str, float]], encoded: dict[str, dict[str, float]]) -> list[str]:
    """Return both tables as lines of Markdown."""
    lines = [
        "| preparation alone | images/s | × | processor time an image | × | peak memory |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    plain = prepared["plain"]
    for way, found in prepared.items():
        in_children = way == "processes"
        cpu = "–" if in_children else f"{found['cpu_ms']:.2f} ms"
        saved = "–" if in_children else f"{plain['cpu_ms'] / found['cpu_ms']:.2f}"
        memory = f"{found['memory_mb']:.0f} MB" + (" and the children's" if in_children else "")
        rate = f"{found['rate']:.0f} | {found['rate'] / plain['rate']:.2f}"
        lines.append(f"| {PREPARE[way]} | {rate} | {cpu} | {saved} | {memory} |")
    lines += ["", "| encoding | images/s | × | tower busy | peak memory |", "|---|---:|---:|---:|---:|"]
    for way, found in encoded.items():
        rate = f"{found['rate']:.1f} | {found['rate'] / encoded['plain']['rate']:.2f}"
        lines.append(f"| {ENCODE[way]} | {rate} | {found['busy']:.1%} | {found['memory_mb']:.0f} MB |")
    return lines


def report(options: argparse.Namespace, home: Path) -> list[str]:
    """Measure everything and return the page's lines."""
    if options.images is None:
        photographs, source = make_photographs(home), "photographs from wheels, 640 × 480, quality 90"
    else:
        found = sorted(path for path in options.images.rglob("*") if path.suffix[1:].lower() in IMAGE_ENDINGS)
        photographs, source = [path.resolve() for path in found], "images of a folder"
    sizes = [PIL.Image.open(path).size for path in photographs]
    n_bytes = statistics.mean(path.stat().st_size for path in photographs)
    model = make_clip(home / "clip")
    many = [str(path) for path in islice(cycle(photographs), options.n_prepared)]
    prepared = measure("prepare", PREPARE, model, many, options, home)
    encoded = measure("encode", ENCODE, model, many[: options.n_encoded], options, home)
    ours, plain, peer = (np.load(home / f"{way}.npy") for way in ("ours", "plain", "peer"))
    cosines = (ours * plain).sum(axis=1)
    return [
        f"{len(photographs)} {source} (median {statistics.median(map(min, sizes)):.0f} pixels on the shorter side, "
        f"{n_bytes / 1000:.0f} kB on average), repeated to {options.n_prepared:,} for the preparation and "
        f"{options.n_encoded:,} for the encoding; batches of 32, medians of {options.rounds} rounds.",
        "",
        *tables(prepared, encoded),
        "",
        f"Cosine of our features to transformers': {cosines.mean():.5f} on average, {cosines.min():.5f} at worst "
        f"(sentence-transformers': {(peer * plain).sum(axis=1).mean():.5f}). Our pixels differ from its by "
        f"{pixel_difference(photographs):.2f} levels of 255 on average. The weights are random, so the cosine says "
        "less than the pixels do.",
    ]


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, help="a folder of photographs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--n-prepared", type=int, default=640)
    parser.add_argument("--n-encoded", type=int, default=320)
    parser.add_argument("--venv", type=Path, default=Path(tempfile.gettempdir()) / "mminstruct-sentence-transformers")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        lines = report(options, Path(home))
    packages = ("numpy", "Pillow", "torch", "transformers")
    head = [
        "# Images for CLIP: preparing and encoding",
        "",
        f"`python benchmarks/image_speed.py`: {machine(packages)}, "
        f"{PEER.read_text(encoding='utf-8').splitlines()[0].replace('==', ' ')}. ViT-B/32 with random weights.",
        "Without torchvision (which has no build beside this torch) `AutoImageProcessor` is the Pillow processor.",
    ]
    options.out.write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")
    print(options.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
