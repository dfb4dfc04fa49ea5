import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mminstruct.encoders.vectors import VectorFile
from mminstruct.errors import StoreError
from support.patience import PATIENCE_S

WIDTH = 24
WRITER = """
import sys, numpy as np
from pathlib import Path
from mminstruct.encoders.vectors import VectorFile
path, start, n = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
file = VectorFile(path)
for first in range(start, start + n, 10):
    numbers = range(first, first + 10)
    keys = [number.to_bytes(16, "big") for number in numbers]
    file.add(keys, np.array([[number] * 24 for number in numbers], np.float32))
    print(first, flush=True)
"""


def keys(*numbers: int) -> list[bytes]:
    return [number.to_bytes(16, "big") for number in numbers]


def rows(*numbers: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.random.default_rng(numbers).standard_normal((len(numbers), WIDTH)).astype(np.float32)


class TestVectorFile:
    def test_gives_back_every_bit(self, tmp_path: Path) -> None:
        vectors = rows(*range(5000))
        vectors[0, :3] = np.nan, np.inf, -0.0
        VectorFile(tmp_path / "deep" / "v.sqlite").add(keys(*range(5000)), vectors)
        found, missing = VectorFile(tmp_path / "deep" / "v.sqlite").read(keys(*range(5000)), WIDTH)
        assert missing == []
        assert found.tobytes() == vectors.tobytes()

    def test_names_what_is_missing_and_keeps_the_order(self, tmp_path: Path) -> None:
        file = VectorFile(tmp_path / "v.sqlite")
        vectors = rows(1, 2, 3)
        file.add(keys(1, 2, 3), vectors)
        found, missing = file.read(keys(3, 9, 1, 3, 8), WIDTH)
        assert missing == [1, 4]
        assert np.array_equal(found[[0, 2, 3]], vectors[[2, 0, 2]])
        assert file.read([], WIDTH)[0].shape == (0, WIDTH)

    def test_what_came_first_stays(self, tmp_path: Path) -> None:
        file = VectorFile(tmp_path / "v.sqlite")
        first, second = rows(1), rows(2)
        file.add(keys(1), first)
        file.add(keys(1), second)
        assert file.count() == 1
        assert np.array_equal(file.read(keys(1), WIDTH)[0], first)

    def test_several_processes_write_at_a_time(self, tmp_path: Path) -> None:
        path = tmp_path / "v.sqlite"  # which they make at once, too
        commands = [[sys.executable, "-c", WRITER, str(path), str(start), "500"] for start in (0, 250, 1000)]
        processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands]
        assert [process.wait(PATIENCE_S) for process in processes] == [0, 0, 0]
        expected = [*range(750), *range(1000, 1500)]
        found, missing = VectorFile(path).read(keys(*expected), WIDTH)
        assert missing == []
        assert np.array_equal(found[:, 0], expected)

    def test_a_killed_process_leaves_whole_blocks(self, tmp_path: Path) -> None:
        path = tmp_path / "v.sqlite"
        command = [sys.executable, "-c", WRITER, str(path), "0", "10000000"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            told = [int(process.stdout.readline()) for _ in range(50)][-1]
            process.kill()
        file = VectorFile(path)
        n_vectors = file.count()
        assert n_vectors >= told + 10
        assert n_vectors % 10 == 0
        found, missing = file.read(keys(*range(n_vectors)), WIDTH)
        assert missing == []
        assert np.array_equal(found[:, -1], np.arange(n_vectors))
        check = sqlite3.connect(path)
        assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        check.close()

    def test_a_failed_block_leaves_nothing_of_itself(self, tmp_path: Path) -> None:
        file = VectorFile(tmp_path / "v.sqlite")
        with pytest.raises(ValueError, match="zip"):
            file.add(keys(1, 2), rows(1))
        assert file.count() == 0
        file.add(keys(1, 2), rows(1, 2))
        assert file.count() == 2


class TestErrors:
    def test_a_file_that_is_something_else(self, tmp_path: Path) -> None:
        (tmp_path / "v.sqlite").write_bytes(b"no database" * 1000)
        with pytest.raises(StoreError, match=r"v\.sqlite cannot be opened: .* you may as well delete it"):
            VectorFile(tmp_path / "v.sqlite")

    def test_a_folder_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(StoreError, match="cannot be opened"):
            VectorFile(tmp_path / "file" / "v.sqlite")

    def test_vectors_of_another_width(self, tmp_path: Path) -> None:
        file = VectorFile(tmp_path / "v.sqlite")
        file.add(keys(1), rows(1))
        with pytest.raises(StoreError, match="is damaged: found a vector that has not 25 numbers"):
            file.read(keys(1), 25)

    def test_a_file_that_lost_its_table(self, tmp_path: Path) -> None:
        file = VectorFile(tmp_path / "v.sqlite")
        other = sqlite3.connect(tmp_path / "v.sqlite")
        other.execute("DROP TABLE vectors")
        other.close()
        with pytest.raises(StoreError, match="cannot be read"):
            file.read(keys(1), WIDTH)
        with pytest.raises(StoreError, match="cannot be written"):
            file.add(keys(1), rows(1))
