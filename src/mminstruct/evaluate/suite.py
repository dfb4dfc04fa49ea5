"""The twelve benchmarks of LLaVA-1.5: their tasks in lmms-eval 0.7.3, and what LLaVA-1.5 scored.

The published scores are those of "Improved Baselines with Visual Instruction Tuning" (arXiv 2310.03744, tables 3 and
4). Remarks name where lmms-eval measures otherwise than the paper did: such a difference is not the model's alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Size = Literal["7b", "13b"]


@dataclass(frozen=True, slots=True)
class SuiteTask:
    """One benchmark, or a task of the user's own, which has no published score."""

    name: str  # ours, for --tasks and for folders
    title: str
    task: str  # of lmms-eval
    metric: str = ""  # of lmms-eval; a task of the user's own shows all that it has
    factor: float = 1.0  # from lmms-eval's scale to the published one
    published: Mapping[Size, float] | None = None
    data_set: str = ""  # on the hub
    remark: str = ""  # what differs from the published measurement
    n_judgments: int = 0  # requests to a judge at most, one an answer; 0 where none is needed
    task_without_judge: str = ""  # of lmms-eval, where there is one that needs no key
    judge_url_ends: str = ""  # what this task wants behind the judge's base URL

    @property
    def needs_judge(self) -> bool:
        """Whether a key for a judge is needed."""
        return self.n_judgments > 0


_OTHER_JUDGE = "published with a GPT-4 of 2023 as judge"
_MMBENCH = "published as MMBench's own server scores; here letters are read by rule"

LLAVA15 = (
    SuiteTask(
        "vqav2", "VQAv2", "vqav2_val", "exact_match", 100, {"7b": 78.5, "13b": 80.0}, "lmms-lab-encoder/VQAv2",
        "published on test-dev, which only its server scores; here the validation split",
    ),
    SuiteTask("gqa", "GQA", "gqa", "exact_match", 100, {"7b": 62.0, "13b": 63.3}, "lmms-lab-encoder/GQA"),
    SuiteTask(
        "vizwiz", "VizWiz", "vizwiz_vqa_val", "exact_match", 100, {"7b": 50.0, "13b": 53.6},
        "lmms-lab-encoder/VizWiz-VQA", "published on the test split, which only its server scores; here validation",
    ),
    SuiteTask(
        "scienceqa", "ScienceQA-IMG", "scienceqa_img", "exact_match", 100, {"7b": 66.8, "13b": 71.6},
        "lmms-lab-encoder/ScienceQA",
    ),
    SuiteTask(
        "textvqa", "TextVQA", "textvqa_val", "exact_match", 100, {"7b": 58.2, "13b": 61.3}, "lmms-lab-encoder/textvqa",
        "published with the words that an OCR read in the question; here without them",
    ),
    SuiteTask(
        "pope", "POPE", "pope", "pope_f1_score", 100, {"7b": 85.9, "13b": 85.9}, "lmms-lab-encoder/POPE",
        "published as the mean F1 of its three parts; here F1 over all questions",
    ),
    SuiteTask(
        "mme", "MME perception", "mme", "mme_perception_score", 1, {"7b": 1510.7, "13b": 1531.3}, "lmms-lab-encoder/MME"
    ),
    SuiteTask(
        "mmbench", "MMBench", "mmbench_en_dev", "gpt_eval_score", 1, {"7b": 64.3, "13b": 67.7},
        "lmms-lab-encoder/MMBench", _MMBENCH, 4329, "mmbench_en_dev_static", "/chat/completions",
    ),
    SuiteTask(
        "mmbench-cn", "MMBench-CN", "mmbench_cn_dev", "gpt_eval_score", 1, {"7b": 58.3, "13b": 63.6},
        "lmms-lab-encoder/MMBench", _MMBENCH, 4329, "", "/chat/completions",
    ),
    SuiteTask(
        "seed", "SEED-Bench", "seedbench", "seed_all", 100, {"7b": 58.6, "13b": 61.6}, "lmms-lab-encoder/SEED-Bench",
        "published with one frame of each video; here with all frames that the data set holds",
    ),
    SuiteTask(
        "llava-wild", "LLaVA-Bench (wild)", "llava_in_the_wild", "gpt_eval_llava_all", 1, {"7b": 65.4, "13b": 72.5},
        "lmms-lab-encoder/llava-bench-in-the-wild", _OTHER_JUDGE, 60,
    ),
    SuiteTask(
        "mmvet", "MM-Vet", "mmvet", "gpt_eval_score", 1, {"7b": 31.1, "13b": 36.1}, "lmms-lab-encoder/MMVet",
        f"{_OTHER_JUDGE}; lmms-eval also asks the model to reason step by step", 218,
    ),
)  # fmt: skip
