"""A run killed again and again: nothing committed is asked again, and the rows are those of an undisturbed run."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from mminstruct.pipeline.run import Tables
from mminstruct.pipeline.tables import Folder
from support.collection import make_collection, write_config
from support.llm_server import LlmServer

_N_KILLS = 6
_CONCURRENCY = 8
_N_REQUESTS = 104  # about; what the kills are spread over


def _rows(run: Path) -> list[object]:
    return [row for table in Tables(Folder(str(run))).all() for row in (*table.rows(), *table.rejects())]


def _start(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "mminstruct", "run", "config.yaml"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_killed_runs_end_with_the_rows_of_an_undisturbed_one(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("undisturbed", "killed")]
    inputs = tmp_path / "inputs"
    make_collection(inputs)
    images = f"[{{format: jsonl, path: {inputs}/captions.jsonl, id_column: id, image_root: {inputs}/images}}]"
    dice = random.Random(1)
    with LlmServer(latency_s=0.05) as server:
        for folder in folders:
            folder.mkdir()
            write_config(folder, server.base_url, images=images)
        assert _start(folders[0]).wait(120) == 0
        n_undisturbed = len(server.requests)
        server.requests.clear()
        stops = sorted(dice.sample(range(5, min(n_undisturbed, _N_REQUESTS) - 5), _N_KILLS))
        for stop in stops:
            process = _start(folders[1])
            while len({json.dumps(body) for body in server.requests}) < stop and process.poll() is None:
                time.sleep(0.01)
            process.kill()
            process.wait(10)
        assert _start(folders[1]).wait(120) == 0
        asked = Counter(json.dumps(body, sort_keys=True) for body in server.requests)
    assert _rows(folders[1]) == _rows(folders[0])
    assert len(asked) == n_undisturbed
    assert sum(asked.values()) <= n_undisturbed + _N_KILLS * _CONCURRENCY
