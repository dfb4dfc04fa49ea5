"""What Ray's batch processor is told and given: its own configuration, its own stages, its own tables; no GPU."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mminstruct.config.llm import LlmConfig
from mminstruct.llm.chat import Message, Picture, Request
from mminstruct.llm.structured import json_schema
from mminstruct.llm.vllm.processor import (
    Form,
    ask_ray,
    fault_of,
    form_of,
    processor_config,
    row_of,
    sampling_parameters,
)

pytest.importorskip("ray.data")
pytest.importorskip("torch")  # Ray's stages import it, and transformers
pytest.importorskip("transformers")
pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # Ray's own, of its processes and of pydantic's old spellings
]

CHAT = Form(True, False, ("max_tokens", "temperature"))
SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}


def llm(**vllm: Any) -> LlmConfig:
    return LlmConfig.model_validate({"kind": "vllm", "model": "org/model", "vllm": vllm})


def question(text: str, **parameters: Any) -> Request:
    return Request((Message("user", text),), parameters={"temperature": 0.5, "max_tokens": 9, **parameters})


class TestConfig:
    def test_says_to_ray_what_the_config_says(self) -> None:
        arguments = {"tensor_parallel_size": 4, "max_model_len": 8192}
        config = processor_config(
            llm(engines=3, accelerator="A100", engine_arguments=arguments, batch_size=32),
            CHAT,
        )
        assert config.model_source == "org/model"
        assert config.get_concurrency() == {"min_size": 1, "max_size": 3}
        assert (config.accelerator_type, config.batch_size) == ("A100", 32)
        assert config.engine_kwargs.items() >= arguments.items()
        assert config.should_continue_on_error
        assert (config.chat_template_stage, config.prepare_multimodal_stage) == (True, False)

    def test_a_completion_gets_no_template_and_pictures_a_stage_of_their_own(self) -> None:
        assert not processor_config(llm(), Form(False, False, ())).chat_template_stage
        with_pictures = processor_config(llm(), Form(True, True, ()))
        assert (with_pictures.prepare_multimodal_stage, with_pictures.tokenize_stage) == (True, False)

    def test_a_placement_that_ray_does_not_know_is_an_error(self) -> None:
        processor_config(llm(placement={"bundles": [{"CPU": 2}]}), CHAT)
        with pytest.raises(ValueError, match="placement_group_config"):
            processor_config(llm(placement={"bundle": 1}), CHAT)


class TestRows:
    def test_a_chat_and_a_completion(self) -> None:
        request = question("Why?")
        row = row_of("k", request.body(), request)
        assert row == {
            "key": "k",
            "messages": [{"role": "user", "content": "Why?"}],
            "sampling_params": {"temperature": 0.5, "max_tokens": 9},
        }
        completion = Request(prompt="1. Write", parameters={"stop": ["\n"]})
        assert row_of("k", completion.body(), completion)["prompt"] == "1. Write"
        assert form_of(completion) == Form(False, False, ("max_tokens", "stop"))

    def test_forms_keep_apart_what_makes_no_table(self) -> None:
        picture = Picture("a.jpg", "0" * 16, 512)
        seeing = Request((Message("user", "What?", (picture,)),), parameters={"temperature": 0.5, "max_tokens": 9})
        assert len({form_of(question("a")), form_of(question("b")), form_of(seeing)}) == 2
        assert form_of(question("a", seed=1)) != form_of(question("a"))

    def test_parameters_of_openai_under_vllms_names(self) -> None:
        assert sampling_parameters({}) == {"max_tokens": None}  # vLLM's own would be 16
        wanted = sampling_parameters({"response_format": json_schema("s", SCHEMA), "max_tokens": 5})
        assert wanted["structured_outputs"]["json"].startswith('{"type": "object"')
        assert "response_format" not in wanted


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    import ray

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init("local", num_cpus=2, include_dashboard=False, object_store_memory=100_000_000, log_to_driver=False)
    yield
    ray.shutdown()


class TestOnRay:
    def test_the_processor_is_built_with_the_stages_that_are_wanted(self, cluster: None, tmp_path: Path) -> None:
        """Everything up to the engines: these would load vLLM when rows come."""
        from ray.data.llm import build_processor
        from transformers import LlamaConfig

        LlamaConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1).save_pretrained(tmp_path)
        model = llm(engine_arguments={"tensor_parallel_size": 2}).model_copy(update={"model": str(tmp_path)})
        processor = build_processor(processor_config(model, CHAT))
        assert processor.list_stage_names() == ["ChatTemplateStage", "TokenizeStage", "vLLMEngineStage"]
        engine = processor.get_stage_by_name("vLLMEngineStage")
        assert engine.fn_constructor_kwargs["engine_kwargs"]["distributed_executor_backend"] == "ray"
        assert engine.fn_constructor_kwargs["model"] == str(tmp_path)

    def test_rows_come_back_with_their_keys_and_faults(self, cluster: None, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ray's processor and its tables, with a stand-in for the engine, which needs vLLM."""
        from ray.data import llm as ray_llm
        from ray.llm._internal.batch.processor.base import Processor

        def engine(row: dict[str, Any]) -> dict[str, Any]:
            asked = row["messages"][0]["content"]
            if "broken" in asked:
                return {**row, "__inference_error__": "ValueError: too long"}
            told = f"{asked}! at {row['sampling_params']['temperature']}"
            return {**row, "generated_text": told, "num_input_tokens": 3, "num_generated_tokens": 2}

        def build(config: Any, postprocess: Any) -> Processor:
            return Processor(config, [], preprocess=engine, postprocess=postprocess)

        monkeypatch.setattr(ray_llm, "build_processor", build)
        requests = {key: question(text) for key, text in (("a", "one"), ("b", "broken"), ("c", "three"))}
        rows = [row_of(key, request.body(), request) for key, request in requests.items()]
        found = {row["key"]: row for row in ask_ray(llm())(CHAT, rows)}
        assert sorted(found) == ["a", "b", "c"]
        assert (found["a"]["text"], found["a"]["prompt_tokens"], found["a"]["completion_tokens"]) == (
            "one! at 0.5",
            3,
            2,
        )
        assert fault_of(found["a"]) == "" and fault_of(found["b"]) == "ValueError: too long"
