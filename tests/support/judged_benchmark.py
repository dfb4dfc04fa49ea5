"""A benchmark with everything that the explorer shows: pictures and their absence, answers, judgments of two judges.

`careful` mostly prefers the better model; `hasty` says A to most, and some of its replies cannot be read.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import PIL.Image

from mminstruct.bench.folder import Benchmark, load_benchmark
from mminstruct.bench.rows import BenchmarkQuestion, Judgment, answers_id

MODELS = ("heron-34b", "plover-13b", "sparrow-7b")
INJECTION = "<script>alert('answer')</script><img src=x onerror=\"alert('image')\"><b>bold</b>"
_INSTRUCTIONS = ("Write a poem about the image.", "Plan a trip to the place in the image.", "Describe its mood.")
_SENTENCE = "the harbour lies quiet while a red kite climbs over many boats and nobody looks up at it yet"
_WORDS = _SENTENCE.split()


def make_judged_benchmark(folder: Path, n_questions: int = 12, models: Sequence[str] = MODELS) -> Benchmark:
    """Write it into `folder`; question `q1` has no image file, `q2` a broken one, and `q0`'s answers are markup."""
    benchmark = Benchmark(folder)
    benchmark.images.mkdir(parents=True)
    dice = random.Random(7)
    benchmark.write_questions(_question(benchmark, number) for number in range(n_questions))
    for place, model in enumerate(models):
        rows = [{"question_id": f"q{number}", "answer": _answer(dice, number, place)} for number in range(n_questions)]
        benchmark.write_answers(model, rows)
    judge_at_random(benchmark, "careful", models, first_bias=0.0, n_unread=0, seed=1)
    judge_at_random(benchmark, "hasty", models, first_bias=0.8, n_unread=2, seed=2)
    return benchmark


def judge_at_random(
    benchmark: Benchmark, judge: str, models: Sequence[str], first_bias: float, n_unread: int, seed: int
) -> None:
    """Add a judge's judgments of all pairs: earlier models are better, and A is said with `first_bias` in any case."""
    data = load_benchmark(benchmark.path)
    dice = random.Random(seed)
    rows: list[Judgment] = []
    for question in data.questions:
        for pair in combinations(models, 2):
            prefers = pair[dice.random() > 0.5 + 0.15 * (models.index(pair[1]) - models.index(pair[0]))]
            if dice.random() < 0.1:
                prefers = ""
            for first, second in (pair, pair[::-1]):
                texts = [data.answers[model].by_question[question.question_id] for model in (first, second)]
                letter: str | None = "C" if not prefers else "A" if prefers == first else "B"
                letter = "A" if dice.random() < first_bias else letter
                letter = None if len(rows) < n_unread else letter
                named = answers_id(question, *texts)
                reply = _reply(letter)
                rows.append(Judgment(judge, question.question_id, first, second, reply, letter, answers_id=named))
    benchmark.add_judgments(rows)


def _reply(letter: str | None) -> str:
    if letter is None:
        return "Both answers have their merits. <b>It depends.</b>"
    reason = {"A": "The first names what is there", "B": "The second is truer to the image", "C": "No difference"}
    return f'{{"reason": "{reason[letter]}.", "verdict": "{letter}"}}'


def _question(benchmark: Benchmark, number: int) -> BenchmarkQuestion:
    image = f"{number}.png"
    if number == 2:
        (benchmark.images / image).write_bytes(b"\x89PNG\r\n\x1a\n broken")
    elif number != 1:
        pixels = np.random.default_rng(number).integers(0, 256, (3, 4, 3), np.uint8)
        PIL.Image.fromarray(pixels).resize((320, 240)).save(benchmark.images / image)
    instruction = _INSTRUCTIONS[number // 2 % len(_INSTRUCTIONS)]
    category = ("poems", "plans")[number % 2]
    return BenchmarkQuestion(f"q{number}", image, instruction, f"Caption {number} <i>slanted</i>.", category)


def _answer(dice: random.Random, number: int, place: int) -> str:
    text = " ".join(dice.choices(_WORDS, k=dice.randint(10, 60 + 30 * place)))
    return f"{INJECTION} {text}" if number == 0 else text
