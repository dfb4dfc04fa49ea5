"""What the request benchmarks share: stub and clients in processes of their own, and the machine's description."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import pty
import re
import shlex
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


class Stub:
    """A running stub server; `address` without /v1."""

    def __init__(self, address: str, pid: int) -> None:
        self.address = address
        self.base_url = f"{address}/v1"
        self._pid = pid

    def look(self, path: str) -> Any:
        """Return what the stub tells at `/stats` or `/times`, which starts counting anew."""
        with urllib.request.urlopen(f"{self.address}{path}", timeout=60) as response:
            return json.load(response)

    def cpu_seconds(self) -> float:
        """Return the stub's processor time so far, user and system."""
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def stub_server(*options: str) -> Iterator[Stub]:
    """Start the stub with these options and end it afterwards."""
    command = [sys.executable, str(HERE / "stub_server.py"), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Stub(process.stdout.readline().strip(), process.pid)
        finally:
            process.terminate()


def run_measured(
    command: Sequence[str], folder: Path, timeout_s: float = 3600, on_terminal: bool = False
) -> dict[str, Any]:
    """Run a script, with `folder` as its home, and return the JSON of its last line.

    `on_terminal` gives it a pseudo-terminal as stderr. Raises SystemExit with the end of what it wrote to stderr where
    it fails or takes longer than `timeout_s`.
    """
    log = folder / "stderr.log"
    with log.open("w") as file, _terminal() if on_terminal else contextlib.nullcontext(file) as stderr:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            cwd=folder,
            env={**os.environ, "HOME": str(folder)},
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise SystemExit(f"{shlex.join(command)}: no end within {timeout_s:g} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # also what it started and left behind
    if process.returncode:
        raise SystemExit(f"{shlex.join(command)}: exit status {process.returncode}\n{log.read_text()[-3000:]}")
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return result


@contextmanager
def _terminal() -> Iterator[int]:
    """Give the descriptor of a pseudo-terminal whose output is read, as a terminal window would, and forgotten."""
    ours, theirs = pty.openpty()

    def read_on() -> None:
        with contextlib.suppress(OSError):  # the other side is closed: the end
            while os.read(ours, 65536):
                pass

    reader = threading.Thread(target=read_on, daemon=True)
    reader.start()
    try:
        yield theirs
    finally:
        os.close(theirs)
        reader.join(5)
        os.close(ours)


def machine(packages: Sequence[str]) -> str:
    """Return processor, cores, and the versions of Python and of these packages."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in packages)
    processor = found[1] if found else platform.processor()
    return f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}"
