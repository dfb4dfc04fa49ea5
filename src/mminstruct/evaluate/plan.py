"""Where a task's data set will come from, as far as this can be seen without the network."""

from __future__ import annotations

import os
from pathlib import Path

from mminstruct.evaluate.suite import SuiteTask


def data_place(task: SuiteTask, data: Path | None) -> str:
    """Return, in words, whether the data set lies in `data`, in the hub's cache, or is still to be fetched."""
    if not task.data_set:
        return "data of its own"
    if data is not None and (data / task.data_set).is_dir():
        return f"data in {data / task.data_set}"
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    cache = Path(os.environ.get("HF_DATASETS_CACHE", home / "datasets"))
    # lower-cased and CamelCased by turns, so compared without either
    wanted = task.data_set.replace("/", "___").replace("_", "").lower()
    held = cache.is_dir() and any(path.name.replace("_", "").lower() == wanted for path in cache.iterdir())
    if held:
        return f"data in the cache of the datasets library, {cache}"
    return (
        f"data to be fetched from the hub, which wants a login (hf auth login, or HF_TOKEN); or before: hf download "
        f"--repo-type dataset {task.data_set} --local-dir DATA/{task.data_set}, then --data DATA"
    )
