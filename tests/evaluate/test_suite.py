"""The suite against the paper's table as the project's notes have it, and names as they are used for folders."""

import re

from mminstruct.evaluate.suite import LLAVA15


def test_the_published_scores_of_the_twelve() -> None:
    assert {task.title: (task.published or {}) for task in LLAVA15} == {
        "VQAv2": {"7b": 78.5, "13b": 80.0},
        "GQA": {"7b": 62.0, "13b": 63.3},
        "VizWiz": {"7b": 50.0, "13b": 53.6},
        "ScienceQA-IMG": {"7b": 66.8, "13b": 71.6},
        "TextVQA": {"7b": 58.2, "13b": 61.3},
        "POPE": {"7b": 85.9, "13b": 85.9},
        "MME perception": {"7b": 1510.7, "13b": 1531.3},
        "MMBench": {"7b": 64.3, "13b": 67.7},
        "MMBench-CN": {"7b": 58.3, "13b": 63.6},
        "SEED-Bench": {"7b": 58.6, "13b": 61.6},
        "LLaVA-Bench (wild)": {"7b": 65.4, "13b": 72.5},
        "MM-Vet": {"7b": 31.1, "13b": 36.1},
    }


def test_names_are_folders_and_no_two_are_the_same() -> None:
    names = [task.name for task in LLAVA15]
    assert len(set(names)) == 12
    assert all(re.fullmatch("[a-z0-9-]+", name) for name in names)
