from pathlib import Path

import pytest

from mminstruct.evaluate.plan import data_place
from mminstruct.evaluate.suite import LLAVA15, SuiteTask

VIZWIZ = next(task for task in LLAVA15 if task.name == "vizwiz")


def test_where_a_data_set_will_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_DATASETS_CACHE", raising=False)
    assert "hf download --repo-type dataset lmms-lab-encoder/VizWiz-VQA" in data_place(VIZWIZ, tmp_path)
    (tmp_path / "hf" / "datasets" / "lmms-lab-encoder___viz_wiz-vqa").mkdir(parents=True)
    assert data_place(VIZWIZ, tmp_path).startswith("data in the cache")
    folder = tmp_path / "lmms-lab-encoder" / "VizWiz-VQA"
    folder.mkdir(parents=True)
    assert data_place(VIZWIZ, tmp_path) == f"data in {folder}"
    assert data_place(SuiteTask("mine", "mine", "mine"), None) == "data of its own"
