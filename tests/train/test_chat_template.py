"""The chat template that a trained model carries says what it was trained on, to the letter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from mminstruct.bench.answers.checkpoint import Checkpoint
from mminstruct.train.models import open_llava, save_llava
from mminstruct.train.template import SYSTEM_V1, Template
from mminstruct.writers.conversations import Turn
from support.tiny_llava import save_tiny_llava

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def processor(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return open_llava(str(save_tiny_llava(tmp_path_factory.mktemp("llava"))))[1]


def asked(text: str, with_image: bool = True) -> dict[str, Any]:
    image = [{"type": "image"}] if with_image else []
    return {"role": "user", "content": [*image, {"type": "text", "text": text}]}


def test_a_question(processor: Any) -> None:
    prompt = processor.apply_chat_template([asked("What is it?")], add_generation_prompt=True)
    assert prompt == f"{SYSTEM_V1} USER: <image>\nWhat is it? ASSISTANT:"
    prompt = processor.apply_chat_template([asked("Why?", with_image=False)], add_generation_prompt=True)
    assert prompt == f"{SYSTEM_V1} USER: Why? ASSISTANT:"


def test_a_conversation_has_the_tokens_that_training_has(processor: Any) -> None:
    turns = [Turn("user", "What is it?"), Turn("assistant", "A cat."), Turn("user", "Why?"), Turn("assistant", "So.")]
    messages = [
        asked("What is it?"),
        {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]},
        asked("Why?", with_image=False),
        {"role": "assistant", "content": "So."},
    ]
    text = processor.apply_chat_template(messages)
    trained = Template(processor.tokenizer, "v1").encode(turns, with_image=True)
    assert text == f"{SYSTEM_V1} USER: <image>\nWhat is it? ASSISTANT: A cat.<eos>USER: Why? ASSISTANT: So.<eos>"
    assert processor.tokenizer.encode(text) == trained.input_ids


def test_a_system_turn_takes_the_sentence_s_place(processor: Any) -> None:
    messages = [{"role": "system", "content": "Be short."}, asked("What?")]
    assert processor.apply_chat_template(messages, add_generation_prompt=True) == (
        "Be short. USER: <image>\nWhat? ASSISTANT:"
    )


def test_bench_respond_asks_in_the_words_of_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "saved"
    save_llava(*open_llava(str(save_tiny_llava(tmp_path / "tiny"))), folder)
    checkpoint = Checkpoint(str(folder), "cpu")
    seen: list[Any] = []
    generate = checkpoint._model.generate

    def watched(**given: Any) -> Any:
        seen.append(given)
        return generate(**given)

    monkeypatch.setattr(checkpoint._model, "generate", watched)
    checkpoint.answer([("What is it?", PIL.Image.new("RGB", (30, 20), "red"))], 2)
    _, processor = open_llava(str(folder))
    trained = Template(processor.tokenizer, "v1").encode([Turn("user", "What is it?"), Turn("assistant", "x")], True)
    n_question = sum(label == -100 for label in trained.labels)
    ids = seen[0]["input_ids"][0].tolist()
    once = [token for i, token in enumerate(ids) if token != ids[i - 1] or token != processor.image_token_id]
    assert once == trained.input_ids[:n_question]
