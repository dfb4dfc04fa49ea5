"""The TSV as VLMEvalKit reads it (pandas.read_csv with a tab), and the way back from its predictions."""

import base64
import io
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mminstruct.bench.export.rows import Export
from mminstruct.bench.export.vlmevalkit import _MISSING_TO_PANDAS, write_vlmevalkit
from mminstruct.bench.folder import Benchmark
from mminstruct.errors import BenchmarkError, ExportError
from mminstruct.imaging import decode_image
from support.small_benchmark import ODD, make_small_benchmark

pd = pytest.importorskip("pandas")


@pytest.fixture
def benchmark(tmp_path: Path) -> Benchmark:
    return make_small_benchmark(tmp_path)


@pytest.fixture
def export(benchmark: Benchmark, tmp_path: Path) -> Export:
    return write_vlmevalkit(benchmark, tmp_path / "out")


def table(export: Export) -> Path:
    return export.out / f"{export.name}.tsv"


class TestTable:
    def test_pandas_reads_what_the_benchmark_holds(self, benchmark: Benchmark, export: Export) -> None:
        rows, questions = pd.read_csv(table(export), sep="\t"), benchmark.questions()
        assert list(rows.columns) == ["index", "image", "question", "answer", "category", "question_id"]
        assert list(rows["index"]) == list(range(len(questions)))
        assert list(rows["question"]) == [question.instruction for question in questions]
        assert not rows["image"].isna().any()
        assert export.n_rewritten == len(ODD)

    def test_every_image_becomes_the_jpeg_that_vlmevalkit_keeps(
        self, benchmark: Benchmark, export: Export, tmp_path: Path
    ) -> None:
        rows = pd.read_csv(table(export), sep="\t")
        for text, question in zip(rows["image"], benchmark.questions(), strict=True):
            assert len(text) > 64  # anything shorter is taken for the index of another row
            image = Image.open(io.BytesIO(base64.b64decode(text)))
            image.save(tmp_path / "0.jpg")
            expected = decode_image(benchmark.image_path(question).read_bytes())
            assert image.convert("RGB").tobytes() == expected.tobytes()

    def test_the_name_says_open_ended_and_changes_with_the_content(
        self, benchmark: Benchmark, export: Export, tmp_path: Path
    ) -> None:
        assert export.name.startswith("mminstruct_my_set_v2_openended_")
        assert write_vlmevalkit(benchmark, tmp_path / "again").name == export.name
        questions = benchmark.questions()
        benchmark.write_questions([*questions[:-1], replace(questions[-1], instruction="Sing.")])
        assert write_vlmevalkit(benchmark, tmp_path / "changed").name != export.name

    @settings(max_examples=50)
    @given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
    def test_any_text_is_read_as_it_was_or_refused(self, instruction: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            benchmark = make_small_benchmark(Path(folder))
            first, second = benchmark.questions()[:2]
            benchmark.write_questions([replace(first, instruction=instruction), second])
            try:
                export = write_vlmevalkit(benchmark, Path(folder) / "out")
            except BenchmarkError:
                assert not instruction.strip() or instruction in _MISSING_TO_PANDAS
            else:
                assert pd.read_csv(table(export), sep="\t")["question"][0] == instruction

    def test_the_words_that_pandas_drops_are_those_we_refuse(self, benchmark: Benchmark, tmp_path: Path) -> None:
        from pandas._libs.parsers import STR_NA_VALUES

        assert {*_MISSING_TO_PANDAS, ""} == STR_NA_VALUES
        questions = benchmark.questions()
        benchmark.write_questions([replace(questions[0], instruction="None"), *questions[1:]])
        with pytest.raises(BenchmarkError, match="question 'q/0' is 'None'"):
            write_vlmevalkit(benchmark, tmp_path / "out")

    def test_only_an_export_is_replaced(self, benchmark: Benchmark, export: Export, tmp_path: Path) -> None:
        write_vlmevalkit(benchmark, export.out, overwrite=True)
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "README.md").write_text("Mine.")
        with pytest.raises(ExportError, match="is no earlier export"):
            write_vlmevalkit(benchmark, tmp_path / "mine", overwrite=True)


def to_answers(export: Export, predictions: Path, answers: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(export.out / "to_answers.py"), str(predictions), str(answers)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


class TestWayBack:
    @pytest.mark.parametrize("ending", ["tsv", "json", "xlsx"])
    def test_predictions_become_answers(
        self, benchmark: Benchmark, export: Export, tmp_path: Path, ending: str
    ) -> None:
        predicted = pd.read_csv(table(export), sep="\t").drop(columns="image")
        predicted["prediction"] = [f"007\n{index}" for index in predicted["index"]]
        predicted.loc[1, "prediction"] = "None"
        predicted.loc[2, "prediction"] = "Failed to obtain answer via API."
        file = tmp_path / f"MODEL_{export.name}.{ending}"
        if ending == "xlsx":
            pytest.importorskip("openpyxl")
            predicted.to_excel(file, index=False)
        elif ending == "tsv":
            predicted.to_csv(file, sep="\t", index=False)
        else:
            file.write_text(json.dumps(predicted.to_dict("records"), default=str), encoding="utf-8")
        (benchmark.path / "answers").mkdir()
        done = to_answers(export, file, benchmark.answers_file("MODEL"))
        assert "13 answers to 14 questions" in done.stdout, done.stderr
        assert "left out: 1" in done.stdout
        questions = benchmark.questions()
        expected = {question.question_id: f"007\n{index}" for index, question in enumerate(questions)}
        expected[questions[1].question_id] = "None"
        del expected[questions[2].question_id]
        assert benchmark.answers("MODEL", questions).by_question == expected

    def test_predictions_of_another_data_set_are_refused(self, export: Export, tmp_path: Path) -> None:
        file = tmp_path / "other.json"
        file.write_text(json.dumps([{"index": 99, "prediction": "Yes."}]), encoding="utf-8")
        done = to_answers(export, file, tmp_path / "answers.jsonl")
        assert done.returncode == 1
        assert "'99'" in done.stderr
        assert not (tmp_path / "answers.jsonl").exists()
