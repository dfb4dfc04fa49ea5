"""What the tests of a benchmark's explorer share: a judged benchmark of each test's own, served."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mminstruct.bench.folder import Benchmark
from support.browser import served
from support.explorer_api import Api
from support.judged_benchmark import make_judged_benchmark


@pytest.fixture
def benchmark(tmp_path: Path) -> Benchmark:
    return make_judged_benchmark(tmp_path / "bench", n_questions=6)


@pytest.fixture
def address(benchmark: Benchmark) -> Iterator[str]:
    """The address of the benchmark's explorer."""
    pytest.importorskip("starlette")
    from mminstruct.web.explore.app import bench_app
    from mminstruct.web.explore.bench.explorer import BenchExplorer
    from mminstruct.web.explore.safety import Guard

    with served(bench_app(BenchExplorer(benchmark.path), Guard())) as started:
        yield started


@pytest.fixture
def api(address: str) -> Api:
    return Api(address)
