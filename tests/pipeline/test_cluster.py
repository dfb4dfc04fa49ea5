"""Runs on a real Ray cluster of several simulated machines: killed nodes, workers and drivers lose nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from mminstruct.encoders.vectors import VectorFile
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.tables import Folder
from support.collection import make_collection, write_config
from support.llm_server import LlmServer
from support.object_store import BUCKET, object_store
from support.patience import PATIENCE_S, wait_for
from support.ray_cluster import SimulatedCluster, simulated_cluster, worker_processes

for package in ("ray", "moto"):
    pytest.importorskip(package)
pytestmark = [
    pytest.mark.timeout(2 * PATIENCE_S),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Ray's own processes and files
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

_N_IMAGES = 120
_SHARD = 10
_IN_HAND = 2  # parts that each of two workers has


@pytest.fixture(scope="module")
def cluster() -> Iterator[SimulatedCluster]:
    """With a store beside it, whose address all its processes know."""
    with object_store() as variables, mock.patch.dict(os.environ, variables), simulated_cluster(2) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def server() -> Iterator[LlmServer]:
    with LlmServer(latency_s=0.05) as server:
        yield server


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory, server: LlmServer) -> Path:
    """A config, and a run of it on one machine."""
    folder = tmp_path_factory.mktemp("collection")
    make_collection(folder, n_images=_N_IMAGES)
    write_config(
        folder,
        server.base_url,
        shard_size=str(_SHARD),
        match="{per_image: 3, max_per_instruction: 60}",
        llm=f"{{base_url: '{server.base_url}', model: m, concurrency: 4}}",
    )
    assert start(folder, "local").wait(PATIENCE_S) == 0
    return folder


def start(folder: Path, name: str, *options: str) -> subprocess.Popen[str]:
    """Begin a run with a folder and a reply store of its own."""
    command = [sys.executable, "-m", "mminstruct", "run", "config.yaml", "--run-dir", name]
    command += ["-o", f"replies=replies-{name}", *options]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def on(cluster: SimulatedCluster) -> list[str]:
    return ["-o", f"engine={{kind: ray, address: '{cluster.address}', workers: 2, parts_at_once: {_IN_HAND}}}"]


def rows(run: Path | str) -> list[object]:
    tables = Tables(Folder(str(run))).all()
    return [row for table in tables for row in (*table.rows(), *table.rejects())]


def n_answered(folder: Path, name: str) -> int:
    return len(list((folder / name / "06_answers").glob("part-*.parquet")))


def ended(process: subprocess.Popen[str]) -> None:
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors


def asked_twice(server: LlmServer, n_before: int) -> int:
    """Return how many requests since then were sent again."""
    sent = Counter(json.dumps(body, sort_keys=True) for body in server.received[n_before:])
    return sum(count - 1 for count in sent.values())


def n_kept_vectors(folder: Path, name: str) -> int:
    (path,) = (folder / f"replies-{name}" / "embeddings").glob("*.sqlite")
    vectors = VectorFile(path)
    try:
        return vectors.count()
    finally:
        vectors.close()


def test_the_rows_are_those_of_one_machine(collection: Path, cluster: SimulatedCluster, server: LlmServer) -> None:
    n_before = len(server.received)
    ended(start(collection, "cluster", *on(cluster)))
    assert rows(collection / "cluster") == rows(collection / "local")
    assert asked_twice(server, n_before) == 0
    assert n_kept_vectors(collection, "cluster") == n_kept_vectors(collection, "local") > 0
    paid = json.loads((collection / "cluster/manifest.json").read_text())["stages"]["answer"]
    alone = json.loads((collection / "local/manifest.json").read_text())["stages"]["answer"]
    assert (paid["requests"], paid["prompt_tokens"]) == (alone["requests"], alone["prompt_tokens"])


def test_tables_may_lie_on_an_object_store(collection: Path, cluster: SimulatedCluster) -> None:
    where = f"s3://{BUCKET}/cluster"
    ended(start(collection, where, "-o", "replies=replies-store", *on(cluster)))
    assert rows(where) == rows(collection / "local")


def test_a_worker_that_is_killed_loses_what_it_had_in_hand(
    collection: Path, cluster: SimulatedCluster, server: LlmServer
) -> None:
    n_before = len(server.received)
    process = start(collection, "worker", *on(cluster))
    wait_for(lambda: n_answered(collection, "worker") > 1, process)
    os.kill(worker_processes()[0], signal.SIGKILL)
    ended(process)
    assert rows(collection / "worker") == rows(collection / "local")
    assert asked_twice(server, n_before) <= _IN_HAND * _SHARD * 3


def test_a_driver_that_is_killed_goes_on_where_it_was(
    collection: Path, cluster: SimulatedCluster, server: LlmServer
) -> None:
    n_before = len(server.received)
    process = start(collection, "driver", *on(cluster))
    wait_for(lambda: n_answered(collection, "driver") > 1, process)
    process.kill()
    process.wait(PATIENCE_S)
    n_done = n_answered(collection, "driver")
    written = {path.name: path.stat().st_mtime_ns for path in (collection / "driver/06_answers").glob("part-*.parquet")}
    ended(start(collection, "driver", *on(cluster)))
    assert rows(collection / "driver") == rows(collection / "local")
    assert asked_twice(server, n_before) <= 2 * _IN_HAND * _SHARD * 3
    kept = [path for path in (collection / "driver/06_answers").glob("part-*.parquet") if path.name in written]
    assert sum(path.stat().st_mtime_ns == written[path.name] for path in kept) >= n_done


def test_a_node_that_is_killed_is_done_without(collection: Path, cluster: SimulatedCluster, server: LlmServer) -> None:
    n_before = len(server.received)
    process = start(collection, "node", *on(cluster))
    wait_for(lambda: n_answered(collection, "node") > 1, process)
    cluster.kill_node()
    ended(process)
    cluster.add_node()
    assert rows(collection / "node") == rows(collection / "local")
    assert asked_twice(server, n_before) <= _IN_HAND * _SHARD * 3


def test_ctrl_c_brings_home_what_the_workers_have_in_flight(
    collection: Path, cluster: SimulatedCluster, server: LlmServer
) -> None:
    n_before = len(server.received)
    process = start(collection, "stopped", *on(cluster))
    wait_for(lambda: n_answered(collection, "stopped") > 1, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, errors
    assert "parts in flight, so that nothing paid for is lost" in errors
    n_asked = len(server.received)
    ended(start(collection, "stopped", *on(cluster)))
    assert n_asked < len(server.received)
    assert asked_twice(server, n_before) == 0
    assert rows(collection / "stopped") == rows(collection / "local")


def test_a_budget_stops_the_workers_and_a_higher_one_goes_on(
    collection: Path, cluster: SimulatedCluster, server: LlmServer
) -> None:
    n_before = len(server.received)
    process = start(collection, "budget", *on(cluster), "-o", "budget={max_requests: 150}")
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert "budget.max_requests is 150" in errors
    assert len(server.received) - n_before <= 150 + 2 * _IN_HAND * _SHARD * 3
    ended(start(collection, "budget", *on(cluster)))
    assert asked_twice(server, n_before) == 0
    assert rows(collection / "budget") == rows(collection / "local")


def test_no_cluster_is_said_in_one_paragraph(collection: Path) -> None:
    process = start(collection, "none", "-o", "engine={kind: ray, address: '127.0.0.1:1'}")
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert "There is no Ray cluster at '127.0.0.1:1'" in errors
    assert "Traceback" not in errors


def test_a_missing_token_is_said_in_one_paragraph(
    collection: Path, cluster: SimulatedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("HOME", str(collection))  # where there is none
    process = start(collection, "none", *on(cluster))
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert f"The Ray cluster at '{cluster.address}' asks for a token" in errors
    assert "Traceback" not in errors
