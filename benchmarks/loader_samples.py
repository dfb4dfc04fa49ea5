"""Rows that are hard on loaders, for trainer_loaders.py: samples over images of one colour each, and a mix.

Told is what the export of a row has to say: written out here, not taken from the writers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from mminstruct.rows import Sample, content_id

# Name, instruction, answer.
TEXTS = (
    ("plain", "Write a slogan for the image.", "Ride on!"),
    ("lines", "Plan a day:\n\n1. Morning\n2. Evening", "1. **Morning**\n   - coffee\n\n2. Evening\n\n\n\tsleep"),
    ("code", "Draw it in Python.", '```python\nfor i in range(3):\n    print(f"{i}\\n")  # \\t "x"\n```\nDone.'),
    ("unicode", "描述这张图片。Naïve café — “déjà vu”?", "早安! مرحبا 👩‍👩‍👧 e\u0301 \u00a0 Ω≈ç √ ½"),
    ("marks", "What does <image> do in HTML, and </s>?", "Write <image> or <img>; <s>struck</s> is struck."),
    ("media", "Is there a <video> tag? And <audio>?", "Both: <video src='a'> and <audio>."),
    ("quotes", 'Say "hi" with \\ and /.', '{"a": [1, 2], \'b\': "\\u0041"} <b>&amp;</b> {{ x }} {% y %}'),
    ("long", "Tell a long story. " * 20, "Once upon a time there was a red motorcycle. " * 60),
    ("one word", "Yes or no?", "No"),
    ("speakers", "Write a dialogue.", "USER: who is there?\nASSISTANT: it is me."),
    ("speaker", "Who are you in a chat?", "I am the ASSISTANT: ask me."),
    ("numbers", "How many?", "1,024 = 2^10; 3.14; 50%."),
)
SPACED = {"<image>": "< image >", "</s>": "< /s >", "<s>": "< s >", "<video>": "< video >", "<audio>": "< audio >"}
MIX: tuple[tuple[str, tuple[tuple[str, str], ...], bool], ...] = (  # name, turns, whether it has an image
    ("text alone", (("human", "Name a colour."), ("gpt", "Red.\nOr blue.")), False),
    (
        "three exchanges",
        (
            ("human", "What is it?\n<image>"),
            ("gpt", "A square."),
            ("human", "Of what colour?"),
            ("gpt", "Look at it:\n早安"),
            ("human", "Thanks."),
            ("gpt", "You are welcome."),
        ),
        True,
    ),
    ("system", (("system", "Be brief."), ("human", "<image>\nWhat is it?"), ("gpt", "A tile.")), True),
)
MIX_SIZE = len(MIX)


@dataclass(frozen=True)
class Told:
    """What a row says: its turns, signs spaced out, and its images' colours."""

    name: str
    turns: tuple[tuple[str, str], ...]
    colours: tuple[tuple[int, int, int], ...]

    @property
    def answers(self) -> list[str]:
        """What the loss has to fall on."""
        return [text for speaker, text in self.turns if speaker == "gpt"]


def colour(number: int) -> tuple[int, int, int]:
    """Return the colour of a row's image, in one of its channels at least 34 of 255 away from any other."""
    return 20 + number * 14, 200 - number * 12, (number * 83) % 200


def write_samples(folder: Path) -> list[Sample]:
    """Write an image for each of TEXTS and return the samples."""
    folder.mkdir(parents=True)
    samples = []
    for number, (name, instruction, answer) in enumerate(TEXTS):
        image = folder / f"{number:02d}.jpg"
        Image.new("RGB", (64, 48), colour(number)).save(image, quality=95, subsampling=0)
        sample: dict[str, Any] = {"instruction": instruction, "answer": answer, "image": str(image)}
        sample |= {"sample_id": content_id(name), "image_id": content_id(image.name), "instruction_id": content_id("i")}
        sample |= {"source": "synthetic", "category": "other", "description": "A square.", "score": 0.5}
        samples.append(Sample(**sample, width=64, height=48, model="scripted", request_id="0" * 16))
    return samples


def write_mix(folder: Path) -> Path:
    """Write a LLaVA file of MIX with its images and return its path."""
    folder.mkdir(parents=True)
    rows = []
    for number, (name, turns, has_image) in enumerate(MIX):
        row: dict[str, Any] = {"id": name}
        if has_image:
            row["image"] = f"{number}.png"
            Image.new("RGB", (48, 64), colour(len(TEXTS) + number)).save(folder / row["image"])
        rows.append({**row, "conversations": [{"from": speaker, "value": text} for speaker, text in turns]})
    path = folder / "mix.json"
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return path


def told_of_samples(samples: list[Sample], form: str) -> list[Told]:
    """Return what the samples' rows have to say in a format."""
    kept = {"llava": ("<video>", "<audio>"), "hf": tuple(SPACED)}.get(form, ())
    return [
        Told(name, (("human", _spaced(instruction, kept)), ("gpt", _spaced(answer, kept))), (colour(number),))
        for number, (name, instruction, answer) in enumerate(TEXTS)
    ]


def told_of_mix(form: str) -> list[Told]:
    """Return what the mix's rows have to say in a format."""
    told = []
    for number, (name, turns, has_image) in enumerate(MIX):
        bare = [(speaker, text.replace("<image>", "").strip()) for speaker, text in turns]
        if form == "llava" and bare[0][0] == "system":  # which LLaVA's loader does not know
            bare[:2] = [("human", f"{bare[0][1]}\n\n{bare[1][1]}")]
        told.append(Told(name, tuple(bare), (colour(len(TEXTS) + number),) if has_image else ()))
    return told


def _spaced(text: str, kept: tuple[str, ...]) -> str:
    for sign, spaced in SPACED.items():
        if sign not in kept:
            text = text.replace(sign, spaced)
    return text.strip()
