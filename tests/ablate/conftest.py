"""One finished run for all tests of a module: its variants are what is tested."""

from collections.abc import Iterator

import pytest

from support.finished_run import FinishedRun, finished_run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FinishedRun]:
    with finished_run(tmp_path_factory.mktemp("finished")) as run:
        yield run
