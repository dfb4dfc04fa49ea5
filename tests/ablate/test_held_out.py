"""What is tested is not trained on: images by id and by their looks, instructions by text and by meaning."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from mminstruct.ablate.held_out import Gate, open_gate
from mminstruct.bench.folder import Benchmark
from mminstruct.bench.rows import BenchmarkQuestion
from mminstruct.config.encoders import EmbeddedTextEncoder
from mminstruct.encoders.text import load_text_encoder
from mminstruct.imaging import image_hash
from mminstruct.rows import Instruction, Question, Reason, Sample, content_id

POEM = "Write a short poem about the mood of the image."
NEARLY = "Write a short poem about the mood of this image."
"""To the sentence encoder the same at 0.9."""
INSTRUCTIONS = [Instruction("i", POEM, "poetry", [0], ["r1", "r2"], ["r1"], "m", "")]
"""Of the run: the poem, which stands for two raw instructions."""
TRIP = "Plan a weekend trip to the place that is shown."


def picture(path: Path, number: int, quality: int = 90) -> Path:
    """Write a JPEG of smooth random shapes."""
    coarse = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    PIL.Image.fromarray(coarse).resize((96, 72), PIL.Image.Resampling.BICUBIC).save(path, quality=quality)
    return path


def image_id(path: Path) -> str:
    return content_id(image_hash(path.read_bytes()))


def sample(image: Path, instruction: str) -> Sample:
    own = image_id(image)
    rest = ("answer", "test", "poetry", "A place.", 0.5, 96, 72, "m", "")
    return Sample(content_id(own, instruction), own, str(image), content_id(instruction), instruction, *rest)


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    """Return the gate of a run that holds out picture 0 with the poem, and of a benchmark with picture 1."""
    held = picture(tmp_path / "held.jpg", 0)
    question = Question("q", image_id(held), str(held), "i", POEM, "A place.", "poetry", "test", "Ah.")
    benchmark = Benchmark(tmp_path / "bench")
    benchmark.images.mkdir(parents=True)
    picture(benchmark.images / "1.jpg", 1)
    asked = [BenchmarkQuestion("q1", "1.jpg", POEM, "", "poetry"), BenchmarkQuestion("q2", "", POEM, "", "poetry")]
    encoder = load_text_encoder(EmbeddedTextEncoder())
    return open_gate([question], INSTRUCTIONS, benchmark, asked, encoder, similarity=0.9, max_pixels=10**6)


def reasons(gate: Gate, *samples: Sample) -> list[Reason | None]:
    barred = gate.barred(samples)
    return [barred.reason(each) for each in samples]


def test_other_images_and_instructions_stay(gate: Gate, tmp_path: Path) -> None:
    assert reasons(gate, sample(picture(tmp_path / "2.jpg", 2), TRIP)) == [None]


def test_a_held_out_image_goes_whatever_its_instruction(gate: Gate, tmp_path: Path) -> None:
    again = picture(tmp_path / "copy.jpg", 1)
    assert reasons(gate, sample(tmp_path / "held.jpg", TRIP), sample(again, TRIP)) == [Reason.HELD_OUT_IMAGE] * 2


def test_the_same_picture_in_another_file_goes(gate: Gate, tmp_path: Path) -> None:
    anew = [picture(tmp_path / f"anew-{number}.jpg", number, quality=60) for number in (0, 1)]
    assert reasons(gate, *(sample(path, TRIP) for path in anew)) == [Reason.NEAR_DUPLICATE_IMAGE] * 2


def test_a_held_out_instruction_goes_and_so_does_one_that_is_nearly_the_same(gate: Gate, tmp_path: Path) -> None:
    other = picture(tmp_path / "2.jpg", 2)
    assert reasons(gate, sample(other, POEM), sample(other, NEARLY)) == [Reason.HELD_OUT_INSTRUCTION] * 2


def test_an_image_is_opened_once(gate: Gate, tmp_path: Path) -> None:
    found = sample(picture(tmp_path / "2.jpg", 2), TRIP)
    assert reasons(gate, found) == [None]
    (tmp_path / "2.jpg").unlink()
    assert reasons(gate, found, replace(found, instruction=POEM)) == [None, Reason.HELD_OUT_INSTRUCTION]


def test_an_image_that_cannot_be_opened_is_left_to_the_export(gate: Gate, tmp_path: Path) -> None:
    gone = sample(picture(tmp_path / "3.jpg", 3), TRIP)
    (tmp_path / "3.jpg").unlink()
    assert reasons(gate, gone) == [None]


def test_an_instruction_made_of_the_same_raw_ones_goes(gate: Gate, tmp_path: Path) -> None:
    found = sample(picture(tmp_path / "2.jpg", 2), TRIP)

    def reason(*shown: str) -> Reason | None:
        made = Instruction("t", TRIP, "travel", [0], ["r1", "r9"], list(shown), "m", "")
        return gate.barred([found], [made]).reason(found)

    assert reason("r2") == reason("r1", "r9") == Reason.HELD_OUT_INSTRUCTION
    assert reason("r9") is None and reason("r1", "r8", "r9") is None
