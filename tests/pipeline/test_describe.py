"""Whole runs with the stage describe, against a real HTTP server that is sent real images."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import PIL.Image
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from mminstruct import STAGES
from mminstruct.config.file import load_config
from mminstruct.errors import ConfigError, EndpointError
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.pipeline.export import export_run
from mminstruct.pipeline.manifest import Manifest
from mminstruct.pipeline.plan import make_plan
from mminstruct.pipeline.progress import Silent
from mminstruct.pipeline.run import run_steps
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.steps import STEPS
from mminstruct.pipeline.story import tell_story
from mminstruct.pipeline.tables import Folder
from mminstruct.rows import Image, Reason
from support.collection import make_collection, write_config
from support.llm_server import Body, LlmServer, plausible_reply, status

N_IMAGES = 12
N_SHORT = 5  # of which the last two have no caption at all
MAX_SIDE = 48
SHORT = f"{{when: short, max_side: {MAX_SIDE}}}"


@pytest.fixture
def server() -> Iterator[LlmServer]:
    with LlmServer() as server:
        yield server


@pytest.fixture
def config_file(tmp_path: Path, server: LlmServer) -> Path:
    captions = make_collection(tmp_path, N_IMAGES)
    lines = [json.loads(line) for line in captions.read_text().splitlines()]
    for line, caption in zip(lines, ["A ship.", "A red door.", "Two cats.", "", None], strict=False):
        line["caption"] = caption
    for line in lines:
        enlarge(tmp_path / "images" / line["image"])
    captions.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return write_config(tmp_path, server.base_url, describe=SHORT)


def enlarge(path: Path) -> None:
    with PIL.Image.open(path) as image:
        image.resize((160, 120)).save(path)


def run(config_file: Path, *overrides: str, last: str | None = None) -> Manifest:
    return asyncio.run(run_steps(load_config(config_file, overrides), STEPS, Silent(), last=last))


def tables(config_file: Path) -> Tables:
    return Tables(Folder(str(config_file.parent / "run")), with_described=True)


def described(config_file: Path) -> dict[str, Image]:
    return {image.source_id: image for image in tables(config_file).described.rows()}


def all_rows(config_file: Path) -> list[object]:
    return [row for table in tables(config_file).all() for row in (*table.rows(), *table.rejects())]


def with_pictures(server: LlmServer) -> list[Body]:
    return [body for body in server.requests if isinstance(body["messages"][-1]["content"], list)]


def text_of(body: Body) -> str:
    return str(body["messages"][-1]["content"][-1]["text"])


def picture_of(body: Body) -> PIL.Image.Image:
    first = body["messages"][-1]["content"][0]
    assert first["type"] == "image_url"
    head, data = first["image_url"]["url"].split(",", 1)
    assert head == "data:image/jpeg;base64"
    image = PIL.Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
    image.load()
    assert image.format == "JPEG"
    return image


def last_turn(body: Body) -> object:
    return body["messages"][-1]["content"]


class TestShort:
    def test_what_says_too_little_is_described_and_the_rest_stays(self, config_file: Path, server: LlmServer) -> None:
        manifest = run(config_file)
        assert tuple(manifest.stages) == STAGES
        record = manifest.stages["describe"]
        assert (record.n_in, record.n_out, record.requests, record.model) == (N_IMAGES, N_IMAGES, N_SHORT, "m")
        assert record.notes == ["5 of 12 descriptions are by m"]
        for number, image in described(config_file).items():
            written = int(number) < N_SHORT
            assert image.described_by == ("m" if written else "") and bool(image.request_id) is written
            assert image.description.startswith("A photograph of ") is written
            assert image.check_id == ""
        asked = with_pictures(server)
        assert sum("<caption>" in text_of(body) for body in asked) == N_SHORT - 2
        assert len(asked) == N_SHORT
        assert [picture_of(body).size for body in asked] == [(MAX_SIDE, 36)] * N_SHORT

    def test_later_stages_rest_on_the_new_descriptions(self, config_file: Path, server: LlmServer) -> None:
        run(config_file)
        images = {image.image_id: image for image in described(config_file).values()}
        written = {image.description for image in images.values() if image.described_by}
        samples = list(tables(config_file).samples.rows())
        assert all(sample.description == images[sample.image_id].description for sample in samples)
        assert written & {sample.description for sample in samples}
        answers = [turn for body in server.requests if isinstance(turn := last_turn(body), str)]
        assert any(description in text for description in written for text in answers)
        assert not any("Two cats." in text for text in answers)

    def test_parts_speak_of_the_same_images(self, config_file: Path) -> None:
        run(config_file, last="describe")
        found = tables(config_file)
        assert found.described.parts() == found.images.parts() == [0, 1, 2]
        for index in found.images.parts():
            assert [image.image_id for image in found.described.read_part(index)] == [
                image.image_id for image in found.images.read_part(index)
            ]

    def test_the_store_keeps_references_and_no_pictures(self, config_file: Path) -> None:
        run(config_file, last="describe")
        with ReplyStore(config_file.parent / "replies") as store:
            for image in described(config_file).values():
                if image.request_id:
                    body = json.dumps(store.request_body(image.request_id))
                    assert f"image:{image.content_hash}?max_side={MAX_SIDE}" in body and "base64" not in body

    def test_moving_the_images_asks_nothing_anew(self, config_file: Path, server: LlmServer) -> None:
        run(config_file)
        before, n_requests = described(config_file), len(server.requests)
        (config_file.parent / "images").rename(config_file.parent / "elsewhere")
        run(config_file, f"images.0.image_root={config_file.parent}/elsewhere")
        after = described(config_file)
        assert len(server.requests) == n_requests
        assert {image.path for image in after.values()}.isdisjoint(image.path for image in before.values())
        assert [image.description for image in after.values()] == [image.description for image in before.values()]

    @pytest.mark.parametrize(
        ("override", "n_more"),
        [
            ("describe.max_side=32", N_SHORT),
            ("describe.max_tokens=300", N_SHORT),
            ("describe.min_words=1000", N_IMAGES - N_SHORT),
            ("describe.check=true", N_IMAGES),
            ("describe.when=always", N_IMAGES - N_SHORT),
            ("describe.llm={concurrency: 3}", 0),
        ],
    )
    def test_a_change_asks_for_what_it_changes_and_no_more(
        self, override: str, n_more: int, config_file: Path, server: LlmServer
    ) -> None:
        run(config_file, last="describe")
        n_requests = len(server.requests)
        run(config_file, override, last="describe")
        assert len(server.requests) == n_requests + n_more

    def test_a_run_that_was_stopped_goes_on_without_asking_twice(self, config_file: Path, server: LlmServer) -> None:
        run(config_file, f"run_dir={config_file.parent}/whole", f"replies={config_file.parent}/whole")
        expected = list(Tables(Folder(str(config_file.parent / "whole"))).described.rows())
        server.requests.clear()
        server.always = lambda body: status(401, "key expired") if len(with_pictures(server)) > 2 else None
        with pytest.raises(EndpointError, match="key expired"):
            run(config_file, "llm.concurrency=1")
        server.always = lambda body: None
        run(config_file, "llm.concurrency=1", last="describe")
        assert list(tables(config_file).described.rows()) == expected
        assert len(with_pictures(server)) == N_SHORT

    def test_an_image_that_is_gone_is_a_reject_and_the_run_goes_on(self, config_file: Path) -> None:
        run(config_file, last="images")
        (config_file.parent / "images" / "1.jpg").unlink()
        manifest = run(config_file)
        (reject,) = tables(config_file).described.rejects()
        assert (reject.reason, reject.stage) == (Reason.MISSING_IMAGE, "describe") and "1.jpg" in reject.detail
        assert manifest.stages["split"].status == "done"


class TestSources:
    def test_images_without_captions_make_a_whole_run(self, config_file: Path, server: LlmServer) -> None:
        source = f"[{{format: folder, path: {config_file.parent / 'images'}, name: bare}}]"
        manifest = run(config_file, f"images={source}", "split.n_instructions=0")
        assert manifest.stages["images"].n_rejected == 0 and manifest.stages["describe"].requests == N_IMAGES
        assert {sample.source for sample in tables(config_file).samples.rows()} == {"bare"}

    @pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
    def test_a_table_without_a_column_of_captions(self, kind: str, config_file: Path, server: LlmServer) -> None:
        rows = pa.table({"image": ["0.jpg", "1.jpg"], "id": ["a", "b"]})
        path = config_file.parent / f"bare.{kind}"
        if kind == "jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows.to_pylist()))
        else:
            (pa.csv.write_csv if kind == "csv" else pa.parquet.write_table)(rows, path)
        more = f"format: {kind}, path: {path}, image_root: {config_file.parent}/images, id_column: id"
        run(config_file, f"images=[{{{more}, caption_column: null}}]", last="describe")
        assert [image.source_id for image in described(config_file).values() if image.described_by] == ["a", "b"]

    def test_without_the_stage_they_are_rejected_as_ever(self, config_file: Path) -> None:
        manifest = run(config_file, "describe.when=never", last="images")
        assert manifest.stages["images"].rejects == {"missing_caption": 1, "empty_caption": 1}
        manifest = run(config_file, "describe={when: never, check: true}", last="images")
        assert manifest.stages["images"].n_rejected == 2

    def test_images_inside_a_tar(self, config_file: Path, server: LlmServer) -> None:
        with tarfile.open(config_file.parent / "0.tar", "w") as tar:
            tar.add(config_file.parent / "images" / "3.jpg", "a/003.jpg")
        run(config_file, f"images=[{{format: webdataset, path: {config_file.parent}/0.tar}}]", last="describe")
        (image,) = described(config_file).values()
        assert image.path.endswith("0.tar::a/003.jpg") and image.described_by == "m"
        (body,) = with_pictures(server)
        assert picture_of(body).size == (MAX_SIDE, 36)


class TestCheck:
    def test_what_the_image_does_not_show_leaves_the_run(self, config_file: Path, server: LlmServer) -> None:
        server._reply = lambda body: (
            '{"supported": false, "unsupported": ["a violin"]}'
            if is_check(body) and "A photograph of" in text_of(body)
            else plausible_reply(body)
        )
        manifest = run(config_file, "describe.check=true", last="describe")
        assert manifest.stages["describe"].rejects == {Reason.UNSUPPORTED_DESCRIPTION: N_SHORT}
        assert len(with_pictures(server)) == N_SHORT + N_IMAGES
        for reject in tables(config_file).described.rejects():
            assert reject.raw_text.startswith("A photograph of ") and "'a violin'" in reject.detail
        assert all(image.check_id for image in described(config_file).values())

    def test_a_check_that_is_nonsense_to_the_end_is_a_reject_with_its_text(
        self, config_file: Path, server: LlmServer
    ) -> None:
        server._reply = lambda body: "Lovely picture!" if is_check(body) and _odd(body) else plausible_reply(body)
        write_few(config_file)
        overrides = ("describe={check: true, n_asks: 3}", f"images.0.path={config_file.parent}/few.jsonl")
        manifest = run(config_file, *overrides, last="describe")
        (reject,) = tables(config_file).described.rejects()
        assert (reject.reason, reject.raw_text) == (Reason.UNREADABLE_REPLY, "Lovely picture!")
        assert manifest.stages["describe"].requests == 3 + 1  # the other image's check was readable at once

    def test_an_endpoint_without_response_format_is_asked_in_words(self, config_file: Path, server: LlmServer) -> None:
        server.always = lambda body: (
            status(400, "response_format is not supported by this model") if "response_format" in body else None
        )
        manifest = run(config_file, "describe.check=true", last="describe")
        assert manifest.stages["describe"].n_rejected == 0
        checks = [text_of(body) for body in with_pictures(server) if is_check(body)]
        assert len(checks) == N_IMAGES and all("Reply with one JSON object" in text for text in checks)


def is_check(body: Body) -> bool:
    return isinstance(last_turn(body), list) and "Which statements" in text_of(body)


def _odd(body: Body) -> bool:
    return "odd one out" in text_of(body)


def write_few(config_file: Path) -> None:
    captions = ["The odd one out in a row of boats.", "A boat like all the others."]
    lines = [{"id": str(n), "image": f"{n}.jpg", "caption": caption} for n, caption in enumerate(captions)]
    (config_file.parent / "few.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


class TestOnAndOff:
    def test_without_the_stage_there_is_no_trace_of_it(self, config_file: Path, server: LlmServer) -> None:
        manifest = run(config_file, "describe.when=never")
        assert "describe" not in manifest.stages and not with_pictures(server)
        assert not (config_file.parent / "run" / "01_described").exists()
        assert "describe" not in [stage.stage for stage in make_plan(load_config(config_file, ["describe.when=never"]))]

    def test_switched_off_and_on_again_it_is_made_from_the_replies(self, config_file: Path, server: LlmServer) -> None:
        run(config_file)
        rows, n_asked = all_rows(config_file), len(server.requests)
        run(config_file, "describe.when=never")
        assert not (config_file.parent / "run" / "01_described").exists()
        assert not any(sample.description.startswith("A photograph") for sample in tables(config_file).samples.rows())
        n_between = len(server.requests)
        manifest = run(config_file)
        assert n_asked < n_between == len(server.requests)
        assert all_rows(config_file) == rows and tuple(manifest.stages) == STAGES

    @pytest.mark.parametrize(
        ("overrides", "message"),
        [
            (["llm={kind: embedded}"], "describe: the embedded model cannot see images"),
            (["describe.llm={kind: embedded}"], "describe: the embedded model cannot see images"),
            (["describe.llm={kind: http, model: v}", "llm={kind: embedded}"], "`base_url` must be set for describe"),
            (["budget.max_cost=1"], "needs `price` in the `llm` of describe, augment"),
        ],
    )
    def test_a_model_that_will_not_do_is_a_fault_of_the_config(
        self, overrides: list[str], message: str, config_file: Path
    ) -> None:
        with pytest.raises(ConfigError, match=message):
            load_config(config_file, overrides)

    def test_switched_off_its_model_does_not_matter(self, config_file: Path) -> None:
        load_config(config_file, ["describe={when: never}", "llm={kind: embedded}", "budget.max_cost=1"])

    @pytest.mark.parametrize("key", ["prompt", "check_prompt"])
    def test_a_prompt_that_cannot_show_an_image_stops_the_run_before_it_asks(
        self, key: str, config_file: Path, server: LlmServer
    ) -> None:
        (config_file.parent / "mine.j2").write_text("---\nform: completion\n---\nThis image shows")
        with pytest.raises(ConfigError, match="cannot show the model an image"):
            run(config_file, f"describe.{key}={config_file.parent}/mine.j2")
        assert server.n_received == 0


class TestTold:
    def test_show_tells_what_was_asked_about_an_image(self, config_file: Path) -> None:
        run(config_file, "describe.check=true", last="describe")
        run_dir = str(config_file.parent / "run")
        for image in described(config_file).values():
            story = tell_story(run_dir, image.image_id)
            assert story["image"]["description"] == image.description
            assert story["became"] == ["row of 01_images", "row of 01_described"]
            assert "supported" in story["description_check"]["reply"]
            assert ("description_request" in story) is bool(image.described_by)
            if image.described_by:
                assert story["description_request"]["reply"] == image.description
                assert image.content_hash in json.dumps(story["description_request"]["body"])

    def test_show_tells_why_an_image_was_rejected(self, config_file: Path, server: LlmServer) -> None:
        server._reply = lambda body: "" if "Two cats." in str(last_turn(body)) else plausible_reply(body)
        run(config_file, last="describe")
        (reject,) = tables(config_file).described.rejects()
        story = tell_story(str(config_file.parent / "run"), reject.row_id)
        assert story["became"][1].startswith("rejected by describe: empty_description")
        assert story["image"]["source_id"] == "2"
        assert "Two cats." in json.dumps(story["request"]["body"])

    def test_the_plan_counts_what_is_described_and_what_is_checked(self, config_file: Path) -> None:
        def planned(*overrides: str) -> tuple[int, int, int]:
            (stage,) = (s for s in make_plan(load_config(config_file, overrides)) if s.stage == "describe")
            return stage.n_rows, stage.n_requests, stage.prompt_tokens

        n_rows, n_requests, n_tokens = planned()
        assert (n_rows, n_requests) == (N_IMAGES, N_SHORT)
        assert planned("describe.check=true")[1] == N_SHORT + N_IMAGES
        assert planned("describe.max_side=1024")[2] > n_tokens + N_SHORT * 900

    def test_the_card_says_who_described(self, config_file: Path) -> None:
        run(config_file)
        export_run(str(config_file.parent / "run"), config_file.parent / "out")
        card = (config_file.parent / "out" / "README.md").read_text()
        assert "| describe | m | 12 | 12 |" in card and "5 of 12 descriptions are by m" in card
