"""The real check, of interpreters with a package that looks like lmms-eval, without one, and with one that breaks."""

import sys
from pathlib import Path

import pytest

from mminstruct.errors import ConfigError, MissingExtraError, ModelError
from mminstruct.evaluate.environment import INSTALL, find_environment
from support.fake_lmms_eval import write_fake_lmms_eval


def test_an_lmms_eval_that_loads_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(write_fake_lmms_eval(tmp_path, {})))
    found = find_environment(device="cpu")
    assert (found.version, found.device, found.python) == ("0.7.3", "cpu", Path(sys.executable))


def test_a_missing_package_comes_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = write_fake_lmms_eval(tmp_path, {})
    (packages / "lmms_eval" / "models" / "chat" / "llava_hf.py").write_text("import decord_that_is_not_there")
    monkeypatch.setenv("PYTHONPATH", str(packages))
    with pytest.raises(MissingExtraError) as caught:
        find_environment(device="cpu")
    assert "needs the package decord_that_is_not_there" in str(caught.value)
    assert str(caught.value).endswith(INSTALL)


def test_packages_that_do_not_fit_are_told_from_missing_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = write_fake_lmms_eval(tmp_path, {})
    says = "operator torchvision::nms does not exist"  # which torchvision 0.28 said beside torch 2.13+cpu
    (packages / "lmms_eval" / "models" / "chat" / "llava_hf.py").write_text(f"raise RuntimeError({says!r})")
    monkeypatch.setenv("PYTHONPATH", str(packages))
    with pytest.raises(ModelError, match=says):
        find_environment(device="cpu")


def test_what_is_no_interpreter_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho not me >&2; exit 3\n")
    broken.chmod(0o755)
    with pytest.raises(ConfigError, match="is no Python that can be asked for lmms-eval; it said: not me"):
        find_environment(broken)
    broken.chmod(0o644)
    with pytest.raises(ConfigError, match="cannot be run"):
        find_environment(broken)
