"""Do the trainers' own loaders see in each export what the samples say?

    python benchmarks/trainer_loaders.py     two minutes, on first use ten and 7 GB of disk; writes the table

A run's samples are exported in every format, with the rows of a mix where a format takes one. Then each trainer's own
data code, in an environment of its own that is made on first use, turns the export into what its model is trained on:
tokens, labels, pixels. From these, decoded, the script tells word by word whether all turns of a row are there in their
order, whether the labels are on the answers and on nothing else, and whether the images are those of the row (every
image has a colour of its own). Output: `benchmarks/results/trainer_loaders.md`.

The trainers are installed without their dependencies, of which many need a GPU; what their data code imports is in
`peers/<name>_loader.txt`. Models and tokenizers are tiny ones with random weights: no hub is asked.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import HERE, machine
from loader_rows import has_labels, has_turns, n_right_images
from loader_samples import MIX_SIZE, Told, told_of_mix, told_of_samples, write_mix, write_samples
from mminstruct.writers.card import CardFacts, write_card
from mminstruct.writers.export import FORMATS, ExportOptions, ExportReport, write_export
from mminstruct.writers.mix import Mix

RESULTS = HERE / "results" / "trainer_loaders.md"
PEERS = HERE / "peers"
ENVS = Path(tempfile.gettempdir()) / "mminstruct-loaders"


@dataclass(frozen=True)
class Reader:
    """Somebody's data code, and how its client is called."""

    name: str
    client: str  # the file in peers/, without its ending
    package: str  # as it is installed; "" for what stands in this environment
    versions: tuple[str, ...] = ()  # packages of this environment that are named in the table
    what: str = ""  # what of it runs


TRAINERS = {
    "llava": Reader("LLaVA", "llava_loader", "llava-torch==1.2.2.post1", (), "`make_supervised_data_module`"),
    "factory": Reader(
        "LLaMA-Factory", "llama_factory_loader", "llamafactory==0.9.5", (), "`get_dataset`, its collator"
    ),
    "swift": Reader("ms-swift", "ms_swift_loader", "ms-swift==4.6.0", (), "`load_dataset`, `Template.encode`"),
    "axolotl": Reader("axolotl", "axolotl_loader", "axolotl==0.19.0", (), "`prepare_datasets`, its collator"),
    "openai": Reader("openai", "openai_loader", "openai==3.54.0", (), "`ChatCompletionMessageParam`"),
    "trl": Reader("TRL", "base_readers", "", ("trl", "datasets"), "`SFTTrainer`"),
    "hf": Reader("datasets", "base_readers", "", ("datasets",), "`load_dataset`"),
    "webdataset": Reader("webdataset", "base_readers", "", ("webdataset",), "`WebDataset`"),
}


@dataclass(frozen=True)
class Case:
    """A format and who reads it, with what is to be known of the outcome."""

    form: str
    reader: str
    arguments: tuple[str, ...] = ()
    remark: str = ""


CASES = (
    Case("llava", "llava"),
    Case("llava", "swift"),
    Case("sharegpt", "factory", remark="torchaudio is a stand-in"),
    Case("sharegpt", "swift"),
    Case("messages", "axolotl", ("boundaries",), "`chat_template: llava` with `role_boundaries`"),
    Case("messages", "axolotl", (), "the same without `role_boundaries`"),
    Case("openai", "openai", remark="types alone, no trainer"),
    Case("openai", "swift"),
    Case("trl", "trl"),
    Case("hf", "hf", remark="makes no tokens"),
    Case("webdataset", "webdataset", remark="makes no tokens"),
)


@dataclass(frozen=True)
class Outcome:
    """What one reader saw of one export."""

    case: Case
    version: str
    n_told: int
    n_rows: int
    n_images: int
    n_images_told: int
    n_texts: int  # rows whose turns are all there, in their order
    n_labels: int | None  # rows with the loss on all answers and nothing else; None: no labels are made
    failure: str = ""
    wrong: tuple[str, ...] = ()  # names of the rows that are not as told


def environment(envs: Path, reader: Reader) -> Path:
    """Return the interpreter of a reader's own environment, made when its list of packages is new."""
    if not reader.package:
        return Path(sys.executable)
    requirements = PEERS / f"{reader.client}.txt"
    folder = envs.resolve() / reader.client
    python, installed = folder / "bin" / "python", folder / "installed.txt"
    wanted = requirements.read_text(encoding="utf-8") + reader.package
    if not installed.exists() or installed.read_text(encoding="utf-8") != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        alone = [] if reader.name == "openai" else ["--no-deps"]
        for packages in (["-r", str(requirements)], [*alone, reader.package]):
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
        installed.write_text(wanted, encoding="utf-8")
    return python


def export_all(folder: Path) -> dict[str, list[Told]]:
    """Export the samples in every format; return what each export says, row by row."""
    samples = write_samples(folder / "photographs")
    mix = Mix(write_mix(folder / "mix"))
    said = {}
    for form in FORMATS.values():

        def add_card(out: Path, report: ExportReport, form: Any = form) -> None:
            header = form.card_header(out) if form.card_header else {}
            facts: dict[str, Any] = {"sources": {"synthetic": report.n_samples}, "n_samples": report.n_samples}
            facts |= {"n_images": report.n_images, "n_instructions": report.n_samples, "n_held_out": 0}
            facts |= {"instruction_lengths": [1], "answer_lengths": [1], "categories": {}, "models": {}, "stages": []}
            facts |= {"rejects": {}, "encoder": "none", "config": "", "train_file": form.train_file}
            write_card(CardFacts("loaders", "0", more_header=header, **facts), out)

        options = ExportOptions(mix=mix if form.takes_mix else None)
        report = write_export(samples, folder / form.name, form, options, add_card)
        assert not form.takes_mix or report.mix.n_taken == MIX_SIZE
        said[form.name] = told_of_samples(samples, form.name) + (told_of_mix(form.name) if form.takes_mix else [])
    return said


def read(case: Case, python: Path, folder: Path, told: list[Told]) -> Outcome:
    """Let a reader load an export, and compare."""
    reader = TRAINERS[case.reader]
    export, out = folder / case.form, folder / f"{case.form}-{case.reader}.json"
    model = folder / f"model-{reader.client}"
    if case.reader not in ("llava", "openai") and not model.exists():
        subprocess.run([str(python), str(PEERS / "tiny_llava.py"), "save", str(model)], check=True)
    given = {"swift": export / FORMATS[case.form].train_file, "axolotl": export / "train.jsonl"}.get(
        case.reader, export
    )
    named = [case.form] if reader.client == "base_readers" else []
    command = [
        str(python),
        "-W",
        "ignore",
        str(PEERS / f"{reader.client}.py"),
        *named,
        str(given),
        str(model),
        str(out),
    ]
    alone = {"HF_HOME": str(folder / "hf"), "MODELSCOPE_CACHE": str(folder / "modelscope"), "HF_HUB_OFFLINE": "1"}
    alone |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(HERE)}
    done = subprocess.run(
        [*command, *case.arguments], cwd=export, env={**os.environ, **alone}, capture_output=True, text=True
    )
    (folder / f"{case.form}-{case.reader}{len(case.arguments)}.log").write_text(done.stdout + done.stderr)
    version = reader.package or " ".join(f"{name}=={importlib.metadata.version(name)}" for name in reader.versions)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        return Outcome(case, version, len(told), 0, 0, sum(len(row.colours) for row in told), 0, None, last[0])
    return compare(case, version, told, json.loads(out.read_text(encoding="utf-8")))


def compare(case: Case, version: str, told: list[Told], seen: list[dict[str, Any]]) -> Outcome:
    """Count the rows that are as told. A row is found by its place: no reader shuffles here."""
    texts = [has_turns(row["seen"], said) for said, row in zip(told, seen, strict=False)]
    images = [n_right_images(row["images"], said) for said, row in zip(told, seen, strict=False)]
    labels = [has_labels(row["trained"], said) for said, row in zip(told, seen, strict=False)]
    makes_labels = all(row["trained"] is not None for row in seen)
    all_right = [
        text and image == len(said.colours) == len(row["images"]) and (label or not makes_labels)
        for text, image, label, said, row in zip(texts, images, labels, told, seen, strict=False)
    ]
    return Outcome(
        case,
        version,
        len(told),
        len(seen),
        sum(images),
        sum(len(said.colours) for said in told),
        sum(texts),
        sum(labels) if makes_labels else None,
        wrong=tuple(said.name for right, said in zip(all_right, told, strict=False) if not right),
    )


def report(outcomes: list[Outcome]) -> str:
    """Return the report as Markdown."""
    lines = [
        "# The exports in their trainers' own loaders",
        "",
        f"`python benchmarks/trainer_loaders.py`: {machine(['pyarrow', 'transformers'])}, no GPU.",
        "",
        "| format | read by | with | rows | images opened | texts equal | labels on the answers alone | remark |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for outcome in outcomes:
        case = outcome.case
        if outcome.failure:
            said = f"0 of {outcome.n_told} | – | – | – | {outcome.failure}"
        else:
            labels = "–" if outcome.n_labels is None else f"{outcome.n_labels} of {outcome.n_told}"
            names = ", ".join(f"`{name}`" for name in outcome.wrong)
            wrong = f"not as told: {names}" if len(outcome.wrong) < outcome.n_told else "not as told: all"
            wrong = wrong if outcome.wrong else ""
            said = f"{outcome.n_rows} of {outcome.n_told} | {outcome.n_images} of {outcome.n_images_told} | "
            said += f"{outcome.n_texts} of {outcome.n_told} | {labels} | "
            said += "; ".join(filter(None, [case.remark, wrong]))
        lines.append(f"| `{case.form}` | {outcome.version} | {TRAINERS[case.reader].what} | {said} |")
    return "\n".join([*lines, "", NOTES])


NOTES = """\
Rows: texts of several lines with lists, code and tabs; Chinese, Arabic and emoji; quotes, backslashes and HTML; a long
one; signs of the loaders' own (`<image>`, `</s>`, `<video>`), which the exports space out; and a dialogue that is
written with USER: and ASSISTANT:. The mix adds a row without an image, one of three exchanges about an image, and one
with a system turn.

- Texts equal: decoded from the tokens that the trainer's model would get, all turns of the row stand there in their
  order, every character the same. Where a reader makes no tokens, the row's texts.
- Labels on the answers alone: the tokens with a label, decoded run by run, are the answers, each with at most the sign
  of its end. There are as many runs as answers.
- Images opened: the mean colour of the pixels that the model would get is the colour of the row's own image.

What is not as told is the readers' own:

- LLaVA splits a row's text at ` ASSISTANT: `. Where an answer holds that (`speaker`: "I am the ASSISTANT: ask me."), it
  prints "tokenization mismatch … (ignored)" and learns nothing from the row.
- Axolotl with `role_boundaries` ends an answer at `USER:` (`speakers`, an answer that begins with it).
- Axolotl's strategy for LLaVA has no boundaries of its own: without `role_boundaries` it warns, and trains on every
  token but those of images. The setting is in docs/export.md.

How far it goes: LLaVA's package asks for torch 2.0.1, and ran on 2.13.0, with transformers 4.36.2 as it asks for.
LLaMA-Factory imports torchaudio for sounds, whose wheel (2.11.0) does not load without CUDA; an empty module stands in.
Axolotl's settings were given to its loaders without its check of whole configs. Open-LLaVA-NeXT, which reads LLaVA's
file, is in no package and was not run; nor was any service that takes OpenAI's form.
"""


def main() -> None:
    """Run all cases, write the report and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envs", type=Path, default=ENVS, help="where the trainers are installed")
    parser.add_argument("--only", choices=sorted(TRAINERS), help="one reader; nothing is written")
    parser.add_argument("--keep", type=Path, help="an empty folder for exports and logs, which are then kept")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the report is written")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (options.keep or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        told = export_all(folder)
        cases = [case for case in CASES if options.only in (None, case.reader)]
        outcomes = [
            read(case, environment(options.envs, TRAINERS[case.reader]), folder, told[case.form]) for case in cases
        ]
    text = report(outcomes)
    if options.only is None:
        options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
