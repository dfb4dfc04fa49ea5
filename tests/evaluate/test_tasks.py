from pathlib import Path

import pytest

from mminstruct.bench.export.lmms_eval import write_lmms_eval
from mminstruct.errors import ConfigError
from mminstruct.evaluate.suite import LLAVA15
from mminstruct.evaluate.tasks import chosen, folder_tasks
from support.small_benchmark import make_small_benchmark


class TestFolderTasks:
    def test_an_exported_benchmark_is_one(self, tmp_path: Path) -> None:
        export = write_lmms_eval(make_small_benchmark(tmp_path), tmp_path / "exported")
        (task,) = folder_tasks(tmp_path / "exported")
        assert (task.name, task.task, task.published) == (export.name, export.name, None)

    def test_files_that_name_no_task_are_passed_over(self, tmp_path: Path) -> None:
        (tmp_path / "group.yaml").write_text("group: all\ntask: [one, two]\n")
        (tmp_path / "one.yaml").write_text("task: one\nprocess_results: !function utils.score\n")
        assert [task.name for task in folder_tasks(tmp_path)] == ["one"]

    def test_an_empty_folder_says_how_one_is_made(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="mminstruct bench export BENCHMARK --to lmms-eval"):
            folder_tasks(tmp_path)

    def test_a_broken_file_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "one.yaml").write_text("task: [")
        with pytest.raises(ConfigError, match="is not YAML that lmms-eval could read"):
            folder_tasks(tmp_path)


class TestChosen:
    def test_no_name_is_all_and_names_keep_the_suite_s_order(self) -> None:
        assert chosen(LLAVA15, []) == list(LLAVA15)
        assert [task.name for task in chosen(LLAVA15, ["pope", "gqa"])] == ["gqa", "pope"]

    def test_an_unknown_name_lists_the_known(self) -> None:
        with pytest.raises(ConfigError, match="--tasks names gpa, expected some of: vqav2, gqa"):
            chosen(LLAVA15, ["gpa", "gqa"])
