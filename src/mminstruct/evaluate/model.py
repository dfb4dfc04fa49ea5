"""The model's folder as lmms-eval gets it, with the prompt that the model was trained on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from mminstruct.errors import ModelError
from mminstruct.rows import content_id

TEMPLATE_FILE = "chat_template.jinja"
_TEMPLATES = (TEMPLATE_FILE, "chat_template.json")  # the second is how older folders keep it


def check_model(model: Path) -> None:
    """Raise ModelError where `model` is no folder of a LLaVA that transformers and lmms-eval load."""
    config = model / "config.json"
    if not config.is_file():
        name = "NAME" if model.is_absolute() else model
        raise ModelError(
            f"{model} is no folder with a model in it: it has no config.json. A model of the hub comes into a folder "
            f"with: hf download {name} --local-dir FOLDER"
        )
    try:
        kind = json.loads(config.read_text(encoding="utf-8")).get("model_type")
    except (ValueError, AttributeError) as error:
        raise ModelError(f"{config} is not the JSON of a model's config: {error}") from error
    if kind != "llava":
        raise ModelError(f"{config} says model_type {kind!r}, expected 'llava', which is what the suite is run with.")


def folder_fingerprint(folder: Path) -> str:
    """Return what changes when a file of the folder does: names, sizes and times, for weights are long to read."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return content_id(*(f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files))


def with_template(model: Path, template: str | None, folder: Path) -> Path:
    """Return a folder with the model's files and `template` as its chat template; `model` itself where it has it.

    The new one is `folder/NAME` and holds links. None leaves the model its own template.

    Raises ModelError where the model is to keep its own template and has none.
    """
    own = model / TEMPLATE_FILE
    if template is None:
        if not any((model / name).is_file() for name in _TEMPLATES):
            raise ModelError(f"{model} has no {TEMPLATE_FILE}, so that it has no prompt of its own. Use --prompt v1.")
        return model.resolve()
    if own.is_file() and own.read_text(encoding="utf-8").strip() == template.strip():
        return model.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    view = folder.resolve() / model.resolve().name
    view.mkdir(parents=True)
    for path in model.resolve().iterdir():
        if path.is_file() and path.name not in _TEMPLATES:
            (view / path.name).symlink_to(path.resolve())
    (view / TEMPLATE_FILE).write_text(template, encoding="utf-8")
    return view
