"""Tasks by their names: those of the suite, and those of a task folder of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from mminstruct.errors import ConfigError
from mminstruct.evaluate.suite import SuiteTask


def folder_tasks(folder: Path) -> list[SuiteTask]:
    """Return the tasks of a folder for lmms-eval's --include_path, such as `mminstruct bench export` writes.

    Raises ConfigError where there is none, or where a file is no YAML.
    """
    names = [name for path in sorted(folder.glob("*.yaml")) if isinstance(name := _task_name(path), str)]
    if not names:
        raise ConfigError(
            f"{folder} holds no task of lmms-eval: no *.yaml there has a `task: NAME`. A benchmark becomes one with: "
            f"mminstruct bench export BENCHMARK --to lmms-eval --out FOLDER"
        )
    return [SuiteTask(name, name, name) for name in names]


class _Loader(yaml.SafeLoader):
    """Reads lmms-eval's `!function` tags as nothing: only the task's name is wanted."""


_Loader.add_constructor("!function", lambda loader, node: None)


def _task_name(path: Path) -> object:
    try:
        contents = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML that lmms-eval could read: {error}") from error
    return contents.get("task") if isinstance(contents, dict) else None


def chosen(tasks: Sequence[SuiteTask], names: Sequence[str]) -> list[SuiteTask]:
    """Return the tasks of these names, in the suite's order; all where no name is given.

    Raises ConfigError for a name that no task has.
    """
    unknown = [name for name in names if name not in {task.name for task in tasks}]
    if unknown:
        known = ", ".join(task.name for task in tasks)
        raise ConfigError(f"--tasks names {', '.join(unknown)}, expected some of: {known}.")
    return [task for task in tasks if not names or task.name in names]
