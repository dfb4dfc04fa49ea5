"""The data card: its header parses, its counts are those of the run, and no name breaks a table."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from mminstruct.writers.card import CardFacts, StageFacts, render_card, size_category, write_card

FACTS = CardFacts(
    run_name="coco: a first run",
    version="0.1.0",
    sources={"flickr": 34, "coco": 1200},
    n_samples=1234,
    n_images=411,
    n_instructions=37,
    n_held_out=15,
    instruction_lengths=[8, 10, 12],
    answer_lengths=[*range(1, 102)],
    categories={"poetry": 234, "marketing": 1000},
    models={"augment": "small-model", "answer": "open|model"},
    stages=[
        StageFacts("augment", 411, 399, 12, 411, 98_765, 4321),
        StageFacts("match", 411, 1300, 0),
        StageFacts("answer", 1300, 1290, 10, 1300, 1_000_001, 222_222),
    ],
    rejects={"augment": {"near_copy": 12}, "filter": {"refusal": 3, "too_short": 53, "too_long": 0}},
    encoder="all-MiniLM-L6-v2 on descriptions",
    config="run_dir: runs/coco\nseed: 0\n",
)


def header_of(text: str) -> dict[str, Any]:
    _, header, _ = text.split("---\n", 2)
    loaded: dict[str, Any] = yaml.safe_load(header)
    return loaded


def tables_of(text: str) -> list[list[list[str]]]:
    """Return the cells of each Markdown table."""
    tables: list[list[list[str]]] = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            tables[-1].append([cell.strip() for cell in line.replace("\\|", "¦").strip("|").split("|")])
        elif tables[-1]:
            tables.append([])
    return [table for table in tables if table]


class TestHeader:
    def test_it_is_yaml_in_the_hubs_form(self) -> None:
        assert header_of(render_card(FACTS)) == {
            "pretty_name": "coco: a first run",
            "license": "unknown",
            "language": ["en"],
            "task_categories": ["image-text-to-text", "visual-question-answering"],
            "size_categories": ["1K<n<10K"],
            "tags": ["image", "instruction-tuning", "synthetic", "llava", "mminstruct"],
            "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "train.json"}]}],
        }

    def test_a_licence_of_ones_own(self) -> None:
        facts = replace(FACTS, license="other", license_name="house-licence", license_link="LICENSE")
        header = header_of(render_card(facts))
        assert (header["license"], header["license_name"], header["license_link"]) == (
            "other", "house-licence", "LICENSE",
        )  # fmt: skip

    @pytest.mark.parametrize("name", ["- [x]: {y}", "null", "# not a comment", "quotes \" and '", "---", "日本語 & é"])
    def test_no_run_name_breaks_it(self, name: str) -> None:
        assert header_of(render_card(replace(FACTS, run_name=name)))["pretty_name"] == name

    @pytest.mark.parametrize(
        ("n_samples", "expected"),
        [(1, "n<1K"), (9_999, "1K<n<10K"), (10_000, "10K<n<100K"), (234_000, "100K<n<1M"), (10_000_000, "n>10M")],
    )
    def test_size_categories(self, n_samples: int, expected: str) -> None:
        assert size_category(n_samples) == expected


class TestBody:
    def test_the_tables_hold_the_runs_counts(self) -> None:
        counts, stages, sources, lengths, categories, rejects = tables_of(render_card(FACTS))
        assert [row[1] for row in counts[2:]] == ["1,234", "411", "37", "15"]
        assert stages[2:] == [
            ["augment", "small-model", "411", "399", "12", "411", "98,765", "4,321"],
            ["match", "–", "411", "1,300", "0", "0", "0", "0"],
            ["answer", "open¦model", "1,300", "1,290", "10", "1,300", "1,000,001", "222,222"],
        ]
        assert sources[2:] == [["coco", "1,200"], ["flickr", "34"]]
        assert lengths[2:] == [
            ["instruction", "10.0", "8", "8", "9", "10", "11", "12", "12"],
            ["answer", "51.0", "1", "6", "26", "51", "76", "96", "101"],
        ]
        assert categories[2:] == [["marketing", "1,000"], ["poetry", "234"]]
        assert rejects[2:] == [
            ["augment", "near_copy", "12"], ["filter", "too_short", "53"], ["filter", "refusal", "3"],
        ]  # fmt: skip

    def test_every_table_is_of_one_width(self) -> None:
        facts = replace(FACTS, sources={"a|b\nc": 1, "": 2}, categories={}, instruction_lengths=[], answer_lengths=[])
        for table in tables_of(render_card(facts)):
            assert len({len(row) for row in table}) == 1, table

    def test_it_says_what_to_know(self) -> None:
        text = render_card(replace(FACTS, notes=["The texts are a small model's."]))
        assert "written by a language model from **descriptions** of the images, not from their pixels" in text
        assert "The images keep the licences of their sources" in text
        assert "arXiv preprint arXiv:2406.19736" in text
        assert "all-MiniLM-L6-v2 on descriptions" in text
        assert "- The texts are a small model's.\n" in text

    def test_nothing_dropped_is_said_so(self) -> None:
        assert "No row was dropped." in render_card(replace(FACTS, rejects={"filter": {"refusal": 0}}))

    def test_the_config_is_there_whole_even_with_fences_in_it(self) -> None:
        text = render_card(replace(FACTS, config="a: |\n  ```\n  b\n  ```\n"))
        assert text.endswith("````yaml\na: |\n  ```\n  b\n  ```\n````\n")


def test_it_is_written_as_readme(tmp_path: Path) -> None:
    path = write_card(FACTS, tmp_path)
    assert path == tmp_path / "README.md"
    assert path.read_text(encoding="utf-8") == render_card(FACTS)
