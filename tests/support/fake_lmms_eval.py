"""A package `lmms_eval` that runs nothing and ends as lmms-eval 0.7.3 does: same files, same words in its log.

The words are those of real runs of lmms-eval 0.7.3 with a tiny LLaVA, but for the memory's, which are torch's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_MAIN = """
import argparse, json, os, pathlib, sys

parser = argparse.ArgumentParser()
for name in ("model", "model_args", "tasks", "batch_size", "output_path", "include_path", "limit"):
    parser.add_argument("--" + name)
parser.add_argument("--log_samples", action="store_true")
options = parser.parse_args()
model_args = dict(pair.split("=", 1) for pair in options.model_args.split(","))
plan = json.loads(pathlib.Path(__file__).with_name("plan.json").read_text())[options.tasks]
calls = pathlib.Path(__file__).with_name("calls.jsonl")
with calls.open("a") as file:
    told = {"argv": sys.argv[1:], "cwd": os.getcwd(), "judge_url": os.environ.get("OPENAI_API_URL")}
    file.write(json.dumps(told) + "\\n")
print("\\033[32m2026-11-23 23:43:02\\033[0m | \\033[1mINFO    \\033[0m | Selected Tasks: " + options.tasks)
print(plan.get("says", ""), file=sys.stderr)
if "metrics" in plan:
    n = plan.get("n_questions", 100)
    asked = min(n, int(options.limit)) if options.limit else n
    found = {"alias": options.tasks}
    for metric, value in plan["metrics"].items():
        found.update({metric + ",none": value, metric + "_stderr,none": "N/A", metric + "_stderr_clt,none": 0.0})
    results = {"results": {options.tasks: found}, "n-samples": {options.tasks: {"original": n, "effective": asked}}}
    folder = pathlib.Path(options.output_path, "__".join(model_args["pretrained"].split("/")[-2:]))
    folder.mkdir(parents=True)
    (folder / "20261124_075142_results.json").write_text(json.dumps(results))
sys.exit(plan.get("status", 0))
"""

UNREACHABLE = """Traceback (most recent call last):
ConnectionError: Couldn't reach 'lmms-lab-encoder/GQA' on the Hub (OfflineModeIsEnabled)

The above exception was the direct cause of the following exception:

tenacity.RetryError: RetryError[<Future at 0x7f3847b74790 state=finished raised ConnectionError>]"""
NO_LOGIN = (
    "huggingface_hub.errors.LocalTokenNotFoundError: Token is required (`token=True`), but no token found. You need to "
    "provide a token or be logged in to Hugging Face with `hf auth login` or `huggingface_hub.login`."
)
WRONG_KEY = "openai.OpenAIError: Missing credentials. Please pass an `api_key`, or set `OPENAI_API_KEY`."
OUT_OF_MEMORY = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB."
OUT_OF_MEMORY_IN_ANSWERS = "ERROR | Error CUDA out of memory. Tried to allocate 20.00 MiB. in generating"
MODEL_BREAKS = "ERROR | Error index out of range in self in generating"
JUDGE_FAILS = "ERROR | Error: Error code: 429\nINFO | v1_0 failed to get a score."
NO_PACKAGE = "ModuleNotFoundError: No module named 'pytablewriter'"


def write_fake_lmms_eval(folder: Path, plans: Mapping[str, Mapping[str, Any]], version: str = "0.7.3") -> Path:
    """Write the package into `folder`, to be put on PYTHONPATH, and return `folder`.

    A task's plan: `metrics` that it scores (none: it breaks), `says` in its log, `n_questions` (100), `status` (0).
    """
    package = folder / "lmms_eval"
    models = package / "models" / "chat"
    models.mkdir(parents=True)
    for file in (package / "__init__.py", package / "models" / "__init__.py", models / "__init__.py"):
        file.write_text("")
    (models / "llava_hf.py").write_text("")
    (package / "__main__.py").write_text(_MAIN)
    (package / "plan.json").write_text(json.dumps(plans))
    (folder / "openpyxl.py").write_text("")  # which the tasks of MMBench import, and so the check for lmms-eval
    metadata = folder / f"lmms_eval-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: lmms_eval\nVersion: {version}\n")
    return folder


def fake_calls(folder: Path) -> list[dict[str, Any]]:
    """Return how the package was called: arguments, folder, and the judge's URL."""
    file = folder / "lmms_eval" / "calls.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def save_model_files(folder: Path, template: str | None = None) -> Path:
    """Write what looks like a LLaVA's folder without loading one, and return it."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "llava"}')
    (folder / "model.safetensors").write_bytes(b"weights")
    if template is not None:
        (folder / "chat_template.jinja").write_text(template)
    return folder
