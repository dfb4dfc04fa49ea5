"""The demo's photographs and the seed instructions: complete, true to form, and the same on every call."""

import json
import subprocess
import sys
from collections import Counter
from importlib import resources
from pathlib import Path

import pytest
import yaml
from PIL import Image

from mminstruct import demo
from mminstruct.demo import DemoImage, demo_images, write_demo_inputs
from mminstruct.errors import MissingExtraError

CATEGORIES = {
    "creative writing", "marketing", "social media", "how-to", "analysis and critique", "summarising", "planning",
    "education", "dialogue", "poetry", "cooking", "travel", "fashion", "safety", "accessibility",
}  # fmt: skip


def seeds() -> list[dict[str, str]]:
    loaded: list[dict[str, str]] = yaml.safe_load(resources.files("mminstruct.data").joinpath("seeds.yaml").read_text())
    return loaded


class TestSeeds:
    def test_there_are_about_forty_and_each_category_has_two_to_four(self) -> None:
        counts = Counter(seed["category"] for seed in seeds())
        assert set(counts) == CATEGORIES
        assert all(2 <= count <= 4 for count in counts.values())
        assert 38 <= sum(counts.values()) <= 45

    def test_each_is_one_sentence_of_moderate_length_about_the_image(self) -> None:
        for seed in seeds():
            assert set(seed) == {"category", "instruction"}
            text = seed["instruction"]
            assert "the image" in text
            assert text.endswith(".") and text.count(".") == 1 and "?" not in text
            assert text[0].isupper()
            assert 8 <= len(text.split()) <= 22

    def test_verbs_vary_and_none_repeats(self) -> None:
        verbs = Counter(seed["instruction"].split()[0] for seed in seeds())
        assert max(verbs.values()) <= 2
        assert len({seed["instruction"].lower() for seed in seeds()}) == len(seeds())


class TestDemoImages:
    def test_descriptions_are_of_forty_to_a_hundred_words(self) -> None:
        for image in demo_images():
            assert 40 <= len(image.description.split()) <= 100, image.name
            assert image.description == " ".join(image.description.split())

    def test_names_and_ids_are_unique(self) -> None:
        images = demo_images()
        assert 16 <= len(images) <= 20
        assert len({image.name for image in images}) == len(images)
        assert len({Path(image.name).stem for image in images}) == len(images)

    def test_each_is_credited(self) -> None:
        credits = Path(__file__).parents[1].joinpath("docs", "demo-images.md").read_text(encoding="utf-8")
        assert [image.name for image in demo_images() if f"`{image.name}`" not in credits] == []


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("skimage", reason="the demo's photographs lie in scikit-image", exc_type=ImportError)
    return write_demo_inputs(tmp_path_factory.mktemp("demo"))


class TestWriteDemoInputs:
    def test_every_line_names_an_image_that_opens(self, inputs: Path) -> None:
        rows = [json.loads(line) for line in inputs.read_text(encoding="utf-8").splitlines()]
        assert len(rows) == len(demo_images())
        for row in rows:
            assert list(row) == ["image", "caption", "id"]
            with Image.open(inputs.parent / "images" / row["image"]) as picture:
                picture.load()

    def test_images_are_copied_as_they_are(self, inputs: Path) -> None:
        for image in demo_images():
            assert (inputs.parent / "images" / image.name).read_bytes() == demo._installed_file(image).read_bytes()

    def test_a_second_call_gives_the_same_files(self, inputs: Path) -> None:
        before = {path: path.read_bytes() for path in inputs.parent.rglob("*") if path.is_file()}
        assert write_demo_inputs(inputs.parent) == inputs
        assert {path: path.read_bytes() for path in inputs.parent.rglob("*") if path.is_file()} == before

    def test_nothing_heavy_is_imported(self, tmp_path: Path) -> None:
        pytest.importorskip("skimage", exc_type=ImportError)
        program = (
            "import sys, pathlib; from mminstruct.demo import write_demo_inputs;"
            "write_demo_inputs(pathlib.Path(sys.argv[1]));"
            "sys.exit(bool({'skimage', 'sklearn', 'numpy'} & set(sys.modules)))"
        )
        assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False).returncode == 0

    def test_a_missing_package_says_how_to_install_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(demo, "find_spec", lambda name: None)
        with pytest.raises(MissingExtraError, match=r"scikit-image.*pip install 'mminstruct\[demo\]'"):
            write_demo_inputs(tmp_path / "demo")
        assert not (tmp_path / "demo").exists()

    def test_a_photograph_that_a_wheel_lacks_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("skimage", exc_type=ImportError)
        monkeypatch.setattr(demo, "demo_images", lambda: [DemoImage("skimage", "data/no_such.png", "…")])
        with pytest.raises(MissingExtraError, match=r"data/no_such\.png of scikit-image"):
            write_demo_inputs(tmp_path / "demo")
        assert not (tmp_path / "demo").exists()
