"""The engine `ray` of one run: pools of workers, and the reply store's door.

driver: tables, order, manifest ──► workers: models, encoders ──► replies through the door, parts to the run's folder
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mminstruct.config.engine import RayEngine
from mminstruct.config.llm import LlmConfig
from mminstruct.config.run import LLM_STAGES, RunConfig
from mminstruct.engines.ray import RayPool, Resources, connect, n_cpus
from mminstruct.errors import MMInstructError
from mminstruct.llm.chat import Reply
from mminstruct.llm.store.remote import Paid, RemoteReplies
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.pipeline.asking import ASKING
from mminstruct.pipeline.backends import Backends
from mminstruct.pipeline.part_work import PartWork, open_part_work
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.site import Site
from mminstruct.pipeline.tables import Folder


class RayCluster:
    """Pools of workers: one for the encoder, which may need GPUs, and one for all else; begun when first needed."""

    asks_elsewhere = True

    def __init__(self, config: RunConfig, run_id: str) -> None:
        assert isinstance(config.engine, RayEngine)
        connect(config.engine.address)
        self._config = config
        self._run_id = run_id
        self._settings = config.engine
        self._keeper: Any = None
        self._pools: dict[float, RayPool] = {}  # by the GPUs of a worker

    def results(
        self, stage: str, items: Iterable[tuple[int, Any]], in_order: bool = True
    ) -> AsyncIterator[tuple[int, Any]]:
        """Yield each item's index and result, in order or as they come."""
        return self._pool(self._settings.num_gpus if stage == "match" else 0.0).results(stage, items, in_order)

    @property
    def in_flight(self) -> str:
        """Parts whose rows are being asked for, as `4 parts`."""
        n_parts = sum(pool.n_at_work(ASKING) for pool in self._pools.values())
        return f"{n_parts:,} parts" if n_parts else ""

    def stop(self, error: MMInstructError) -> None:
        """Have the workers send nothing more; their parts end with `error`."""
        for pool in self._pools.values():
            pool.stop(error)

    def close(self) -> None:
        """End the workers, then the door: what they had sent is on disk by then."""
        import ray

        for pool in self._pools.values():
            pool.close()
        if self._keeper is not None:
            ray.kill(self._keeper)

    def _pool(self, num_gpus: float) -> RayPool:
        if num_gpus not in self._pools:
            settings = self._settings
            n_workers = settings.workers or max(1, math.floor(n_cpus() / settings.num_cpus))
            config = _shared_out(self._config, n_workers)
            make = partial(StageWorker, config, self._run_id, self._door())
            resources = Resources(n_workers, settings.num_cpus, num_gpus, settings.parts_at_once)
            self._pools[num_gpus] = RayPool(make, resources)
        return self._pools[num_gpus]

    def _door(self) -> Any:
        """Return the actor that keeps replies, on the driver's own machine, where the store is."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        if self._keeper is None:
            here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
            actor: Any = ray.remote(_Keeper)
            self._keeper = actor.options(num_cpus=0, scheduling_strategy=here).remote(self._config.replies)
        return self._keeper


class StageWorker:
    """What an actor holds: a site of its own, and the work of each stage that it was asked for."""

    def __init__(self, config: RunConfig, run_id: str, keeper: Any) -> None:
        replies = RemoteReplies(_Door(keeper))
        tables = Tables(Folder(config.run_dir), config.describe.is_on)
        self._backends = Backends(config, run_id, replies)
        self._site = Site(config, tables, self._backends)
        self._opening = asyncio.Lock()
        self._is_entered = False
        self._work: dict[str, PartWork] = {}

    def stop(self, error: MMInstructError) -> None:
        """Send nothing more; parts that are being asked for end with `error` once what is in flight is on disk."""
        self._backends.models.stop(error)

    async def work(self, stage: str, item: Any) -> Any:
        """Return the result of one part, with the stage's models opened at the first."""
        async with self._opening:
            if not self._is_entered:  # never left: the process ends with the worker
                await self._backends.__aenter__()
                self._is_entered = True
            if stage not in self._work:
                self._work[stage] = await open_part_work(stage, self._site)
        return await self._work[stage](item)


class _Keeper:
    """The actor that has the reply store open for the workers."""

    def __init__(self, folder: str) -> None:
        self._store = ReplyStore(Path(folder))

    async def find_many(self, request_ids: Sequence[str]) -> list[Reply | None]:
        return [self._store.get(request_id) for request_id in request_ids]

    async def put_many(self, paid: Sequence[Paid]) -> list[None]:
        return list(await asyncio.gather(*(self._store.put(*each) for each in paid)))


class _Door:
    """The keeper, as `RemoteReplies` calls it."""

    def __init__(self, keeper: Any) -> None:
        self._keeper = keeper

    async def find_many(self, request_ids: Sequence[str]) -> list[Reply | None]:
        found: list[Reply | None] = await self._keeper.find_many.remote(request_ids)
        return found

    async def put_many(self, paid: Sequence[Paid]) -> list[None]:
        done: list[None] = await self._keeper.put_many.remote(paid)
        return done


def _shared_out(config: RunConfig, n_workers: int) -> RunConfig:
    """Return the config for one of `n_workers`, with its share of what an endpoint takes at a time and in a minute."""

    def share(llm: LlmConfig) -> LlmConfig:
        shares = {
            name: None if value is None else max(1, math.ceil(value / n_workers))
            for name, value in (
                ("concurrency", llm.concurrency),
                ("requests_per_minute", llm.requests_per_minute),
                ("tokens_per_minute", llm.tokens_per_minute),
            )
        }
        return llm.model_copy(update=shares)

    sections = {stage: getattr(config, stage) for stage in LLM_STAGES}
    own = {
        stage: section.model_copy(update={"llm": share(section.llm)})
        for stage, section in sections.items()
        if section.llm is not None
    }
    return config.model_copy(update={"llm": share(config.llm), **own})
