"""Is there an lmms-eval that can run? Asked of the interpreter that is to run it, in a child process."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from mminstruct.errors import ConfigError, MissingExtraError, ModelError

VERSION = "0.7.3"  # of lmms-eval, whose tasks and logs are known here

# lmms-eval's own list brings some 130 packages, a torchvision among them that must fit the torch to the letter, and
# lacks decord, which its LLaVA imports: so what is needed is the extra, and lmms-eval comes alone.
INSTALL = f"pip install 'mminstruct[eval]' && pip install --no-deps lmms-eval=={VERSION}"

_PROBE = """
import importlib, importlib.metadata, json, sys
found = {"version": "", "missing": "", "error": "", "device": sys.argv[1]}
try:
    importlib.import_module("lmms_eval.models.chat.llava_hf")
    importlib.import_module("openpyxl")
    found["version"] = importlib.metadata.version("lmms_eval")
    if sys.argv[1] == "auto":
        import torch
        found["device"] = "cuda" if torch.cuda.is_available() else "cpu"
except ModuleNotFoundError as error:
    found["missing"] = error.name or str(error)
except Exception as error:
    found["error"] = f"{type(error).__name__}: {error}"
print("\\n" + json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class Environment:
    """An interpreter with an lmms-eval that loads, and the device that models run on."""

    python: Path
    version: str
    device: str


def find_environment(python: Path | None = None, device: str = "auto") -> Environment:
    """Return the environment of `python`, or of this process; "auto" becomes "cuda" where torch finds one, else "cpu".

    Raises MissingExtraError where a package is missing, ConfigError where `python` cannot be run, ModelError where
    lmms-eval is there and does not load.
    """
    interpreter = Path(sys.executable) if python is None else python.absolute()
    try:
        done = subprocess.run([str(interpreter), "-c", _PROBE, device], capture_output=True, text=True)
    except OSError as error:
        raise ConfigError(f"{interpreter} cannot be run ({error.strerror}). Give --python an interpreter.") from error
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise ConfigError(f"{interpreter} is no Python that can be asked for lmms-eval; it said: {said}")
    found = json.loads(lines[-1])
    if found["missing"]:
        where = "" if python is None else f" (in the environment of {interpreter})"
        raise MissingExtraError(f"the package {found['missing']}", "mminstruct evaluate", INSTALL + where)
    if found["error"]:
        raise ModelError(
            f"lmms-eval is installed for {interpreter} but does not load: {found['error']} Often two packages do not "
            f"fit each other, such as torch and torchvision. An environment of its own helps: python -m venv eval, "
            f"there {INSTALL}, and here --python eval/bin/python."
        )
    return Environment(interpreter, found["version"], found["device"])
