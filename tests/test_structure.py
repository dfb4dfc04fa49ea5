"""The house's own rules: which way dependencies point, how long files are, how small the base install is."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "mminstruct"
FILES = sorted(SOURCE.rglob("*.py"))

# A part may import from its own rank only within its own folder, and from any lower rank.
RANKS = {
    "__init__": 0,
    "errors": 0,
    "rows": 0,
    "tars": 1,
    "counts": 1,
    "durable": 1,
    "products": 1,
    "rgb": 1,
    "imaging": 2,
    "near_copies": 1,
    "texts": 2,
    "minhash": 2,
    "twins": 3,
    "config": 3,
    "llm": 4,
    "encoders": 4,
    "readers": 4,
    "rules": 4,
    "writers": 4,
    "demo": 4,
    "prompts": 5,  # a prompt renders to an llm Request
    "stages": 6,
    "engines": 6,
    "filter_rows": 7,
    "filter_file": 8,
    "pipeline": 9,
    "bench": 10,
    "train": 10,
    "evaluate": 10,
    "ablate": 11,
    "web": 11,
    "cli": 12,
    "__main__": 13,
}

# All that a stage may know of what is below it: types and pure functions, no backend.
STAGES_MAY_IMPORT = {
    "mminstruct.encoders.protocols",
    "mminstruct.llm.chat",
    "mminstruct.llm.structured",
    "mminstruct.prompts.template",
}


def part(module: str) -> str:
    """Return the top-level part of a module: `mminstruct.llm.chat` → `llm`."""
    return module.split(".")[1] if "." in module else "__init__"


def module_of(path: Path) -> str:
    names = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" and len(names) > 2 else names)


def imports(path: Path) -> set[str]:
    """Return the modules of ours that a file imports, at its top or inside a function, but for typing only."""
    tree = ast.parse(path.read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "mminstruct":
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names if alias.name.split(".")[0] == "mminstruct")
    return found


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_dependencies_point_one_way(path: Path) -> None:
    own = part(module_of(path))
    wrong = [name for name in imports(path) if part(name) != own and RANKS[part(name)] >= RANKS[own]]
    assert not wrong, f"{own} may not import {wrong}"


@pytest.mark.parametrize("path", sorted((SOURCE / "stages").rglob("*.py")), ids=module_of)
def test_a_stage_imports_no_backend(path: Path) -> None:
    backends = {"encoders", "llm", "prompts", "readers", "writers"}
    wrong = {name for name in imports(path) if part(name) in backends} - STAGES_MAY_IMPORT
    assert not wrong


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_files_and_functions_stay_short(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            assert length <= 45, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_only_the_command_line_prints(path: Path) -> None:
    if part(module_of(path)) == "cli":
        return
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    names = {node.func.id for node in calls if isinstance(node.func, ast.Name)}
    assert "print" not in names or path.name == "embedded.py"  # whose child process tells its address to its parent


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, contextlib, io\n"
        "sys.argv = ['mminstruct', '--help']\n"
        "from mminstruct.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()): main()\n"
        "print(','.join(sorted(m for m in sys.modules if '.' not in m)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = set(out.strip().split(","))
    assert loaded.isdisjoint({"torch", "transformers", "sklearn", "numpy", "pyarrow", "pydantic", "aiohttp", "rich"})


def test_the_base_install_stays_small() -> None:
    """Count what `pip install mminstruct` brings, transitively, on this platform."""
    pytest.importorskip("packaging")
    from packaging.requirements import Requirement

    wanted, found = ["mminstruct"], set()
    while wanted:
        name = re.sub(r"[-_.]+", "-", wanted.pop()).lower()
        if name in found:
            continue
        found.add(name)
        for line in metadata.requires(name) or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                wanted.append(requirement.name)
    packages = found - {"mminstruct"}
    assert len(packages) <= 25, sorted(packages)
