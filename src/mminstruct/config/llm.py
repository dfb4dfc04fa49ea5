"""The `llm` section: which language model, how it is reached, how hard it may be pressed, what it costs."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from mminstruct.config.section import Section

PromptStyle = Literal["standard", "small"]


def _checked_address(address: str) -> str:
    parts = urlsplit(address)  # this and the port raise ValueError where they are none
    if not parts.hostname or parts.port == 0:
        raise ValueError("found no host's name, or port 0; expected http://host:port/v1 or the like")
    return address


Address = Annotated[str, Field(pattern=r"^https?://"), AfterValidator(_checked_address)]


class Price(Section):
    """What a model's tokens cost, in any one currency; never guessed."""

    prompt_per_million: float = Field(ge=0, description="price of a million prompt tokens")
    completion_per_million: float = Field(ge=0, description="price of a million completion tokens")

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return what these tokens cost."""
        return (prompt_tokens * self.prompt_per_million + completion_tokens * self.completion_per_million) / 1e6


class VllmConfig(Section):
    """The engines of `kind: vllm`, which the run begins on the Ray cluster through Ray's own batch processor."""

    engines: int = Field(1, ge=1, description="engines at most, each with the whole model: as the cluster has GPUs")
    accelerator: str | None = Field(None, min_length=1, description="kind of GPU that Ray is to look for, as `A100`")
    engine_arguments: dict[str, Any] = Field(
        default_factory=dict, description="vLLM's own, as `{tensor_parallel_size: 4, max_model_len: 8192}`"
    )
    placement: dict[str, Any] = Field(
        default_factory=dict, description="Ray's `placement_group_config`; unset: a GPU for each part of the model"
    )
    batch_size: int = Field(64, ge=1, description="requests that an engine is handed at once; it has several in hand")
    requests_at_once: int = Field(
        50_000, ge=1, le=100_000, description="requests of a block; the engines load the model for each block anew"
    )


class LlmConfig(Section):
    """A language model. As a stage's own `llm`, only the keys that it sets override those of the common one."""

    kind: Literal["http", "embedded", "vllm"] = Field(
        "http", description="an OpenAI-compatible endpoint, the built-in model, or vLLM on the workers of a Ray cluster"
    )
    base_url: Address | None = Field(None, description="the endpoint, up to and with /v1")
    base_urls: tuple[Address, ...] = Field((), description="in place of `base_url`: several endpoints of one model")
    model: str | None = Field(
        None, min_length=1, description="the model's name at the endpoint; for vllm a hub's name, or a folder"
    )
    api_key_env: str | None = Field(None, description="environment variable that holds the key; unset: no key is sent")
    concurrency: int = Field(
        256, ge=1, le=10_000, description="requests in flight at most, at each endpoint; the level below it is found"
    )
    requests_per_minute: float | None = Field(None, gt=0, description="limit at each endpoint")
    tokens_per_minute: float | None = Field(None, gt=0, description="limit at each endpoint, prompt and reply together")
    timeout_s: float = Field(300, gt=0, description="seconds that one try may take")
    max_tries: int = Field(6, ge=1, le=100, description="tries of one request, the first one included")
    give_up_after_s: float = Field(
        60,
        gt=0,
        description="seconds that an endpoint may fail everybody before the run stops",
    )
    mode: Literal["live", "batch"] = Field(
        "live", description="batch: through the Batch API, which takes hours and costs less"
    )
    batch_size: int = Field(5000, ge=1, le=50_000, description="requests in one batch at most")
    batch_poll_s: float = Field(30, gt=0, description="seconds between two looks at a batch")
    prompts: PromptStyle | None = Field(None, description="prompt style; default: small for embedded, else standard")
    parameters: dict[str, Any] = Field(default_factory=dict, description="fields to add to every request's body")
    vllm: VllmConfig = Field(default_factory=VllmConfig, description="the engines of `kind: vllm`")
    price: Price | None = Field(None, description="for cost figures; without it cost is shown as unknown")

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.base_url and self.base_urls:
            raise ValueError("found both `base_url` and `base_urls`; expected one of them")
        if self.kind == "embedded" and self.mode == "batch":
            raise ValueError(
                "found `mode: batch` with the embedded model, which has no Batch API; expected `mode: live`"
            )
        if self.kind == "vllm" and (self.addresses or self.mode == "batch"):
            found = "mode: batch" if self.mode == "batch" else "base_url"
            raise ValueError(
                f"found `{found}` with `kind: vllm`, whose engines the run begins itself; expected it without, or "
                "`kind: http`"
            )
        return self

    @property
    def is_gathered(self) -> bool:
        """Whether requests go out many at a time, from one place, and replies take long."""
        return self.mode == "batch" or self.kind == "vllm"

    @property
    def addresses(self) -> tuple[str, ...]:
        """The endpoints, one or several; none for the embedded model and vLLM's engines."""
        return (self.base_url,) if self.base_url else self.base_urls

    @property
    def prompt_style(self) -> PromptStyle:
        """The prompt style that is in force."""
        return self.prompts or ("small" if self.kind == "embedded" else "standard")

    @property
    def price_in_force(self) -> Price | None:
        """What tokens cost: nothing for the embedded model, otherwise what the config says, and unknown without it."""
        if self.kind == "embedded" and self.price is None:
            return Price(prompt_per_million=0, completion_per_million=0)
        return self.price

    def overridden_by(self, override: LlmConfig | None) -> LlmConfig:
        """Return this config with the keys that `override` sets.

        An override that changes `kind` starts afresh: an address, a model and a price belong to their endpoint.
        """
        if override is None:
            return self
        if override.kind != self.kind and "kind" in override.model_fields_set:
            return override
        changed = {key: getattr(override, key) for key in override.model_fields_set}
        own = self.model_dump(exclude_unset=True)
        if changed.keys() & {"base_url", "base_urls"}:  # one address, or several: the override's word alone
            own = {key: value for key, value in own.items() if key not in ("base_url", "base_urls")}
        return LlmConfig.model_validate({**own, **_plain(changed)})

    def missing_keys(self) -> list[str]:
        """Return the keys without which this model cannot be asked."""
        if self.kind == "embedded":
            return []
        missing = [] if self.addresses or self.kind == "vllm" else ["base_url"]
        return missing if self.model else [*missing, "model"]

    def content(self) -> dict[str, object]:
        """Return what decides a reply's text, for fingerprints: not the address, the pace, the mode or the price."""
        model = "embedded" if self.kind == "embedded" else self.model
        return {"model": model, "prompts": self.prompt_style, "parameters": self.parameters}


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value.model_dump() if isinstance(value, Section) else value for key, value in values.items()}
