"""The `llm` section: one address or several, a stage's own keys over the common ones, prices and budgets."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from mminstruct.config.llm import LlmConfig, Price
from mminstruct.config.run import RunConfig

ONE, TWO = "http://a:1/v1", "http://b:2/v1"
PRICE = {"prompt_per_million": 1.0, "completion_per_million": 2.0}


def llm(**keys: Any) -> LlmConfig:
    return LlmConfig.model_validate(keys)


class TestVllm:
    @pytest.mark.parametrize("other", [{"base_url": ONE}, {"base_urls": [ONE]}, {"mode": "batch"}])
    def test_its_engines_are_the_runs_own(self, other: dict[str, Any]) -> None:
        with pytest.raises(ValidationError, match="with `kind: vllm`, whose engines the run begins itself"):
            llm(kind="vllm", model="m", **other)

    def test_it_needs_a_model_and_no_address(self) -> None:
        assert llm(kind="vllm").missing_keys() == ["model"]
        assert llm(kind="vllm", model="m").missing_keys() == []

    def test_a_reply_is_that_of_the_same_model_behind_an_address(self) -> None:
        ours, served = llm(kind="vllm", model="m", vllm={"engines": 8}), llm(model="m", base_url=ONE)
        assert ours.content() == served.content()
        assert ours.is_gathered and not served.is_gathered

    def test_only_on_ray(self) -> None:
        images = [{"format": "jsonl", "path": "captions.jsonl"}]
        keys: dict[str, Any] = {"run_dir": "run", "images": images, "llm": {"kind": "vllm", "model": "m"}}
        with pytest.raises(ValidationError, match=r"`kind: vllm` \(augment, .*found `engine: {kind: local}`; expected"):
            RunConfig.model_validate(keys)
        assert RunConfig.model_validate({**keys, "engine": {"kind": "ray"}}).llm_for("answer").kind == "vllm"

    def test_a_stage_alone_may_have_it(self) -> None:
        merged = llm(base_url=ONE, model="small", price=PRICE).overridden_by(llm(kind="vllm", model="large"))
        assert (merged.addresses, merged.model, merged.price) == ((), "large", None)


class TestAddresses:
    def test_one_or_several(self) -> None:
        assert llm(base_url=ONE).addresses == (ONE,)
        assert llm(base_urls=[ONE, TWO]).addresses == (ONE, TWO)
        assert llm(kind="embedded").addresses == ()

    def test_both_is_an_error(self) -> None:
        with pytest.raises(ValidationError, match="found both `base_url` and `base_urls`"):
            llm(base_url=ONE, base_urls=[TWO])

    @pytest.mark.parametrize(
        ("common", "own"),
        [({"base_url": ONE}, {"base_urls": [TWO]}), ({"base_urls": [ONE, ONE]}, {"base_url": TWO})],
    )
    def test_a_stages_own_address_replaces_the_common_ones(self, common: dict[str, Any], own: dict[str, Any]) -> None:
        merged = llm(model="m", **common).overridden_by(llm(**own))
        assert merged.addresses == (TWO,) and merged.model == "m"

    def test_what_is_no_address_is_an_error(self) -> None:
        with pytest.raises(ValidationError, match="base_urls"):
            llm(base_urls=[ONE, "b:2"])

    @pytest.mark.parametrize(
        ("keys", "missing"),
        [({}, ["base_url", "model"]), ({"base_urls": [ONE]}, ["model"]), ({"kind": "embedded"}, [])],
    )
    def test_what_is_missing(self, keys: dict[str, Any], missing: list[str]) -> None:
        assert llm(**keys).missing_keys() == missing


def test_the_embedded_model_has_no_batch_api() -> None:
    with pytest.raises(ValidationError, match="which has no Batch API"):
        llm(kind="embedded", mode="batch")


def test_the_embedded_model_costs_nothing_and_another_without_a_price_an_unknown_amount() -> None:
    assert llm(kind="embedded").price_in_force == Price(prompt_per_million=0, completion_per_million=0)
    assert llm(base_url=ONE, model="m").price_in_force is None
    assert llm(base_url=ONE, model="m", price=PRICE).price_in_force == Price.model_validate(PRICE)


class TestBudget:
    def run(self, **llm_keys: Any) -> RunConfig:
        images = [{"format": "jsonl", "path": "/captions.jsonl"}]
        keys = {"run_dir": "run", "images": images, "llm": llm_keys, "budget": {"max_cost": 5}}
        return RunConfig.model_validate(keys)

    def test_a_limit_on_cost_needs_prices(self) -> None:
        with pytest.raises(ValidationError, match=r"budget\.max_cost: needs `price` in the `llm` of augment"):
            self.run(base_url=ONE, model="m")

    def test_prices_or_the_embedded_model_are_enough(self) -> None:
        assert self.run(base_url=ONE, model="m", price=PRICE).budget.max_cost == 5
        assert self.run(kind="embedded").budget.max_cost == 5


def test_pace_mode_and_price_are_no_content() -> None:
    plain = llm(base_url=ONE, model="m")
    other = llm(base_urls=[TWO], model="m", mode="batch", requests_per_minute=3, concurrency=1, price=PRICE)
    assert plain.content() == other.content()
    assert plain.content() != llm(base_url=ONE, model="m", parameters={"seed": 1}).content()
