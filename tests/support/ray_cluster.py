"""A Ray cluster of several machines on this one: a raylet for each, all real processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.patience import PATIENCE_S


@dataclass
class SimulatedCluster:
    """A head, on which no work is done, and nodes of one CPU each."""

    address: str
    _cluster: Any
    _nodes: list[Any] = field(default_factory=list)

    def add_node(self) -> None:
        """Add a machine."""
        self._nodes.append(_add_node(self._cluster, num_cpus=1))

    def kill_node(self) -> None:
        """Kill a machine with all that runs on it, as a power failure does."""
        self._cluster.remove_node(self._nodes.pop(), allow_graceful=False)


@contextmanager
def simulated_cluster(n_nodes: int) -> Iterator[SimulatedCluster]:
    """Begin a cluster, and end it."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 100_000_000}
    cluster: Any = Cluster()
    try:
        _add_node(cluster, **head)
        found = SimulatedCluster(str(cluster.address), cluster)
        for _ in range(n_nodes):
            found.add_node()
        yield found
    finally:
        cluster.shutdown()


def _add_node(cluster: Any, **settings: Any) -> Any:
    node = cluster.add_node(wait=False, **settings)
    cluster._wait_for_node(node, timeout=PATIENCE_S)  # its own 30 s are too few for a busy machine
    return node


def worker_processes() -> list[int]:
    """Return the process ids of all workers that hold models (Ray names a process after its actor)."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if command.startswith(b"ray::_Host"):
                found.append(int(folder.name))
    return found
