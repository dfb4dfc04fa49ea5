"""A run on an object store, looked at as any other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("moto")

from mminstruct.pipeline.tables import Folder
from mminstruct.web.explore.filters import read_filters
from mminstruct.web.explore.items import items_of
from mminstruct.web.explore.library import RunExplorer
from mminstruct.web.explore.runners_up import RunnersUp
from mminstruct.web.explore.sample import whole_story
from support.explored_run import N_IMAGES, ROWS
from support.object_store import BUCKET, object_store


@pytest.fixture
def remote(explored_run: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with object_store() as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        folder = Folder(f"s3://{BUCKET}/run")
        for file in [*explored_run.glob("0*/**/*.parquet"), *explored_run.glob("*.*")]:
            if file.is_file():
                folder.write(str(file.relative_to(explored_run)), file.read_bytes())
        yield folder.location


def test_its_rows_texts_and_stories_are_there_and_new_parts_appear(remote: str) -> None:
    with closing(RunExplorer(remote)) as explorer:
        assert explorer.about()["n_items"] == 2 * N_IMAGES + 1 and not explorer.about()["writable"]
        total, numbers = explorer.query.page_of(read_filters([("q", "zeppelin")]), "order", 0, 9)
        (item,) = items_of(explorer, numbers)
        assert total == 1 and item["id"] == ROWS[14].row_id and "zeppelin" in item["answer"]
        assert whole_story(explorer, RunnersUp(explorer), item["id"])["image"]["description"].startswith("Picture 7")
        explorer.tables.samples.write_part(0, [])
        explorer.refresh_now()
        assert explorer.query.page_of(read_filters([("status", "kept")]), "order", 0, 9)[0] == 0
        copies = Path(explorer.parts.path("06_answers", 0))
        assert copies.is_file()
    assert not copies.exists()
