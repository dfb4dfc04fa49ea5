"""One writer a folder: two processes on the same run or benchmark would overwrite each other's parts."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mminstruct.errors import RunError

_NAME = ".lock"
_N_TRIES = 5  # who only looks whether a folder is locked holds its lock for a moment
_BETWEEN_TRIES_S = 0.02


@contextmanager
def locked(run_dir: str) -> Iterator[None]:
    """Hold the folder's lock; the system frees it when the process ends, however it ends.

    Folders on an object store are not locked: there is nothing to lock there. Raises RunError when another process
    holds it or the folder cannot be made.
    """
    if "://" in run_dir:
        yield
        return
    path = Path(run_dir) / _NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
    except OSError as error:
        raise RunError(f"The folder {run_dir} cannot be written: {error}. Choose another.") from error
    try:
        if not _try_to_lock(descriptor):
            raise RunError(
                f"The folder {run_dir} is in use by another mminstruct process. Wait for it to end, or choose another "
                "folder."
            )
        yield
    finally:
        os.close(descriptor)


def is_locked(run_dir: str) -> bool:
    """Tell whether a process works on the folder. Of one on an object store nobody can tell: False."""
    if "://" in run_dir:
        return False
    try:
        descriptor = os.open(Path(run_dir) / _NAME, os.O_RDONLY)
    except OSError:
        return False  # nobody has ever worked on it
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # two who look do not hinder each other
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _try_to_lock(descriptor: int) -> bool:
    for number in range(_N_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(_BETWEEN_TRIES_S if number < _N_TRIES - 1 else 0)
        else:
            return True
    return False
