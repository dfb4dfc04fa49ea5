"""`mminstruct validate` as a user runs it: formats are told apart, faults are listed, the exit status says which."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from mminstruct.cli import cli
from mminstruct.cli import validate as command
from mminstruct.errors import SourceError
from mminstruct.writers.anybodys import FormatName, guess_format
from mminstruct.writers.conversations import FaultKind
from mminstruct.writers.export import FORMATS, write_export
from support.training_samples import training_samples

Row = dict[str, Any]

PARTS = [{"type": "image", "path": "1.png"}, {"type": "text", "text": "Do."}]


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (5, 3), "red").save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "1.png").write_bytes(png())
    return tmp_path


def llava(id: str = "1", question: str = "<image>\nDo.", answer: str = "Done.", **more: Any) -> Row:
    spoken = [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
    return {"id": id, "image": "1.png", "conversations": spoken} | more


def text_only(id: str) -> Row:
    row = llava(id, "Do.")
    del row["image"]
    return row


def messages(question: Any, **more: Any) -> Row:
    return {
        "id": "1",
        "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": "Done."}],
    } | more


def validate(path: Path, *options: str) -> Result:
    return CliRunner().invoke(cli, ["validate", str(path), *options])


def found(path: Path, *options: str) -> Row:
    result = validate(path, "--json", *options)
    report: Row = json.loads(result.stdout)
    assert result.exit_code == bool(report["faults"])
    return report


class TestFormats:
    @pytest.mark.parametrize(
        ("row", "form"),
        [
            (llava(), "llava"),
            ({**text_only("1"), "conversations": llava()["conversations"], "images": ["1.png"]}, "sharegpt"),
            (messages(PARTS), "messages"),
            (messages("<image>Do.", images=["1.png"]), "messages"),
        ],
    )
    @pytest.mark.parametrize("as_lines", [True, False])
    def test_json_and_json_lines(self, folder: Path, row: Row, form: str, as_lines: bool) -> None:
        rows = [{**row, "id": str(number)} for number in range(3)]
        text = "\n".join(map(json.dumps, rows)) if as_lines else json.dumps(rows, indent=1)
        (folder / "rows").write_text(text)
        report = found(folder / "rows")
        assert (report["format"], report["n_rows"], report["n_images"], report["faults"]) == (form, 3, 1, {})

    @pytest.mark.parametrize("name", sorted(FORMATS))
    def test_every_export_of_ours_is_clean(self, folder: Path, name: str) -> None:
        samples = training_samples(folder / "photos", 5)
        write_export(samples, folder / "out", FORMATS[name])
        report = found(folder / "out")
        assert report["format"] == {"openai": "messages"}.get(name, name)
        assert (report["n_rows"], report["faults"]) == (5, {})

    @pytest.mark.parametrize("column", ["prompt", "messages"])
    def test_trls_parquet_by_its_columns(self, folder: Path, column: str) -> None:
        user, assistant = messages("Do.")["messages"]
        sides = {"prompt": [user], "completion": [assistant]} if column == "prompt" else {"messages": [user, assistant]}
        rows = [{"images": [{"bytes": png(), "path": None}], **sides}]
        pq.write_table(pa.Table.from_pylist(rows), folder / "rows.parquet")
        report = found(folder / "rows.parquet")
        assert (report["format"], report["n_images"], report["faults"]) == ("trl", 1, {})

    @pytest.mark.parametrize("column", ["prompt", "messages"])
    @pytest.mark.parametrize("in_parts", [True, False])
    def test_trls_json_by_its_keys(self, folder: Path, column: str, in_parts: bool) -> None:
        user, assistant = messages("Do.")["messages"]
        if in_parts:
            user = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Do."}]}
        sides = {"prompt": [user], "completion": [assistant]} if column == "prompt" else {"messages": [user, assistant]}
        rows = [{"images": ["1.png"], **sides}, {"images": ["gone.png"], **sides}]
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        is_known = column == "prompt" or in_parts
        report = found(folder / "rows.jsonl", *([] if is_known else ["--format", "trl"]))
        assert (report["format"], report["n_rows"], report["n_images"]) == ("trl", 2, 2)
        assert list(report["faults"]) == ["missing_image"]

    def test_a_format_that_is_named_is_not_guessed(self, folder: Path) -> None:
        (folder / "rows.json").write_text(json.dumps([llava()]))
        report = found(folder / "rows.json", "--format", "messages")
        assert list(report["faults"]) == ["not_a_row"]

    def test_the_names_on_the_command_line_are_all_names(self) -> None:
        assert get_args(FormatName) == command.FORMAT_NAMES
        assert set(command.KINDS) == set(FaultKind)


class TestFaults:
    ROWS = (
        llava("1"),
        llava("2", image="gone.png"),
        llava("3", image="gone.png"),
        llava("4", answer=" "),
        llava("5", question="Do."),
        text_only("6"),
        llava("1"),
        {"id": "7", "conversations": "Do."},
        llava("8", conversations=[{"from": "narrator", "value": "Once."}]),
        llava("9", image=17),
    )

    @pytest.fixture
    def file(self, folder: Path) -> Path:
        (folder / "rows.json").write_text(json.dumps(self.ROWS))
        return folder / "rows.json"

    def test_they_are_listed_by_kind_with_row_and_id(self, file: Path) -> None:
        result = validate(file)
        assert result.exit_code == 1
        assert result.stdout.splitlines() == [
            f"{file}: llava, 10 rows, 2 different images, 1 row without an image",
            "Rows with a fault: 8",
            "",
            "not_a_row: 2 rows",
            "  row 8, id 7: found str under `conversations`, expected a list of `from` and `value`",
            "  row 10, id 9: found int for its images, expected a path or a list of paths",
            "",
            "unknown_role: 1 row",
            "  row 9, id 8: found a turn from 'narrator', expected system, human, user, gpt, assistant",
            "",
            "mark_count: 1 row",
            "  row 5, id 5: found 0 image marks for 1 images",
            "",
            "empty_answer: 1 row",
            "  row 4, id 4: its answer is empty (turn 2)",
            "",
            "missing_image: 2 rows",
            f"  row 2, id 2: its image gone.png does not exist below {file.parent}",
            f"  row 3, id 3: its image gone.png does not exist below {file.parent}",
            f"  Image paths were taken as relative to {file.parent}; --image-root names another folder.",
            "",
            "duplicate_id: 1 row",
            "  row 7, id 1: its id came before",
        ]

    def test_fewer_examples(self, file: Path) -> None:
        report = found(file, "--examples", "1")
        assert report["faults"]["missing_image"] == {
            "n_rows": 2,
            "examples": [
                {
                    "kind": "missing_image",
                    "row": 2,
                    "id": "2",
                    "detail": f"its image gone.png does not exist below {file.parent}",
                }
            ],
        }

    def test_kinds_can_be_left_out(self, file: Path) -> None:
        kinds = list(found(file)["faults"])
        report = found(file, *(part for kind in kinds[1:] for part in ("--ignore", kind)))
        assert (list(report["faults"]), report["n_faulty_rows"]) == (kinds[:1], 2)
        assert validate(file, *(part for kind in kinds for part in ("--ignore", kind))).exit_code == 0

    def test_images_below_another_root_and_unopened(self, file: Path, folder: Path) -> None:
        (folder / "photos").mkdir()
        (folder / "photos" / "1.png").write_text("no image")
        (folder / "photos" / "gone.png").write_bytes(png())
        root = ("--image-root", str(folder / "photos"))
        assert "missing_image" not in found(file, *root)["faults"]
        assert found(file, *root)["faults"]["broken_image"]["n_rows"] == 4
        assert "broken_image" not in found(file, *root, "--no-open-images")["faults"]

    def test_a_row_without_an_image_where_all_need_one(self, file: Path) -> None:
        assert found(file, "--needs-image")["faults"]["no_image"]["examples"][0]["id"] == "6"

    def test_what_would_disturb_a_terminal_is_escaped(self, folder: Path) -> None:
        (folder / "rows.json").write_text(json.dumps([llava("\ud83d\x1b[2J", image="\n\ud83d.png")]))
        result = validate(folder / "rows.json")
        assert result.exit_code == 1
        assert r"row 1, id \ud83d\x1b[2J: its image \n\ud83d.png does not exist" in result.stdout


class TestProcess:
    """The exit status of the real command, for scripts."""

    def run(self, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mminstruct", "validate", *arguments],
            cwd=cwd,
            env={**os.environ, "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )

    def test_0_without_faults(self, folder: Path) -> None:
        (folder / "rows.json").write_text(json.dumps([llava(), text_only("2")]))
        done = self.run("rows.json", cwd=folder)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "rows.json: llava, 2 rows, 1 different image, 1 row without an image\nNo faults.\n"

    def test_1_with_faults(self, folder: Path) -> None:
        (folder / "rows.json").write_text(json.dumps([llava(answer="")]))
        assert self.run("rows.json", cwd=folder).returncode == 1

    def test_2_where_the_file_breaks_off(self, folder: Path) -> None:
        (folder / "rows.json").write_text(json.dumps([llava(), llava("2")])[:-20])
        done = self.run("rows.json", cwd=folder)
        assert (done.returncode, done.stdout) == (2, "")
        assert "rows.json cannot be read: behind row 1, found no JSON" in done.stderr and "Traceback" not in done.stderr


class TestUnreadable:
    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("rows.json", b"", "holds no rows"),
            ("rows.json", b"[]", "the list is empty"),
            ("rows.json", b"one\ntwo", "has no JSON object in its first rows: none of the formats"),
            ("rows.json", b'{"prompt": 1, "answer": 2}', "the keys prompt, answer.*TRL's `prompt` and `completion`"),
            ("rows.parquet", b"PAR1PAR1", "cannot be read as Parquet"),
            ("rows.tar", b"no tar" * 100, "rows.tar"),
        ],
    )
    def test_a_file_without_rows_is_an_error(self, folder: Path, name: str, content: bytes, message: str) -> None:
        (folder / name).write_bytes(content)
        with pytest.raises(SourceError, match=message):
            CliRunner().invoke(cli, ["validate", str(folder / name)], catch_exceptions=False)

    def test_nothing_there(self, folder: Path) -> None:
        with pytest.raises(SourceError, match=r"gone\.json does not exist"):
            CliRunner().invoke(cli, ["validate", str(folder / "gone.json")], catch_exceptions=False)

    def test_a_folder_without_training_data(self, folder: Path) -> None:
        with pytest.raises(SourceError, match=r"holds no train\.json, train\.jsonl"):
            guess_format(folder)

    def test_parquet_with_other_columns_or_no_rows(self, folder: Path) -> None:
        path = folder / "rows.parquet"
        pq.write_table(pa.table({"caption": ["A dog."]}), path)
        with pytest.raises(SourceError, match="the columns caption: none of the formats"):
            guess_format(path)
        pq.write_table(pa.table({"instruction": pa.array([], pa.string()), "answer": pa.array([], pa.string())}), path)
        with pytest.raises(SourceError, match="holds no rows"):
            CliRunner().invoke(cli, ["validate", str(path)], catch_exceptions=False)
