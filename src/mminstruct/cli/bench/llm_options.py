"""The options that name the language model which answers or judges, and limit its cost."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mminstruct.errors import ConfigError

if TYPE_CHECKING:
    from mminstruct.config.budget import BudgetConfig
    from mminstruct.config.llm import LlmConfig

_EMBEDDED = "embedded"  # another name for the embedded model, for `--model`


@dataclass(frozen=True)
class LlmOptions:
    """What the command line says of a language model."""

    model: str | None
    base_urls: tuple[str, ...]
    api_key_env: str | None
    overrides: tuple[str, ...]
    replies: Path | None
    max_requests: int | None
    max_cost: float | None

    @property
    def budget(self) -> BudgetConfig:
        """What may be spent."""
        from mminstruct.config.budget import BudgetConfig

        return BudgetConfig(max_requests=self.max_requests, max_cost=self.max_cost)

    def store(self, benchmark: Path) -> Path:
        """Return the reply store's folder."""
        return self.replies or benchmark / "replies"


_OPTIONS = (
    click.option("--model", metavar="NAME", help="The model's name at the endpoint."),
    click.option(
        "--base-url",
        "base_urls",
        multiple=True,
        metavar="URL",
        help="OpenAI-compatible endpoint, up to and with /v1; several times for several servers of one model. "
        "Default: the embedded model.",
    ),
    click.option("--api-key-env", metavar="VARIABLE", help="Environment variable that holds the endpoint's key."),
    click.option(
        "-o",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        help="Any key of a config's `llm` section: -o concurrency=16, -o parameters.top_p=1",
    ),
    click.option("--replies", type=click.Path(file_okay=False, path_type=Path), help="Reply store. Default: B/replies"),
    click.option("--max-requests", type=click.IntRange(min=0), help="Stop once so many replies were paid for."),
    click.option(
        "--max-cost",
        type=click.FloatRange(min=0),
        help="Stop once so much was spent, in the currency of -o price.…",
    ),
)


def llm_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a command, which gets them as one argument `llm: LlmOptions`."""

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        names = LlmOptions.__dataclass_fields__
        options = LlmOptions(**{name: given.pop(name) for name in names})
        command(**given, llm=options)

    for option in reversed(_OPTIONS):
        with_options = option(with_options)
    return with_options


def llm_config(options: LlmOptions) -> LlmConfig:
    """Return the language model that the options name: without an address, the embedded one.

    Raises ConfigError: an unknown key or a wrong value, a model without an address that is not the embedded one, an
    address without a model, a limit on cost without a price.
    """
    from mminstruct.config.file import section_from_options
    from mminstruct.config.llm import LlmConfig
    from mminstruct.llm.embedded import MODEL_NAME

    given: dict[str, tuple[str, Any]] = {}
    if options.model is not None:
        given["model"] = (f"--model {options.model}", options.model)
    if options.base_urls:
        given["base_urls"] = (f"--base-url {' '.join(options.base_urls)}", options.base_urls)
    if options.api_key_env is not None:
        given["api_key_env"] = (f"--api-key-env {options.api_key_env}", options.api_key_env)
    config = section_from_options(LlmConfig, given, options.overrides)
    if config.kind == "vllm":
        raise ConfigError("-o kind=vllm: only `mminstruct run` on Ray has it; expected --base-url of a server.")
    if not config.addresses and "kind" not in config.model_fields_set:
        if config.model not in (None, _EMBEDDED, MODEL_NAME):
            raise ConfigError(
                f"--model {config.model} without --base-url: expected where the model is served. Only the embedded "
                f"model ({MODEL_NAME}) needs no address."
            )
        config = section_from_options(LlmConfig, {**given, "kind": ("no --base-url", "embedded")}, options.overrides)
    if missing := config.missing_keys():
        flags = " and ".join(f"--{key.replace('_', '-')}" for key in missing)
        raise ConfigError(f"{flags} must be given too; without either the embedded model ({MODEL_NAME}) is used.")
    if options.max_cost is not None and config.price_in_force is None:
        raise ConfigError(
            "--max-cost needs the model's price, for costs are never guessed: "
            "-o price.prompt_per_million=… -o price.completion_per_million=…"
        )
    return config
