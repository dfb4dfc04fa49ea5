"""Where pages are written, and when a page shows the run as it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mminstruct.errors import MissingExtraError
from mminstruct.pipeline.manifest import read_manifest, write_manifest
from mminstruct.pipeline.tables import Folder
from mminstruct.web.report.writing import is_up_to_date, write_benchmark_page, write_run_report
from support.small_benchmark import make_small_benchmark


@pytest.fixture
def run(without_map: None, written_run: Path, tmp_path: Path) -> Path:
    shutil.copytree(written_run, tmp_path / "run")
    return tmp_path / "run"


def test_into_the_runs_folder_and_until_the_run_changes(run: Path) -> None:
    told: list[str] = []
    assert not is_up_to_date(str(run))
    written = write_run_report(str(run), told.append)
    assert Path(written.path) == run / "report.html"
    assert written.n_bytes == (run / "report.html").stat().st_size
    assert told[0] == "counting rows" and told[-1] == "drawing"
    assert is_up_to_date(str(run))
    manifest = read_manifest(Folder(str(run)))
    manifest.stages["split"].n_out += 1
    write_manifest(Folder(str(run)), manifest)
    assert not is_up_to_date(str(run))


def test_to_another_file_with_a_benchmark(run: Path, tmp_path: Path) -> None:
    benchmark = make_small_benchmark(tmp_path)
    out = tmp_path / "page.html"
    write_run_report(str(run), lambda _: None, out, benchmark.path)
    assert not (run / "report.html").exists()
    assert 'id="benchmark"' in out.read_text(encoding="utf-8")


def test_a_benchmarks_page_and_its_figures_as_json(tmp_path: Path) -> None:
    benchmark = make_small_benchmark(tmp_path)
    written = write_benchmark_page(benchmark.path, lambda _: None)
    assert Path(written.path) == benchmark.path / "report.html"
    assert (benchmark.path / "report.json").is_file()
    assert "mminstruct report" in (benchmark.path / "report.html").read_text(encoding="utf-8")


def test_half_a_character_does_not_stop_it(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mminstruct.web.report.writing.render_run", lambda *_: "a \ud800 b")
    write_run_report(str(run), lambda _: None)
    assert (run / "report.html").read_bytes() == b"a ? b"


def test_without_plotly_nothing_is_counted_in_vain(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mminstruct.web.report.page.find_spec", lambda name: None)
    told: list[str] = []
    with pytest.raises(MissingExtraError, match=r"pip install 'mminstruct\[web\]'"):
        write_run_report(str(run), told.append)
    assert told == []
