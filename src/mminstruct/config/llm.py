"""The `llm` section: which language model, how it is reached, how hard it may be pressed, what it costs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from mminstruct.config.section import Section

PromptStyle = Literal["standard", "small"]


class Price(Section):
    """What a model's tokens cost, in any one currency; never guessed."""

    prompt_per_million: float = Field(ge=0, description="price of a million prompt tokens")
    completion_per_million: float = Field(ge=0, description="price of a million completion tokens")


class LlmConfig(Section):
    """A language model. As a stage's own `llm`, only the keys that it sets override those of the common one."""

    kind: Literal["http", "embedded"] = Field(
        "http", description="an OpenAI-compatible endpoint, or the built-in model"
    )
    base_url: str | None = Field(None, pattern=r"^https?://", description="the endpoint, up to and with /v1")
    model: str | None = Field(None, min_length=1, description="the model's name at the endpoint")
    api_key_env: str | None = Field(None, description="environment variable that holds the key; unset: no key is sent")
    concurrency: int = Field(64, ge=1, le=10_000, description="requests in flight at most")
    timeout_s: float = Field(300, gt=0, description="seconds that one try may take")
    max_tries: int = Field(6, ge=1, le=100, description="tries of one request, the first one included")
    prompts: PromptStyle | None = Field(None, description="prompt style; default: small for embedded, else standard")
    parameters: dict[str, Any] = Field(default_factory=dict, description="fields to add to every request's body")
    price: Price | None = Field(None, description="for cost figures; without it cost is shown as unknown")

    @property
    def prompt_style(self) -> PromptStyle:
        """The prompt style that is in force."""
        return self.prompts or ("small" if self.kind == "embedded" else "standard")

    def overridden_by(self, override: LlmConfig | None) -> LlmConfig:
        """Return this config with the keys that `override` sets.

        An override that changes `kind` starts afresh: an address, a model and a price belong to their endpoint.
        """
        if override is None:
            return self
        if override.kind != self.kind and "kind" in override.model_fields_set:
            return override
        changed = {key: getattr(override, key) for key in override.model_fields_set}
        return LlmConfig.model_validate({**self.model_dump(exclude_unset=True), **_plain(changed)})

    def missing_keys(self) -> list[str]:
        """Return the keys without which this model cannot be asked."""
        if self.kind == "embedded":
            return []
        return [key for key in ("base_url", "model") if getattr(self, key) is None]

    def content(self) -> dict[str, object]:
        """Return what decides a reply's text, for fingerprints: not the address, the pace or the price."""
        model = "embedded" if self.kind == "embedded" else self.model
        return {"model": model, "prompts": self.prompt_style, "parameters": self.parameters}


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value.model_dump() if isinstance(value, Section) else value for key, value in values.items()}
