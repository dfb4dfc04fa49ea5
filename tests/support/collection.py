"""A small captioned image collection on disk, and a config over it."""

from __future__ import annotations

import json
import random
from pathlib import Path

from PIL import Image

_THINGS = (
    "lighthouse", "bicycle", "bakery", "orchestra", "glacier", "tractor", "parrot", "violin", "market", "submarine",
    "orchard", "library", "camel", "windmill", "harbour", "telescope", "waterfall", "kitchen", "stadium", "greenhouse",
)  # fmt: skip
_MORE = (
    "wooden fence", "striped umbrella", "copper kettle", "stone bridge", "narrow staircase", "velvet curtain",
    "rusty anchor", "paper lantern", "muddy boots", "crystal bowl", "leather suitcase", "marble statue",
)  # fmt: skip


def make_collection(folder: Path, n_images: int = 16) -> Path:
    """Write `n_images` small JPEG files and captions.jsonl; return the latter's path."""
    (folder / "images").mkdir(parents=True)
    lines = []
    for number in range(n_images):
        dice = random.Random(number)
        thing, more = _THINGS[number % len(_THINGS)], dice.sample(_MORE, 3)
        Image.new("RGB", (16 + number, 12), (number * 9 % 256, 90, 200)).save(folder / "images" / f"{number}.jpg")
        caption = (
            f"A {thing} stands in the middle of the picture beside a {more[0]}. On the left there is a {more[1]}, and "
            f"far behind it somebody carries a {more[2]} through the evening light."
        )
        lines.append(json.dumps({"id": number, "image": f"{number}.jpg", "caption": caption}))
    path = folder / "captions.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def write_config(folder: Path, base_url: str, **changes: str) -> Path:
    """Write a config for the collection in `folder`; `changes` replace whole sections, as YAML text."""
    sections = {
        "run_dir": "run",
        "images": "[{format: jsonl, path: captions.jsonl, image_root: images, id_column: id, name: small}]",
        "llm": f"{{base_url: '{base_url}', model: m, concurrency: 8, max_tries: 2}}",
        "augment": "{n_instructions: 40, shots: 3}",
        "summarize": "{n_clusters: 8, min_image_share: 0}",
        "match": "{per_image: 3, max_per_instruction: 20}",
        "exemplars": "{per_instruction: 1}",
        "split": "{n_instructions: 1, images_per_instruction: 2}",
        "shard_size": "4",
    }
    path = folder / "config.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in {**sections, **changes}.items()))
    return path
