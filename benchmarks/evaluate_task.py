"""`mminstruct evaluate` with the real lmms-eval: an exported benchmark and a task of the suite, on a CPU.

    python benchmarks/evaluate_task.py     about three minutes; writes the report

The model is the tiny LLaVA with random weights of `lmms_eval_task.py`, and so are the benchmark, its export and
lmms-eval's environment. Of the suite, POPE runs on six made-up questions in a folder of the layout that --data wants,
and GQA fails, for its data set is nowhere. Then the same again: what is done must not be run again. At last the model
is asked directly, with LLaVA-1.5's prompt, and must say what it said to lmms-eval.
Output: `benchmarks/results/evaluate_task.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq

from harness import HERE, machine
from lmms_eval_task import LMMS_EVAL, REQUIREMENTS, TINY_LLAVA, ask_directly, environment, make_benchmark

RESULTS = HERE / "results" / "evaluate_task.md"
N_QUESTIONS, N_ASKED = 8, 6  # of the benchmark
N_TOKENS = 1024  # of an exported task


@dataclass(frozen=True)
class Outcome:
    """What the runs showed."""

    commands: list[str]
    said: list[str]  # by each command, its answer and its progress
    n_answers: int
    n_same: int  # as the model said when it was asked directly


def make_pope(folder: Path) -> None:
    """Write six questions where the data set of POPE is looked for."""
    rows = []
    for number in range(6):
        image = folder / f"{number}.png"
        PIL.Image.new("RGB", (60, 40), (number * 40, 80, 120)).save(image)
        rows.append(
            {
                "question_id": str(number),
                "question": f"Is there a thing of kind {number} in the image?",
                "answer": ("yes", "no")[number % 2],
                "image": {"bytes": image.read_bytes(), "path": image.name},
            }
        )
    texts = {name: {"dtype": "string", "_type": "Value"} for name in ("question_id", "question", "answer")}
    features = {"info": {"features": {**texts, "image": {"_type": "Image"}}}}
    table = pa.Table.from_pylist(rows).replace_schema_metadata({"huggingface": json.dumps(features)})
    target = folder / "data" / "lmms-lab-encoder" / "POPE" / "data"
    target.mkdir(parents=True)
    pq.write_table(table, target / "test-00000-of-00001.parquet")


def run(python: Path, folder: Path) -> Outcome:
    """Export, evaluate twice, ask directly, compare."""
    benchmark, task = make_benchmark(folder), "mminstruct_photographs"
    benchmark.write_questions(benchmark.questions()[:N_QUESTIONS])
    make_pope(folder)
    subprocess.run([str(python), str(TINY_LLAVA), "save", str(folder / "tiny-llava")], check=True)
    export = ["bench", "export", "photographs", "--to", "lmms-eval", "--out", "exported"]
    evaluate = ["evaluate", "tiny-llava", "--suite", "llava15", "--task-folder", "exported", "--data", "data"]
    evaluate += ["--tasks", f"pope,gqa,{task}", "--limit", str(N_ASKED), "--out", "evaluation", "--device", "cpu"]
    offline = {**os.environ, "HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "1"}
    commands, said = [], []
    for arguments in (export, evaluate, evaluate):
        commands.append(shlex.join(["mminstruct", *arguments]))
        command = [sys.executable, "-m", "mminstruct", *arguments]
        if arguments is evaluate:
            commands[-1] += " --python eval/bin/python"
            command += ["--python", str(python)]
        done = subprocess.run(
            command, cwd=folder, env=offline, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        said.append("\n".join(line.rstrip() for line in done.stdout.splitlines()))
        if done.returncode:
            raise SystemExit(f"{commands[-1]}: exit status {done.returncode}\n{done.stdout}")
    (file,) = (folder / "evaluation" / "tasks" / task / "lmms_eval").glob("answers/*/*.jsonl")
    answers = {row["question_id"]: row["answer"] for row in map(json.loads, file.read_text("utf-8").splitlines())}
    direct = ask_directly(python, folder / "evaluation" / "asked" / "tiny-llava", benchmark, folder, N_TOKENS)
    # lmms-eval keeps the white space that the direct answers are stripped of
    same = sum(answer.strip() == direct[question_id] for question_id, answer in answers.items())
    return Outcome(commands, said, len(answers), same)


def report(outcome: Outcome) -> str:
    """Return the report as Markdown."""
    versions = " ".join([LMMS_EVAL, *REQUIREMENTS.read_text(encoding="utf-8").split()])
    lines = [
        "# `mminstruct evaluate` with the real lmms-eval",
        "",
        f"`python benchmarks/evaluate_task.py`: {machine(['pyarrow'])}.",
        "",
        "A tiny LLaVA with random weights, whose own chat template is another than LLaVA-1.5's; no GPU, no network.",
        "The scores say nothing.",
        "",
        f"Word for word what the model says when it is asked directly with LLaVA-1.5's prompt: **{outcome.n_same} of "
        f"{outcome.n_answers}** answers.",
        "",
    ]
    for command, said in zip(outcome.commands, outcome.said, strict=True):
        lines += ["```", f"$ {command}", said, "```", ""]
    lines += [f"Versions: {versions}; lmms-eval without its other dependencies (`--no-deps`).", ""]
    return "\n".join(lines)


def main() -> None:
    """Run, write the report and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venvs", type=Path, default=HERE / ".peers", help="where lmms-eval is installed")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the report is written")
    options = parser.parse_args()
    python = environment(options.venvs)
    with tempfile.TemporaryDirectory() as folder:
        text = report(run(python, Path(folder)))
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
