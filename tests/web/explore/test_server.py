"""Where the server listens, and the command from start to Ctrl-C."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mminstruct.errors import MissingExtraError, MMInstructError
from mminstruct.web.explore import server
from mminstruct.web.explore.server import address_of, listen, require_packages
from support.http_asking import ask
from support.patience import PATIENCE_S


class TestListen:
    def test_a_port_that_is_taken_is_told_and_by_default_stepped_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with listen("127.0.0.1", 0) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(MMInstructError, match=f"127.0.0.1:{port}: .*Choose another --port"):
                listen("127.0.0.1", port)
            monkeypatch.setattr(server, "_FIRST_PORT", port)
            with listen("127.0.0.1", None) as other:
                assert other.getsockname()[1] != port

    @pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.7"])
    def test_an_address_that_is_not_this_machines(self, host: str) -> None:
        with pytest.raises(MMInstructError, match="cannot listen"):
            listen(host, 0)

    def test_addresses(self) -> None:
        with listen("127.0.0.1", 0) as bound:
            port = bound.getsockname()[1]
            assert address_of(bound, "localhost", "") == f"http://localhost:{port}/"
            assert address_of(bound, "::1", "t") == f"http://[::1]:{port}/?token=t"
            assert "0.0.0.0" not in address_of(bound, "0.0.0.0", "t")


class TestPackages:
    def test_a_missing_one_is_named_with_the_command(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "duckdb" else object())
        with pytest.raises(MissingExtraError, match=r"duckdb, .*pip install 'mminstruct\[web\]'"):
            require_packages()


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "mminstruct", "explore", *arguments]


class TestCommand:
    def test_it_serves_until_it_is_stopped(self, run: Path) -> None:
        pytest.importorskip("duckdb")
        arguments = command(str(run), "--port", "0", "--no-browser")
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            address = re.search(r"http://[^/ ]+", process.stdout.readline() + process.stdout.readline())
            assert address is not None
            assert ask(address[0], "/api/about").json()["name"] == "run"
            assert ask(address[0], "/gallery").status == 200
        finally:
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0 and errors == ""

    def test_another_host_is_printed_with_its_token(self, explored_run: Path) -> None:
        pytest.importorskip("duckdb")
        arguments = command(str(explored_run), "--port", "0", "--no-browser", "--host", "0.0.0.0")
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            told = process.stdout.readline() + process.stdout.readline()
            found = re.search(r":(\d+)/\?token=(\S+)", told)
            assert found is not None
            address = f"http://127.0.0.1:{found[1]}"
            assert ask(address, "/api/about").status == 401
            assert ask(address, "/", {"token": found[2]}).status == 303
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE_S)

    def test_a_folder_that_is_neither_is_told(self, tmp_path: Path) -> None:
        told = subprocess.run(command(str(tmp_path), "--port", "0"), capture_output=True, text=True, check=False)
        assert told.returncode == 2 and "is not a run folder" in told.stderr and "Traceback" not in told.stderr

    def test_help_has_examples(self) -> None:
        told = subprocess.run(command("--help"), capture_output=True, text=True, check=True, env=dict(os.environ))
        assert "mminstruct explore runs/my" in told.stdout and "ssh -L" in told.stdout
