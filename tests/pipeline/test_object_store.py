"""Runs whose tables lie on an object store: the same rows, gone on with after a kill, looked at, exported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.collection import make_collection, write_config
from support.llm_server import LlmServer
from support.object_store import BUCKET, object_store
from support.patience import PATIENCE_S, wait_for

pytest.importorskip("moto")
pytestmark = pytest.mark.timeout(3 * PATIENCE_S)


@pytest.fixture(scope="module")
def store() -> Iterator[dict[str, str]]:
    with object_store() as variables:
        yield variables


@pytest.fixture(scope="module")
def server() -> Iterator[LlmServer]:
    with LlmServer(latency_s=0.03) as server:
        yield server


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory, server: LlmServer) -> Path:
    folder = tmp_path_factory.mktemp("collection")
    make_collection(folder, n_images=60)
    write_config(
        folder,
        server.base_url,
        shard_size="10",
        match="{per_image: 3, max_per_instruction: 60}",
        llm=f"{{base_url: '{server.base_url}', model: m, concurrency: 8}}",
    )
    return folder


def mminstruct(
    folder: Path, store: dict[str, str], *arguments: str, expected: int = 0
) -> subprocess.CompletedProcess[str]:
    found = subprocess.run(
        [sys.executable, "-m", "mminstruct", *arguments],
        cwd=folder,
        env={**os.environ, **store},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert found.returncode == expected, found.stderr
    return found


def ids(folder: Path, store: dict[str, str], run: str) -> list[str]:
    """Return the ids of all rows of a run."""
    look = (
        "import sys; from mminstruct.pipeline.run_tables import Tables; from mminstruct.pipeline.tables import Folder\n"
        "rows = [row for table in Tables(Folder(sys.argv[1])).all() for row in table.rows()]\n"
        "print('\\n'.join(getattr(row, next(iter(row.__slots__))) for row in rows))"
    )
    found = subprocess.run(
        [sys.executable, "-c", look, run],
        cwd=folder,
        env={**os.environ, **store},
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout.split()


@pytest.fixture(scope="module")
def local(collection: Path, store: dict[str, str]) -> list[str]:
    mminstruct(collection, store, "run", "config.yaml", "--run-dir", "local", "-o", "replies=replies-local")
    return ids(collection, store, "local")


def test_a_run_that_is_killed_goes_on(collection: Path, store: dict[str, str], local: list[str]) -> None:
    where = f"s3://{BUCKET}/killed"
    command = ["run", "config.yaml", "--run-dir", where, "-o", "replies=replies-killed"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mminstruct", *command],
        cwd=collection,
        env={**os.environ, **store},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: any((collection / "replies-killed").glob("*.sqlite")))
    time.sleep(0.5)
    process.kill()
    process.wait()
    mminstruct(collection, store, *command)
    assert ids(collection, store, where) == local
    again = mminstruct(collection, store, *command)
    assert again.stderr.count("unchanged, skipped") == 8


def test_it_is_looked_at_and_exported_as_any_other(
    collection: Path, store: dict[str, str], local: list[str], tmp_path: Path
) -> None:
    where = f"s3://{BUCKET}/looked-at"
    mminstruct(collection, store, "run", "config.yaml", "--run-dir", where, "-o", "replies=replies-local")
    status = json.loads(mminstruct(collection, store, "status", where, "--json").stdout)
    assert status["stages"]["split"]["status"] == "done"
    out = tmp_path / "out"
    mminstruct(collection, store, "export", where, "--out", str(out))
    rows = json.loads((out / "train.json").read_text())
    assert len(rows) == status["stages"]["split"]["tables"]["07_samples"]
    story = mminstruct(collection, store, "show", where, rows[0]["id"], "--json").stdout
    assert json.loads(story)["id"] == rows[0]["id"]
