"""Run per-part work on a Ray cluster; a worker that dies loses only the parts that it had in hand.

(index, item), … ──► actors, each with models of its own ──► (index, result), … in order, or as they come
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from mminstruct import __version__
from mminstruct.engines.desk import Desk, Job
from mminstruct.errors import MissingExtraError, MMInstructError, RunError

_CONNECT_WITHIN_S = 10.0
_MOST_TRIES = 4  # of one part: one that kills its workers must not go round for ever


class Worker(Protocol):
    """What an actor holds; made in the actor's process."""

    async def work(self, stage: str, item: Any) -> Any:
        """Return the result of one part; item and result travel through Ray."""
        ...

    def stop(self, error: MMInstructError) -> None:
        """Begin nothing more that costs money; work that does ends with `error`."""
        ...


@dataclass(frozen=True, slots=True)
class Resources:
    """How many workers there are, and what each is given."""

    n_workers: int
    num_cpus: float
    num_gpus: float
    parts_at_once: int


def connect(address: str) -> None:
    """Join the cluster at `address`, `auto` for the one of this machine, or begin one with `local`.

    Raises MissingExtraError without Ray, RunError where there is no cluster or it does not let us in.
    """
    try:
        import ray
        from ray.exceptions import RayError
    except ImportError as error:
        raise MissingExtraError("ray", "`engine: {kind: ray}`", "pip install 'mminstruct[ray]'") from error
    if ray.is_initialized():
        return
    try:
        _demand_answer(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RayError) as error:
        if _is_about_a_token(error):
            raise RunError(
                f"The Ray cluster at {address!r} asks for a token. Copy ~/.ray/auth_token of its head to this machine "
                "or set RAY_AUTH_TOKEN to what it holds, and set RAY_AUTH_MODE=token. Where the cluster asks for none, "
                "leave both unset."
            ) from error
        raise RunError(
            f"There is no Ray cluster at {address!r} ({error}). Begin one with `ray start --head`, and on the other "
            "machines `ray start --address=HEAD:6379`; or set `engine.address: local`."
        ) from error


def _is_about_a_token(error: BaseException | None) -> bool:
    """Return whether Ray tells, somewhere in a chain of errors, that a token is missing or another one."""
    while error is not None:
        if "authentication token" in str(error).lower():
            return True
        error = error.__cause__ or error.__context__
    return False


def _demand_answer(address: str) -> None:
    """Raise OSError where an address of the form HOST:PORT takes no connection: Ray itself tries for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit() and "://" not in host:
        socket.create_connection((host, int(port)), _CONNECT_WITHIN_S).close()


def n_cpus() -> int:
    """Return how many CPUs the cluster has."""
    import ray

    found: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return max(1, int(found.get("CPU", 1)))


class RayPool:
    """Workers on the cluster, each an actor; one that dies is replaced, and its parts are done again."""

    def __init__(self, make: Callable[[], Worker], resources: Resources) -> None:
        """Take what makes a worker in an actor's process. Workers begin when there is work."""
        import ray

        self._make = make
        self._resources = resources
        self._actor: Any = ray.remote(_Host).options(
            num_cpus=resources.num_cpus,
            num_gpus=resources.num_gpus,
            max_concurrency=resources.parts_at_once + 2,  # and a look whether it is up, and a word to stop
            max_restarts=0,
        )
        self._hosts: list[Any] = [None] * resources.n_workers
        self._stopping: MMInstructError | None = None
        self._at_work: Counter[str] = Counter()  # parts by stage
        self._idle = asyncio.Event()
        self._idle.set()

    async def results(
        self, stage: str, items: Iterable[tuple[int, Any]], in_order: bool
    ) -> AsyncIterator[tuple[int, Any]]:
        """Yield each item's index and result, in the items' order or as they come.

        `items` is read as far ahead as the workers need. The first exception of the work itself is raised as it is.
        Raises RunError for a part in whose hands several workers died.
        """
        desk = Desk(items, in_order, self._resources.n_workers * self._resources.parts_at_once)
        slots = [asyncio.create_task(self._keep_busy(slot, stage, desk)) for slot in range(len(self._hosts))]
        try:
            while (found := await desk.next_result()) is not None:
                yield found
        except MMInstructError as error:
            self.stop(error)
            await self._idle.wait()  # what the others have in flight comes home to the reply store
            raise
        finally:
            for task in slots:
                task.cancel()
            await asyncio.gather(*slots, return_exceptions=True)

    def n_at_work(self, stages: Iterable[str]) -> int:
        """Return how many parts of these stages the workers have in hand."""
        return sum(self._at_work[stage] for stage in stages)

    def stop(self, error: MMInstructError) -> None:
        """Pass a wish to stop on to the workers, and to those that come in their place."""
        self._stopping = self._stopping or error
        for host in filter(None, self._hosts):
            host.stop.remote(error)

    def close(self) -> None:
        """End the workers."""
        import ray

        for host in filter(None, self._hosts):
            with suppress(Exception):  # it may be dead already
                ray.kill(host)
        self._hosts = [None] * len(self._hosts)

    async def _keep_busy(self, slot: int, stage: str, desk: Desk) -> None:
        """Hand jobs to one worker, and to another in its place where it dies."""
        from ray.exceptions import RayActorError

        while not desk.is_over:
            host = self._hosts[slot] = self._hosts[slot] or self._actor.remote(self._make)
            try:
                _demand_version(await host.version.remote())  # waits until the cluster has room for it
                if self._stopping is not None:
                    await host.stop.remote(self._stopping)
                feeders = (self._feed(stage, host, desk) for _ in range(self._resources.parts_at_once))
                ended = await asyncio.gather(*feeders, return_exceptions=True)
                died = [error for error in ended if isinstance(error, BaseException)]
                if died:
                    raise died[0]
            except RayActorError:
                self._hosts[slot] = None
            except Exception as error:
                await desk.fail(_cause(error))

    async def _feed(self, stage: str, host: Any, desk: Desk) -> None:
        from ray.exceptions import RayActorError

        while (job := await desk.take()) is not None:
            self._begun(stage)
            try:
                result = await host.work.remote(stage, job.item)
            except RayActorError as error:
                await self._give_back(job, stage, desk, error)
                raise
            except Exception as error:  # told at once: the others at this desk would wait for this part for ever
                await desk.fail(_cause(error))
                return
            finally:
                self._ended(stage)
            await desk.put(job, result)

    def _begun(self, stage: str) -> None:
        self._at_work[stage] += 1
        self._idle.clear()

    def _ended(self, stage: str) -> None:
        self._at_work[stage] -= 1
        if not self._at_work.total():
            self._idle.set()

    async def _give_back(self, job: Job, stage: str, desk: Desk, error: Exception) -> None:
        if job.n_tries < _MOST_TRIES:
            await desk.give_back(job)
            return
        await desk.fail(
            RunError(
                f"Part {job.index} of {stage} was in the hands of {job.n_tries} workers when they died; the last: "
                f"{error} Look into Ray's logs for the cause (often memory), then run the same command again: finished "
                "parts are kept."
            )
        )


class _Host:
    """The actor: a worker, and what tells whether it is up."""

    def __init__(self, make: Callable[[], Worker]) -> None:
        self._worker = make()

    async def version(self) -> str:
        return __version__

    async def work(self, stage: str, item: Any) -> Any:
        return await self._worker.work(stage, item)

    async def stop(self, error: MMInstructError) -> None:
        self._worker.stop(error)


def _demand_version(found: str) -> None:
    if found != __version__:
        raise RunError(
            f"A machine of the cluster has mminstruct {found}; this one has {__version__}. Install one version on all."
        )


def _cause(error: Exception) -> Exception:
    """Return what a worker raised, without Ray's wrapping."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, Exception) else error
