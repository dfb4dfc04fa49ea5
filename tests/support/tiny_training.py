"""A tiny LLaVA to train, rows to train it on, and recipes that name both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import PIL.Image

from mminstruct.config.recipe import Recipe
from support.tiny_llava import save_tiny_llava

COLOURS = ("red", "green", "blue", "white", "black", "yellow")


def row(number: int, image: str | None = "", turns: int = 1, answer: str = "") -> dict[str, Any]:
    """Return a row in LLaVA's form about a picture of one colour; without an image where that is None."""
    colour = COLOURS[number % len(COLOURS)]
    said = []
    for turn in range(turns):
        mark = "<image>\n" if image is not None and turn == 0 else ""
        said.append({"from": "human", "value": f"{mark}Describe the image, part {turn}."})
        said.append({"from": "gpt", "value": answer or f"A plain {colour} picture, seen {turn} times."})
    shown = {} if image is None else {"image": image or f"images/{number}.png"}
    return {"id": f"row-{number}", **shown, "conversations": said}


def save_rows(folder: Path, rows: list[dict[str, Any]]) -> Path:
    """Write `train.json` and the pictures that its rows name, and return the file."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number in range(len(rows)):
        size = (40 + 8 * (number % 3), 24)
        PIL.Image.new("RGB", size, COLOURS[number % len(COLOURS)]).save(folder / f"images/{number}.png")
    path = folder / "train.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def tiny_recipe(folder: Path, rows: list[dict[str, Any]] | None = None, **stages: dict[str, Any]) -> Recipe:
    """Return a recipe for a tiny LLaVA on a dozen rows, or on those given; `stages` are their settings."""
    data = save_rows(folder / "data", [row(number) for number in range(12)] if rows is None else rows)
    start = folder / "tiny"
    if not start.exists():
        save_tiny_llava(start)
    common = {"data": [{"path": str(data)}], "batch_size": 4, "workers": 0, "max_tokens": 256}
    return Recipe.model_validate(
        {
            "out": str(folder / "out"),
            "device": "cpu",
            "model": {"start": str(start)},
            **{name: {**common, **settings} for name, settings in stages.items()},
        }
    )
