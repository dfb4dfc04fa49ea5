"""One writer a folder, and lookers-on that get in nobody's way."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mminstruct.errors import RunError
from mminstruct.pipeline.lock import is_locked, locked

_HOLDER = """
import sys
from mminstruct.pipeline.lock import locked
with locked(sys.argv[1]):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_second_writer_is_told(tmp_path: Path) -> None:
    with locked(str(tmp_path)), pytest.raises(RunError, match="in use by another mminstruct process"):
        locked(str(tmp_path)).__enter__()


def test_another_process_s_lock_is_seen_and_ends_with_it(tmp_path: Path) -> None:
    assert not is_locked(str(tmp_path))  # never worked on
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert is_locked(str(tmp_path))
        holder.kill()
    assert not is_locked(str(tmp_path))


def test_looking_does_not_keep_a_writer_out(tmp_path: Path) -> None:
    with locked(str(tmp_path)):
        pass
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            is_locked(str(tmp_path))

    looker = threading.Thread(target=look)
    looker.start()
    try:
        for _ in range(200):
            with locked(str(tmp_path)):
                pass
    finally:
        stop.set()
        looker.join()


def test_an_object_store_is_not_locked() -> None:
    assert not is_locked("s3://bucket/run")
