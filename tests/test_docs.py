"""Pages that are written from the code are up to date."""

from __future__ import annotations

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def test_the_configuration_page_is_what_the_code_says() -> None:
    written = runpy.run_path(str(DOCS / "write_configuration.py"))
    assert (DOCS / "configuration.md").read_text() == written["render"]()


def test_the_scaling_page_is_what_the_command_says() -> None:
    written = runpy.run_path(str(DOCS / "write_scaling.py"))
    assert (DOCS / "scaling.md").read_text() == written["render"]()
