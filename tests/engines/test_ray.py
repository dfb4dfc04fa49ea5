"""What the pool tells workers that begin late. Real clusters are in tests/pipeline/test_cluster.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mminstruct import __version__
from mminstruct.errors import RunInterrupted

pytest.importorskip("ray")
pytestmark = pytest.mark.asyncio


class Host:
    """In place of an actor: it says what it was asked, in order."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        async def answer(*given: Any) -> str:
            self.asked.append(name)
            return __version__

        return SimpleNamespace(remote=answer)


async def test_a_worker_that_comes_after_a_stop_is_told_before_it_works() -> None:
    from mminstruct.engines.ray import RayPool, Resources

    host = Host()
    pool = RayPool(
        lambda: pytest.fail("no worker is made here"), Resources(n_workers=1, num_cpus=1, num_gpus=0, parts_at_once=1)
    )
    pool._actor = SimpleNamespace(remote=lambda make: host)
    pool.stop(RunInterrupted("Stopped."))
    assert [number async for number, _ in pool.results("answer", [(0, "part")], in_order=True)] == [0]
    assert host.asked == ["version", "stop", "work"]
