"""The layer over Ray's own LLM batch processor: what its vLLM engines are told, and what they are given and give back.

    Request ──► row {key, messages or prompt, sampling_params} ──► Ray's processor ──► row {key, text, tokens}

https://docs.ray.io/en/latest/data/working-with-llms.html. Engines are actors of Ray's; they load the model when a block
of rows begins and let go of it when the block ends.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mminstruct.config.llm import LlmConfig
from mminstruct.errors import MissingExtraError
from mminstruct.llm.chat import Request

if TYPE_CHECKING:
    from ray.data.llm import vLLMEngineProcessorConfig

Row = dict[str, Any]
AskEngines = Callable[["Form", Sequence[Row]], Iterator[Row]]
"""Gives each row's answer as it comes; `ask_ray` but for tests."""

_ERROR = "__inference_error__"  # Ray's column: why a row has no answer, or ""


@dataclass(frozen=True, slots=True)
class Form:
    """What the rows of one block have in common: Ray makes a table of them, in which every row has every column."""

    is_chat: bool  # else a plain completion
    has_pictures: bool
    parameters: tuple[str, ...]  # names, sorted


def form_of(request: Request) -> Form:
    """Return a request's form."""
    has_pictures = any(message.pictures for message in request.messages)
    return Form(bool(request.messages), has_pictures, tuple(sorted(sampling_parameters(request.parameters))))


def row_of(key: str, body: Mapping[str, Any], request: Request) -> Row:
    """Return what the processor is given for a request whose JSON body, pictures filled in, is `body`."""
    asked = "messages" if request.messages else "prompt"
    return {"key": key, asked: body[asked], "sampling_params": sampling_parameters(request.parameters)}


def sampling_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request's parameters under the names of vLLM's `SamplingParams`; what it does not know, it refuses.

    >>> sampling_parameters({"temperature": 0.7, "max_completion_tokens": 64})
    {'temperature': 0.7, 'max_tokens': 64}
    """
    named = dict(parameters)
    # Unset, vLLM would stop after 16; as None, at the end of what the model can hold, which is what servers do.
    named["max_tokens"] = named.pop("max_completion_tokens", named.get("max_tokens"))
    wanted = named.pop("response_format", None)
    if isinstance(wanted, Mapping) and wanted.get("type") == "json_schema":
        # As text: in Ray's tables a schema would get the keys of all others.
        named["structured_outputs"] = {"json": json.dumps(wanted["json_schema"]["schema"])}
    elif isinstance(wanted, Mapping) and wanted.get("type") == "json_object":
        named["structured_outputs"] = {"json_object": True}
    return named


def processor_config(llm: LlmConfig, form: Form) -> vLLMEngineProcessorConfig:
    """Return Ray's configuration of the engines. Raises MissingExtraError where Ray comes without what it takes."""
    try:
        from ray.data.llm import vLLMEngineProcessorConfig
    except ImportError as error:
        raise MissingExtraError("ray.data.llm", "`llm: {kind: vllm}`", "pip install 'ray[llm]'") from error
    assert llm.model is not None, "checked when the config was read"
    settings = llm.vllm
    return vLLMEngineProcessorConfig(
        model_source=llm.model,
        engine_kwargs=dict(settings.engine_arguments),
        concurrency=(1, settings.engines),  # the first begins at once, others as the cluster has room
        batch_size=settings.batch_size,
        accelerator_type=settings.accelerator,
        placement_group_config=dict(settings.placement) if settings.placement else None,
        should_continue_on_error=True,  # a row that cannot be answered is a reject, not the end of all
        chat_template_stage=form.is_chat,
        prepare_multimodal_stage=form.has_pictures,
        tokenize_stage=not form.has_pictures,  # with pictures the engine must, for they stand among the tokens
        detokenize_stage=False,  # the engine does, and looks for `stop` in it
        log_engine_metrics=False,
    )


def ask_ray(llm: LlmConfig) -> AskEngines:
    """Return what asks engines of this model on the Ray cluster that this process has joined."""

    def ask(form: Form, rows: Sequence[Row]) -> Iterator[Row]:
        config = processor_config(llm, form)
        import ray.data
        from ray.data.llm import build_processor

        processor = build_processor(config, postprocess=_answer)
        yield from processor(ray.data.from_items(list(rows))).iter_rows()

    return ask


def _answer(row: Row) -> Row:
    """Return what is kept of an engine's row."""
    return {
        "key": row["key"],
        "text": row["generated_text"],
        "prompt_tokens": row["num_input_tokens"],
        "completion_tokens": row["num_generated_tokens"],
    }


def fault_of(row: Row) -> str:
    """Return why a row has no answer, or ""."""
    return str(row.get(_ERROR) or "")
