"""Seed files in their three forms, and what is said about a wrong one."""

from pathlib import Path

import pytest

from mminstruct.errors import ConfigError
from mminstruct.readers.seeds import load_seeds
from mminstruct.rows import Seed

HAIKU = Seed("Write a haiku.", "poetry")


def test_the_shipped_seeds() -> None:
    seeds = load_seeds()
    assert len(seeds) >= 40
    assert len({seed.category for seed in seeds}) >= 15


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("s.yaml", "- {instruction: Write a haiku., category: poetry}\n- Go.\n", [HAIKU, Seed("Go.", "other")]),
        ("s.YML", "- instruction: Write a haiku.\n  category: poetry\n", [HAIKU]),
        (
            "s.jsonl",
            '{"instruction": "Write a haiku.", "category": "poetry"}\n\n"Go."\n',
            [HAIKU, Seed("Go.", "other")],
        ),
        ("s.txt", "# mine\nWrite a  haiku.\r\n\nGo.\n", [Seed("Write a haiku.", "other"), Seed("Go.", "other")]),
        ("s.txt", "\ufeffGo.", [Seed("Go.", "other")]),
    ],
)
def test_forms(tmp_path: Path, name: str, text: str, expected: list[Seed]) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    assert load_seeds(tmp_path / name) == expected


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("s.yaml", "- Go.\n- {text: Go.}\n", "line 2: unknown key text"),
        ("s.yaml", "- Go.\n- 3\n", "line 2: found 3"),
        ("s.yaml", "instruction: Go.\n", "line 1: found no list"),
        ("s.yaml", "- [\n", "not YAML"),
        ("s.yaml", "", "found no seed instructions"),
        ("s.jsonl", '"Go."\n{"instruction": \n', "line 2: not JSON"),
        ("s.jsonl", '{"instruction": "  "}', "line 1: found"),
        ("s.jsonl", '{"instruction": "Go.", "category": 3}', "line 1: found"),
        ("s.txt", "Go.\n\nGo.\n", "line 3: this seed came before"),
        ("s.txt", "# nothing\n", "found no seed instructions"),
    ],
)
def test_faults(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_seeds(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert said in str(caught.value)


def test_unreadable(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_seeds(tmp_path / "gone.txt")
    (tmp_path / "latin.txt").write_bytes(b"\xe9")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_seeds(tmp_path / "latin.txt")
