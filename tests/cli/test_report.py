"""`mminstruct report`, and what the end of a run says of its page."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from mminstruct.cli.report import report, report_at_the_end
from support.small_benchmark import make_small_benchmark
from support.written_run import write_run


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("mminstruct.web.report.gather.read_map", lambda *_: (None, "left out"))
    return write_run(tmp_path)


class TestCommand:
    def test_says_where_the_page_is_and_how_large(self, run: Path) -> None:
        done = CliRunner().invoke(report, [str(run)])
        assert done.exit_code == 0, done.output
        size = (run / "report.html").stat().st_size / 1e6
        assert f"Wrote {run / 'report.html'} ({size:.1f} MB).\n" in done.output

    def test_of_a_benchmark(self, tmp_path: Path) -> None:
        benchmark = make_small_benchmark(tmp_path)
        done = CliRunner().invoke(report, [str(benchmark.path), "--out", str(tmp_path / "page.html")])
        assert done.exit_code == 0, done.output
        assert (tmp_path / "page.html").is_file() and (benchmark.path / "report.json").is_file()

    def test_a_benchmark_of_a_benchmark_is_a_mistake(self, tmp_path: Path) -> None:
        benchmark = make_small_benchmark(tmp_path)
        done = CliRunner().invoke(report, [str(benchmark.path), "--bench", str(benchmark.path)])
        assert done.exit_code == 2 and "is a benchmark itself" in done.output

    def test_examples_are_in_its_help(self) -> None:
        assert "mminstruct report runs/coco --bench bench/coco" in CliRunner().invoke(report, ["--help"]).output


class TestAtTheEnd:
    def test_it_is_written_once_and_told(self, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
        report_at_the_end(str(run))
        assert f"A page about the run: {run / 'report.html'} (" in capsys.readouterr().out
        written = (run / "report.html").stat().st_mtime_ns
        report_at_the_end(str(run))
        assert (run / "report.html").stat().st_mtime_ns == written
        assert capsys.readouterr().out == ""

    def test_without_plotly_one_line_says_how_to_get_it(
        self, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("mminstruct.web.report.page.find_spec", lambda name: None)
        report_at_the_end(str(run))
        (line,) = capsys.readouterr().err.splitlines()
        assert "pip install 'mminstruct[web]'" in line and f"mminstruct report {run}" in line

    def test_a_failure_is_one_line_with_the_command_to_try_again(
        self, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def fail(*_: object) -> None:
            raise KeyError("x")

        monkeypatch.setattr("mminstruct.web.report.writing.render_run", fail)
        report_at_the_end(str(run))
        (line,) = capsys.readouterr().err.splitlines()
        assert "no page about it was written (KeyError: 'x')" in line and f"mminstruct report {run}" in line

    def test_a_table_that_cannot_be_read_does_not_fail_the_run(
        self, run: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (run / "04_matches" / "part-00000.parquet").write_bytes(b"")
        report_at_the_end(str(run))
        (line,) = capsys.readouterr().err.splitlines()
        assert "04_matches" in line and "Try again with" in line
