"""The demo's input: photographs that lie inside installed wheels, with the descriptions that we wrote for them.

    astronaut.png in scikit-image + our description  ─►  images/astronaut.png, one line of captions.jsonl

Neither scikit-image nor scikit-learn is imported: only their files are read, and nothing is downloaded.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

import yaml

from mminstruct.errors import MissingExtraError

_DISTRIBUTIONS = {"skimage": "scikit-image", "sklearn": "scikit-learn"}
_INSTALL = "pip install 'mminstruct[demo]'"


@dataclass(frozen=True, slots=True)
class DemoImage:
    """One photograph of the demo: the package that ships it, its place there, and what it shows."""

    package: str  # as it is imported
    file: str  # below the package's folder, with forward slashes
    description: str

    @property
    def name(self) -> str:
        """The file's name without its folders."""
        return PurePosixPath(self.file).name


def demo_images() -> list[DemoImage]:
    """Return the demo's photographs in their fixed order."""
    text = resources.files("mminstruct.data").joinpath("demo_descriptions.yaml").read_text(encoding="utf-8")
    return [DemoImage(**entry) for entry in yaml.safe_load(text)]


def write_demo_inputs(folder: Path) -> Path:
    """Copy the photographs into `folder/images`, write `folder/captions.jsonl`, and return the latter's path.

    Each line has the columns `image` (relative to `folder/images`), `caption` and `id`. The same files come out of
    every call.

    Raises MissingExtraError where a package, or a photograph inside it, is not installed.
    """
    # Everything is looked up before anything is written.
    sources = [(image, _installed_file(image)) for image in demo_images()]
    image_folder = folder / "images"
    image_folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for image, source in sources:
        shutil.copyfile(source, image_folder / image.name)
        row = {"image": image.name, "caption": image.description, "id": PurePosixPath(image.name).stem}
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    captions = folder / "captions.jsonl"
    captions.write_text("".join(lines), encoding="utf-8", newline="\n")
    return captions


def _installed_file(image: DemoImage) -> Path:
    """Return where the photograph lies on disk."""
    distribution = _DISTRIBUTIONS[image.package]
    spec = find_spec(image.package)  # finds a top-level package without running its code
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(distribution, f"The demo's photograph {image.name}", _INSTALL)
    for location in spec.submodule_search_locations:
        path = Path(location, *PurePosixPath(image.file).parts)
        if path.is_file():
            return path
    what = f"the file {image.file} of {distribution}"
    raise MissingExtraError(what, f"The demo's photograph {image.name}", f"{_INSTALL} --force-reinstall")
