"""What the tests of the explorer's pages share: a run, served, and a browser, new ones for each module."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.browser import chromium, served
from support.explored_run import make_explored_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def explored_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with odd rows; another run, `other`, lies beside it."""
    folder = tmp_path_factory.mktemp("explored")
    make_explored_run(folder / "other", teller=" of the old town")
    return make_explored_run(folder / "run")


@pytest.fixture
def run(explored_run: Path, tmp_path: Path) -> Path:
    """A copy of the run, without what an explorer left in it."""
    return Path(shutil.copytree(explored_run, tmp_path / "run", ignore=shutil.ignore_patterns("explore")))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def address(explored_run: Path) -> Iterator[str]:
    """The address of the run's explorer."""
    pytest.importorskip("duckdb")
    from mminstruct.web.explore.app import run_app
    from mminstruct.web.explore.library import RunExplorer
    from mminstruct.web.explore.safety import Guard

    with served(run_app(RunExplorer(str(explored_run)), Guard())) as started:
        yield started
