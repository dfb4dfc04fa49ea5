"""The commands as a user runs them: a process, its output, its exit status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mminstruct.llm.store.replies import ReplyStore
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.tables import Folder
from support.collection import make_collection, write_config
from support.llm_server import LlmServer, status
from support.patience import PATIENCE_S, wait_for


@pytest.fixture(scope="module")
def server() -> Iterator[LlmServer]:
    with LlmServer() as server:
        yield server


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, server: LlmServer) -> Path:
    """Return the folder of a config whose run is finished."""
    folder = tmp_path_factory.mktemp("finished")
    make_collection(folder)
    price = ", price: {prompt_per_million: 1, completion_per_million: 2}"
    address = server.base_url.replace("://", "://me:secret@")
    llm = f"{{base_url: '{address}', model: m, concurrency: 8{price}}}"
    write_config(folder, server.base_url, llm=llm)
    done = mminstruct("run", "config.yaml", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def mminstruct(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mminstruct", *arguments]
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def samples(folder: Path) -> Tables:
    return Tables(Folder(str(folder / "run")))


class TestRun:
    def test_prints_progress_to_stderr_and_the_stages_to_stdout(self, finished: Path) -> None:
        again = mminstruct("run", "config.yaml", cwd=finished)
        assert again.returncode == 0
        assert again.stderr.count("unchanged, skipped") == 8
        assert again.stdout.split()[:4] == ["stage", "in", "out", "rejected"]
        assert "match: matched with the images' descriptions" in again.stdout

    def test_leaves_a_page_about_the_run(self, finished: Path) -> None:
        page = (finished / "run" / "report.html").read_text(encoding="utf-8")
        assert "samples of visual instruction data" in page and "This run is not finished" not in page

    def test_a_wrong_config_is_one_paragraph_and_status_2(self, finished: Path) -> None:
        wrong = mminstruct("run", "config.yaml", "-o", "match.per_imag=2", cwd=finished)
        assert wrong.returncode == 2 and "did you mean 'per_image'?" in wrong.stderr
        assert "Traceback" not in wrong.stderr

    def test_captions_that_are_not_there_stop_before_any_request(self, finished: Path, server: LlmServer) -> None:
        n_requests = len(server.requests)
        wrong = mminstruct("run", "config.yaml", "--run-dir", "new", "-o", "images.0.path=none.jsonl", cwd=finished)
        assert wrong.returncode == 2 and "none.jsonl" in wrong.stderr
        assert len(server.requests) == n_requests

    def test_an_unknown_stage_lists_the_stages(self, finished: Path) -> None:
        wrong = mminstruct("run", "config.yaml", "--from", "answr", cwd=finished)
        assert wrong.returncode == 2 and "'exemplars'" in wrong.stderr

    def test_an_endpoint_that_refuses_is_one_paragraph(self, tmp_path: Path) -> None:
        make_collection(tmp_path)
        with LlmServer() as server:
            server.always = lambda body: status(401, "no such key")
            write_config(tmp_path, server.base_url)
            wrong = mminstruct("run", "config.yaml", cwd=tmp_path)
        assert wrong.returncode == 2
        assert "HTTP 401: no such key" in wrong.stderr and "Traceback" not in wrong.stderr

    def test_ctrl_c_ends_cleanly_and_says_how_to_go_on(self, tmp_path: Path) -> None:
        make_collection(tmp_path)
        with LlmServer(latency_s=0.3) as server:
            write_config(tmp_path, server.base_url)
            command = [sys.executable, "-m", "mminstruct", "run", "config.yaml", "-o", "split.n_instructions=2"]
            process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
            wait_for(lambda: len(server.requests) > 8)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=PATIENCE_S)
            n_requests = len(server.requests)
            assert process.returncode == 130
            assert (
                "Go on with: mminstruct run config.yaml -o split.n_instructions=2" in errors
                and "Traceback" not in errors
            )
            time.sleep(0.5)
            assert len(server.requests) == n_requests
        with ReplyStore(tmp_path / "replies") as store:
            assert len(store) == n_requests == len(server.received)  # those in flight came home

    def test_a_second_ctrl_c_does_not_wait(self, tmp_path: Path) -> None:
        make_collection(tmp_path)
        with LlmServer(latency_s=60) as server:
            write_config(tmp_path, server.base_url)
            command = [sys.executable, "-m", "mminstruct", "run", "config.yaml"]
            process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
            wait_for(lambda: len(server.received) == 8)
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            for line in process.stderr:
                if "waiting for 8 requests in flight" in line:
                    break
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 130 and "Go on with" in errors and "Traceback" not in errors

    def test_a_budget_stops_cleanly_and_a_higher_one_goes_on(self, tmp_path: Path) -> None:
        make_collection(tmp_path)
        with LlmServer() as server:
            write_config(tmp_path, server.base_url, budget="{max_requests: 50}")
            stopped = mminstruct("run", "config.yaml", cwd=tmp_path)
            assert stopped.returncode == 2 and "budget.max_requests is 50" in stopped.stderr
            assert "Traceback" not in stopped.stderr
            assert 50 <= len(server.received) <= 50 + 8
            again = mminstruct("run", "config.yaml", "-o", "budget.max_requests=1000", cwd=tmp_path)
            assert again.returncode == 0
            n_different = len({json.dumps(body, sort_keys=True) for body in server.received})
            assert n_different == len(server.received)  # nothing was paid for twice
        told = mminstruct("status", "run", cwd=tmp_path).stdout
        [total] = [line.split() for line in told.splitlines() if line.startswith("in all")]
        assert total[2] == str(n_different) and total[-1] == "unknown"


class TestReading:
    def test_status_tells_each_stage(self, finished: Path) -> None:
        told = mminstruct("status", "run", cwd=finished)
        assert told.returncode == 0 and "08_benchmark" not in told.stderr
        assert [line.split()[0] for line in told.stdout.splitlines()[1:9]] == [
            "images", "augment", "summarize", "match", "exemplars", "answer", "filter", "split",
        ]  # fmt: skip
        manifest = json.loads(mminstruct("status", "run", "--json", cwd=finished).stdout)
        tokens = manifest["stages"]["answer"]
        expected = (tokens["prompt_tokens"] * 1 + tokens["completion_tokens"] * 2) / 1e6
        assert tokens["cost"] == pytest.approx(expected)

    def test_status_of_what_is_no_run_says_so(self, finished: Path) -> None:
        told = mminstruct("status", "images", cwd=finished)
        assert told.returncode == 2 and "is not a run folder" in told.stderr

    def test_show_tells_a_samples_whole_story(self, finished: Path) -> None:
        sample = next(samples(finished).samples.rows())
        story = json.loads(mminstruct("show", "run", sample.sample_id[:10], "--json", cwd=finished).stdout)
        assert story["id"] == sample.sample_id and "row of 07_samples" in story["became"]
        assert story["image"]["description"] == sample.description
        assert story["instruction"]["members_shown_to_the_model"] and story["instruction"]["seeds_of_those_members"]
        assert story["answer"]["text"] == sample.answer and story["answer"]["exemplars"]
        assert story["answer"]["text_rules"]["refusal"] == "passed"
        assert sample.description in json.dumps(story["request"]["body"]["messages"])
        assert story["request"]["reply"].strip() == sample.answer
        text = mminstruct("show", "run", sample.sample_id, cwd=finished).stdout
        assert sample.instruction in text and "seeds of those members" in text

    def test_show_tells_why_a_row_was_rejected(self, finished: Path) -> None:
        reject = next(samples(finished).samples.rejects())
        story = json.loads(mminstruct("show", "run", reject.row_id, "--json", cwd=finished).stdout)
        assert any(f"rejected by split: {reject.reason}" in line for line in story["became"])

    def test_show_knows_images_and_instructions_too(self, finished: Path) -> None:
        image, instruction = next(samples(finished).images.rows()), next(samples(finished).instructions.rows())
        assert image.description in mminstruct("show", "run", image.image_id, cwd=finished).stdout
        assert instruction.text in mminstruct("show", "run", instruction.instruction_id, cwd=finished).stdout

    @pytest.mark.parametrize(("wanted", "message"), [("zzz", "No row of this run has the id"), ("", "rows have ids")])
    def test_show_of_no_or_many_rows_says_so(self, wanted: str, message: str, finished: Path) -> None:
        told = mminstruct("show", "run", wanted, cwd=finished)
        assert told.returncode == 2 and message in told.stderr


class TestPlan:
    def test_plan_asks_nothing_and_sums_up(self, finished: Path, server: LlmServer) -> None:
        n_requests = len(server.requests)
        told = mminstruct("plan", "config.yaml", "--json", cwd=finished)
        stages = {stage["stage"]: stage for stage in json.loads(told.stdout)}
        assert len(server.requests) == n_requests
        assert stages["images"]["n_rows"] == 16 and stages["augment"]["n_requests"] == 40
        assert stages["answer"]["n_requests"] == stages["match"]["n_rows"] == 48
        assert stages["answer"]["cost"] > 0
        assert "in all" in mminstruct("plan", "config.yaml", cwd=finished).stdout

    def test_a_cost_without_a_price_is_unknown(self, finished: Path) -> None:
        told = mminstruct("plan", "config.yaml", "-o", "llm.price=null", cwd=finished)
        assert told.returncode == 0 and "unknown" in told.stdout


class TestExport:
    def test_llava_json_loads_with_its_images_and_card(self, finished: Path, tmp_path: Path) -> None:
        told = mminstruct("export", "run", "--format", "llava", "--out", str(tmp_path / "data"), cwd=finished)
        assert told.returncode == 0, told.stderr
        rows = json.loads((tmp_path / "data" / "train.json").read_text())
        assert len(rows) == samples(finished).samples.count()
        for row in rows:
            assert (tmp_path / "data" / row["image"]).is_file()
            assert [turn["from"] for turn in row["conversations"]] == ["human", "gpt"]
            assert row["conversations"][0]["value"].startswith("<image>\n")
        card = (tmp_path / "data" / "README.md").read_text()
        assert f"{len(rows)}" in card and card.startswith("---\n")
        assert "127.0.0.1" in card and "secret" not in card

    @pytest.mark.parametrize("name", ["sharegpt", "messages", "openai"])
    def test_every_format_has_its_card(self, finished: Path, tmp_path: Path, name: str) -> None:
        told = mminstruct("export", "run", "--format", name, "--out", str(tmp_path / "data"), cwd=finished)
        assert told.returncode == 0, told.stderr
        n_samples = samples(finished).samples.count()
        assert f"Wrote {n_samples} rows" in told.stdout
        assert len((tmp_path / "data" / "train.jsonl").read_text().splitlines()) == n_samples
        card = (tmp_path / "data" / "README.md").read_text()
        assert "path: train.jsonl" in card and "`train.jsonl` is JSON Lines" in card

    def test_a_mix_is_added_and_what_it_lacks_is_told(self, finished: Path, tmp_path: Path) -> None:
        turns = [{"from": "human", "value": "Do."}, {"from": "gpt", "value": "Done."}]
        rows = [{"id": "a", "conversations": turns}, {"id": "b", "conversations": turns[:1]}]
        (tmp_path / "mix.json").write_text(json.dumps(rows))
        arguments = ("--out", str(tmp_path / "data"), "--mix", str(tmp_path / "mix.json"))
        told = mminstruct("export", "run", *arguments, cwd=finished)
        assert told.returncode == 0, told.stderr
        n_samples = samples(finished).samples.count()
        assert f"Wrote {n_samples + 1} rows" in told.stdout
        assert "Of the mix's 2 rows 1 were added, 1 of them without an image." in told.stdout
        assert "1 turn_order. The first is row 2" in told.stdout
        written = json.loads((tmp_path / "data" / "train.json").read_text())
        assert written[-1] == {"id": "mix-1-a", "conversations": turns}
        assert "1 of the 2 rows of `mix.json`" in (tmp_path / "data" / "README.md").read_text()

    def test_paths_can_be_relative_to_a_root(self, finished: Path, tmp_path: Path) -> None:
        arguments = ("--image-mode", "none", "--image-root", str(finished / "images"))
        told = mminstruct("export", "run", "--out", str(tmp_path / "data"), *arguments, cwd=finished)
        assert told.returncode == 0, told.stderr
        rows = json.loads((tmp_path / "data" / "train.json").read_text())
        assert all((finished / "images" / row["image"]).is_file() for row in rows)

    def test_what_is_there_is_not_overwritten_unasked(self, finished: Path, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("mine")
        told = mminstruct("export", "run", "--out", str(tmp_path), cwd=finished)
        assert told.returncode == 2 and (tmp_path / "notes.txt").read_text() == "mine"

    def test_an_unfinished_run_says_so(self, finished: Path, tmp_path: Path) -> None:
        mminstruct("run", "config.yaml", "--run-dir", str(tmp_path / "r"), "--until", "match", cwd=finished)
        told = mminstruct("export", str(tmp_path / "r"), "--out", str(tmp_path / "data"), cwd=finished)
        assert told.returncode == 2 and "is not finished" in told.stderr


class TestOthers:
    def test_init_writes_a_config_and_never_over_one(self, tmp_path: Path) -> None:
        assert mminstruct("init", "mine.yaml", cwd=tmp_path).returncode == 0
        assert "run_dir:" in (tmp_path / "mine.yaml").read_text()
        again = mminstruct("init", "mine.yaml", cwd=tmp_path)
        assert again.returncode != 0 and "is there already" in again.stderr

    def test_filter_divides_anybodys_rows(self, tmp_path: Path) -> None:
        good = "The old harbour lies quiet in the evening, and the boats rest beside the long wooden pier."
        rows = [
            {"id": "a", "instruction": "Write a caption for the image.", "answer": good},
            {"id": "b", "instruction": "Write a poem.", "answer": "I'm sorry, but I can't help with that request."},
        ]
        (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "not json\n")
        told = mminstruct("filter", "mine.jsonl", "--out", "out", cwd=tmp_path)
        assert told.returncode == 0, told.stderr
        kept = [json.loads(line) for line in (tmp_path / "out" / "kept.jsonl").read_text().splitlines()]
        rejected = [json.loads(line) for line in (tmp_path / "out" / "rejected.jsonl").read_text().splitlines()]
        assert [row["id"] for row in kept] == ["a"] and kept[0] == rows[0]
        assert [row["reason"] for row in rejected] == ["refusal", "invalid_json"]
        assert "3 rows: 1 kept, 2 rejected" in told.stdout and "no description" in told.stdout

    @pytest.mark.parametrize("command", ["run", "demo", "init", "plan", "status", "show", "export", "filter"])
    def test_every_command_has_help(self, command: str, tmp_path: Path) -> None:
        told = mminstruct(command, "--help", cwd=tmp_path)
        assert told.returncode == 0 and told.stdout.startswith(f"Usage: mminstruct {command}")
