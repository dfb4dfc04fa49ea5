"""Maps on disk: read where nothing has changed, made anew where something has, whole whatever happens."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.story import open_run
from mminstruct.rows import RawInstruction
from mminstruct.web.maps import kept
from mminstruct.web.maps.instruction_map import InstructionMap
from mminstruct.web.maps.kept import kept_image_points, kept_instruction_map
from mminstruct.web.maps.sample_map import ImagePoints
from mminstruct.web.own_folder import OwnFolder

_WRITER = """
import sys
import numpy as np
import pyarrow as pa
from mminstruct.web.own_folder import OwnFolder
from mminstruct.web.maps.kept import _keep
own, xy = OwnFolder(sys.argv[1]), np.zeros((200_000, 2), np.float32)
ids = pa.array([f"{number:016x}" for number in range(len(xy))])
print("ready", flush=True)
while True:
    _keep(own, "image_map", sys.argv[2], xy, {"image_id": ids})
"""


def instructions(run: Path) -> InstructionMap:
    config, folder = open_run(str(run))
    return kept_instruction_map(OwnFolder(str(run)), config, folder, Tables(folder), lambda share: None)


def images(run: Path) -> ImagePoints:
    config, folder = open_run(str(run))
    return kept_image_points(OwnFolder(str(run)), config, folder, Tables(folder), lambda share: None)


@pytest.fixture
def n_made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by a name with each map that is really made."""
    made: list[str] = []

    def counted(name: str, make: Callable[..., object]) -> Callable[..., object]:
        def make_counted(*values: object, **named: object) -> object:
            made.append(name)
            return make(*values, **named)

        return make_counted

    for name in ("instruction_map", "image_points"):
        monkeypatch.setattr(kept, name, counted(name, getattr(kept, name)))
    return made


def test_a_map_is_made_once(run: Path, n_made: list[str]) -> None:
    first, again = instructions(run), instructions(run)
    assert n_made == ["instruction_map"]
    assert (first.xy == again.xy).all()
    assert first.xy.dtype == again.xy.dtype == np.float32
    assert (first.text, first.cluster, first.became) == (again.text, again.cluster, again.became)
    assert images(run).image_ids == images(run).image_ids
    assert n_made == ["instruction_map", "image_points"]


def test_it_is_made_anew_where_the_tables_have_changed(run: Path, n_made: list[str]) -> None:
    assert "new" not in instructions(run).ids
    _, folder = open_run(str(run))
    Tables(folder).raw_instructions.write_part(1, [RawInstruction("new", "Paint a boat.", "image", [], "m", "r")])
    assert "new" in instructions(run).ids
    images(run)
    images(run)
    assert n_made == ["instruction_map", "instruction_map", "image_points"]


def test_it_is_made_anew_where_the_settings_have_changed(run: Path, n_made: list[str]) -> None:
    images(run)
    with (run / "config.yaml").open("a") as file:
        file.write("seed: 5\n")
    images(run)
    assert len(n_made) == 2


@pytest.mark.parametrize("content", [b"", b"PAR1 is how it begins", None])
def test_a_damaged_file_is_made_anew(run: Path, n_made: list[str], content: bytes | None) -> None:
    images(run)
    file = run / "explore" / "image_map.parquet"
    file.write_bytes(file.read_bytes()[:-10] if content is None else content)
    assert len(images(run).image_ids) == 40
    assert len(images(run).image_ids) == 40
    assert len(n_made) == 2


def test_where_the_run_cannot_be_written_it_is_kept_as_long_as_the_explorer_runs(run: Path, n_made: list[str]) -> None:
    (run / "explore").write_text("a file stands where the folder would be")
    config, folder = open_run(str(run))
    own = OwnFolder(str(run))
    assert not own.is_kept
    for _ in range(2):
        kept_image_points(own, config, folder, Tables(folder), lambda share: None)
    assert n_made == ["image_points"]
    own.close()


def test_who_is_killed_while_writing_leaves_a_whole_file(tmp_path: Path) -> None:
    """Two processes write the same map over and over, and are killed in the middle of it."""
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path), state], stdout=subprocess.PIPE)
        for state in ("one", "other")
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
        file = tmp_path / "explore" / "image_map.parquet"
        while not file.exists():
            time.sleep(0.01)
        for writer in writers:
            for _ in range(20):
                assert pq.read_table(file).num_rows == 200_000
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            found = pq.read_table(file)
            assert found.num_rows == 200_000
            assert found.schema.metadata[b"state"] in (b"one", b"other")
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
            if writer.stdout:
                writer.stdout.close()
