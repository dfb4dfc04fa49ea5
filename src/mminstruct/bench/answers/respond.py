"""A model answers a benchmark's questions: what it is shown, who answers, what came of it.

    question ──► Shown (the instruction, with the image or its caption) ──► endpoint or checkpoint ──► AnswerSheet

A question is one user turn without a system prompt, and decoding is greedy. What was answered is not asked again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import PIL.Image

from mminstruct.bench.answers.checkpoint import Checkpoint, checkpoint_settings
from mminstruct.bench.answers.sheet import AnswerSheet
from mminstruct.bench.folder import Benchmark
from mminstruct.bench.rows import BenchmarkQuestion
from mminstruct.config.llm import LlmConfig
from mminstruct.engines.local import run_shards
from mminstruct.errors import BenchmarkError
from mminstruct.imaging import BadImage, decode_image, image_hash, read_image_bytes
from mminstruct.llm.chat import Message, Picture, Request, RequestFailed
from mminstruct.llm.embedded import MODEL_NAME
from mminstruct.llm.models import LanguageModels
from mminstruct.llm.usage import Usage
from mminstruct.pipeline.interrupts import patient_interrupts
from mminstruct.pipeline.manifest import StageRecord
from mminstruct.pipeline.progress import Progress
from mminstruct.prompts.template import load_prompt
from mminstruct.rows import content_id

STAGE = "respond"


@dataclass(frozen=True)
class Asking:
    """How a model is asked, and under which name its answers stand."""

    name: str
    text_only: bool = False  # the caption in place of the image
    max_tokens: int = 1024  # of an answer
    max_side: int | None = None  # pixels; a larger image is scaled down to it; None: never
    overwrite: bool = False  # forget the answers that stand under this name

    def settings(self) -> dict[str, Any]:
        """Return what decides the answers besides the model."""
        sees = {"sees": "caption"} if self.text_only else {"sees": "image", "max_side": self.max_side}
        return {**sees, "max_tokens": self.max_tokens, "prompt": load_prompt("respond").fingerprint}


@dataclass(frozen=True)
class Shown:
    """One question as it is put to the model."""

    question_id: str
    text: str  # the user's turn
    image_path: str = ""  # empty where the model reads the caption
    content_hash: str = ""

    @property
    def asked(self) -> str:
        """What stands for the text and the image's content."""
        return content_id(self.text, self.content_hash)


@dataclass
class Responses:
    """What came of it."""

    n_questions: int
    n_before: int = 0  # answered by earlier calls
    n_changed: int = 0  # questions that have changed since they were answered, and are asked again
    n_new: int = 0
    n_from_store: int = 0  # of the new ones: read from the reply store, so not paid for
    n_cut_off: int = 0  # of all answers: they end where `max_tokens` cut them
    n_empty: int = 0
    unanswered: dict[str, str] = field(default_factory=dict)  # why, by question id


async def respond_by_endpoint(
    benchmark: Benchmark, llm: LlmConfig, models: LanguageModels, asking: Asking, progress: Progress
) -> Responses:
    """Have a language model answer what is not answered yet.

    A question that fails alone is named in the result. Raises BenchmarkError, see `_work`, and what `Chat.ask` raises
    where every request would fail.
    """
    model = MODEL_NAME if llm.kind == "embedded" else llm.model
    with _work(benchmark, {"model": model, "parameters": llm.parameters}, asking, progress) as work:
        if not work.left:
            return work.responses
        chat = await models.chat(llm, STAGE, progress.note)

        async def answer(shown: Shown) -> None:
            try:
                reply = await chat.ask(_request(shown, asking))
            except RequestFailed as failure:
                work.failed(shown, failure.detail, chat.usage)
                return
            work.responses.n_from_store += reply.cached
            row = {"finish_reason": reply.finish_reason, "model": reply.model, "request_id": reply.request_id}
            work.answered(shown, reply.text.strip(), row, chat.usage)

        with patient_interrupts(progress, models):
            await run_shards([(0, work.left)], answer, lambda *_: None, chat.rows_at_once)
    return work.responses


def respond_by_checkpoint(
    benchmark: Benchmark, model: str, device: str, batch_size: int, asking: Asking, progress: Progress
) -> Responses:
    """Have a local checkpoint answer what is not answered yet, `batch_size` questions at a time.

    It is opened only if something is left. A question that fails alone is named in the result. Raises BenchmarkError,
    see `_work`, and what Checkpoint raises.
    """
    with _work(benchmark, checkpoint_settings(model, device), asking, progress) as work:
        if work.left:
            checkpoint = Checkpoint(model, device)
            for start in range(0, len(work.left), batch_size):
                _answer_batch(checkpoint, work.left[start : start + batch_size], asking, work)
    return work.responses


def _answer_batch(checkpoint: Checkpoint, batch: Sequence[Shown], asking: Asking, work: _Work) -> None:
    sound = []
    for shown in batch:
        if token := checkpoint.image_token_in(shown.text):
            work.failed(shown, f"the text holds {token}, which to this checkpoint is an image of its own")
            continue
        try:
            sound.append((shown, _image(shown, asking.max_side)))
        except (OSError, BadImage) as fault:
            work.failed(shown, f"{shown.image_path}: {fault}")
    if sound:
        answers = checkpoint.answer([(shown.text, image) for shown, image in sound], asking.max_tokens)
        for (shown, _), answer in zip(sound, answers, strict=True):
            row = {"finish_reason": answer.finish_reason, "model": checkpoint.name}
            work.answered(shown, answer.text, row)


def _image(shown: Shown, max_side: int | None) -> PIL.Image.Image | None:
    """Return what the checkpoint sees. Raises OSError, BadImage."""
    return decode_image(read_image_bytes(shown.image_path), max_side=max_side) if shown.image_path else None


def _request(shown: Shown, asking: Asking) -> Request:
    pictures: tuple[Picture, ...] = ()
    if shown.image_path:
        assert asking.max_side is not None, "an endpoint is sent images of bounded size"
        pictures = (Picture(shown.image_path, shown.content_hash, asking.max_side),)
    parameters = {"temperature": 0, "max_tokens": asking.max_tokens}
    return Request((Message("user", shown.text, pictures),), parameters=parameters)


def show(
    benchmark: Benchmark, questions: Sequence[BenchmarkQuestion], text_only: bool
) -> tuple[list[Shown], dict[str, str]]:
    """Return what the model is shown of each question, and of the others, by id, why they cannot be shown."""
    prompt = load_prompt("respond")
    shown, unshown = [], {}
    for question in questions:
        caption = question.caption.strip() if text_only else ""
        path = benchmark.image_path(question)
        if not question.instruction.strip():
            unshown[question.question_id] = "it has no instruction"
        elif text_only and not caption:
            unshown[question.question_id] = "it has no caption"
        elif not text_only and not (question.image and path.is_file()):
            unshown[question.question_id] = f"{path}: there is no such image"
        else:
            request = prompt.render({"instruction": question.instruction, "caption": caption})
            text = request.messages[-1].content
            image = ("", "") if text_only else (str(path), image_hash(path.read_bytes()))
            shown.append(Shown(question.question_id, text, *image))
    return shown, unshown


class _Work:
    """One model at one benchmark: what is left to ask, and where its answers go."""

    def __init__(self, sheet: AnswerSheet, left: list[Shown], responses: Responses, progress: Progress) -> None:
        self.left = left
        self.responses = responses
        self._sheet = sheet
        self._progress = progress

    def answered(self, shown: Shown, text: str, row: Mapping[str, str], usage: Usage | None = None) -> None:
        """Keep an answer."""
        text = text.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate has no UTF-8 form
        self._sheet.add({"question_id": shown.question_id, "answer": text, **row, "asked": shown.asked})
        self.responses.n_new += 1
        self._progress.advanced(1, 0, usage)

    def failed(self, shown: Shown, detail: str, usage: Usage | None = None) -> None:
        """Count a question that failed alone."""
        self.responses.unanswered[shown.question_id] = detail
        self._progress.advanced(1, 1, usage)


@contextmanager
def _work(benchmark: Benchmark, model: Mapping[str, Any], asking: Asking, progress: Progress) -> Iterator[_Work]:
    """Open the sheet, find what is left to ask, and at the end put the answers in order and count them.

    Raises BenchmarkError: no benchmark, answers under this name that were made otherwise, nothing that can be shown.
    """
    questions, began = benchmark.questions(), time.monotonic()
    with AnswerSheet(benchmark, questions, asking.name, {**model, **asking.settings()}, asking.overwrite) as sheet:
        shown, unshown = show(benchmark, questions, asking.text_only)
        asked = {each.question_id: each.asked for each in shown}
        changed = [key for key, row in sheet.rows.items() if key in asked and row.get("asked") != asked[key]]
        sheet.forget(changed)
        unanswered = {key: why for key, why in unshown.items() if key not in sheet.rows}
        left = [each for each in shown if each.question_id not in sheet.rows]
        responses = Responses(len(questions), len(questions) - len(left) - len(unanswered), len(changed))
        responses.unanswered = unanswered
        if len(unanswered) == len(questions):
            raise _nothing_to_show(benchmark, asking, unanswered)
        if left:
            progress.stage_started(STAGE, len(questions), responses.n_before)
        yield _Work(sheet, left, responses, progress)
        sheet.put_in_order()
        rows = [sheet.rows[question.question_id] for question in questions if question.question_id in sheet.rows]
        responses.n_cut_off = sum(row.get("finish_reason") == "length" for row in rows)
        responses.n_empty = sum(not row["answer"].strip() for row in rows)
        record = StageRecord("", "done", len(questions), len(rows), len(responses.unanswered))
        record.seconds = time.monotonic() - began
        progress.stage_ended(STAGE, record, skipped=not left)


def _nothing_to_show(benchmark: Benchmark, asking: Asking, unshown: Mapping[str, str]) -> BenchmarkError:
    question_id, why = next(iter(unshown.items()))
    advice = (
        "Ask a model that sees the images."
        if asking.text_only
        else f"Put the images into {benchmark.images}, or have the captions read in their place: --text-only."
    )
    return BenchmarkError(
        f"No question of {benchmark.path} can be shown to the model; of question {question_id}: {why}. {advice}"
    )
