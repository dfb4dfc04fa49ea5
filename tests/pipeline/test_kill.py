"""A run killed again and again: nothing committed is asked again, and the rows are those of an undisturbed run."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mminstruct.llm.store.replies import unpack_request
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.tables import Folder
from support.collection import make_collection, write_config
from support.llm_server import LlmServer
from support.patience import PATIENCE_S

_N_KILLS = 20
_N_REQUESTS = 2000  # about; the kills are spread over them
_CONCURRENCY = 16


def _rows(run: Path) -> list[object]:
    return [row for table in Tables(Folder(str(run))).all() for row in (*table.rows(), *table.rejects())]


def _start(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "mminstruct", "run", "config.yaml"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _key(body: object) -> str:
    return json.dumps(body, sort_keys=True)


def _committed(folder: Path) -> Iterator[str]:
    """Yield the requests whose replies are on disk."""
    store = folder / "replies" / "replies.sqlite"
    if store.exists():
        with closing(sqlite3.connect(store)) as connection:
            for (packed,) in connection.execute("SELECT request FROM replies"):
                yield _key(json.loads(unpack_request(packed)))


@pytest.mark.timeout(3000)  # twenty-two runs
def test_killed_runs_end_with_the_rows_of_an_undisturbed_one(tmp_path: Path) -> None:
    inputs = tmp_path / "inputs"
    make_collection(inputs, n_images=_N_REQUESTS // 3)
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    dice = random.Random(1)
    with LlmServer(latency_s=0.02) as server:
        for folder in (undisturbed, killed):
            folder.mkdir()
            write_config(
                folder,
                server.base_url,
                images=f"[{{format: jsonl, path: {inputs / 'captions.jsonl'}, image_root: {inputs / 'images'}}}]",
                llm=f"{{base_url: '{server.base_url}', model: m, concurrency: {_CONCURRENCY}}}",
                match="{per_image: 3, max_per_instruction: 2000}",
                shard_size="50",
            )
        assert _start(undisturbed).wait(PATIENCE_S) == 0
        n_undisturbed = len(server.received)
        assert n_undisturbed > 0.95 * _N_REQUESTS
        server.received.clear()

        again: set[str] = set()  # sent although a reply was committed
        for _ in range(_N_KILLS):
            committed, n_before = set(_committed(killed)), len(server.received)
            n_more = dice.randrange(1, 2 * n_undisturbed // _N_KILLS - _CONCURRENCY)
            process = _start(killed)
            while len(server.received) < n_before + n_more and process.poll() is None:
                time.sleep(0.005)
            process.kill()
            process.wait()
            again |= {_key(body) for body in server.received[n_before:]} & committed
        committed, n_before = set(_committed(killed)), len(server.received)
        assert _start(killed).wait(PATIENCE_S) == 0
        again |= {_key(body) for body in server.received[n_before:]} & committed
        sent = Counter(_key(body) for body in server.received)
    n_repeated = sent.total() - len(sent)
    print(f"{_N_KILLS} kills, {len(sent):,} different requests, {n_repeated} sent again, {len(again)} for nothing")
    assert not again
    assert n_repeated <= _N_KILLS * _CONCURRENCY
    assert len(sent) == n_undisturbed
    assert _rows(killed) == _rows(undisturbed)
