"""What the command line offers is what the writers can do."""

from typing import get_args

import pytest
from click.testing import CliRunner

from mminstruct.cli import cli
from mminstruct.cli.export import FORMAT_NAMES, IMAGE_MODES
from mminstruct.writers.export import FORMATS
from mminstruct.writers.format import ImageMode


def test_every_format_is_offered() -> None:
    assert list(FORMAT_NAMES) == list(FORMATS)


def test_every_image_mode_is_offered() -> None:
    assert get_args(ImageMode) == IMAGE_MODES
    assert {mode for form in FORMATS.values() for mode in form.image_modes} == set(IMAGE_MODES)


@pytest.mark.parametrize("option", ["--mix-ratio=0.5", "--mix-seed=1", "--mix-image-root=images"])
def test_what_is_said_of_a_mix_needs_one(option: str) -> None:
    result = CliRunner().invoke(cli, ["export", "run", "--out", "out", option])
    assert result.exit_code == 2
    assert "are for the rows of --mix FILE" in result.output
