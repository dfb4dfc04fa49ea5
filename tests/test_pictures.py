"""The pictures of the data's way are what the script that draws them draws, and load nothing from elsewhere."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"


@pytest.fixture(scope="module")
def draw() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw_pictures", PICTURES / "draw.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by its name
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_both_are_up_to_date_and_stand_alone(draw: ModuleType, theme: str) -> None:
    text = (PICTURES / f"pipeline-{theme}.svg").read_text(encoding="utf-8")
    assert text == draw.draw(getattr(draw, theme.upper())), "run: python docs/pictures/draw.py"
    root = ElementTree.fromstring(text)
    assert [element.tag for element in root.iter() if element.tag.endswith(("image", "style", "script", "use"))] == []
    assert "href" not in text


def test_only_colours_differ(draw: ModuleType) -> None:
    light, dark = (ElementTree.fromstring(draw.draw(colours)) for colours in (draw.LIGHT, draw.DARK))
    for left, right in zip(light.iter(), dark.iter(), strict=True):
        assert (left.tag, left.text) == (right.tag, right.text)
        same = {key for key in left.attrib if left.attrib[key] == right.attrib.get(key)}
        assert set(left.attrib) - same <= {"fill", "stroke"}
