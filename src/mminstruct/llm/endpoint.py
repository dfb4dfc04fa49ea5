"""Where a model is asked, how hard it may be pressed, and what its tokens cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mminstruct.config.llm import Price


@dataclass(frozen=True)
class Endpoint:
    """One model behind one or several addresses; `parameters` are added to every request's body."""

    addresses: tuple[str, ...]  # up to and with /v1
    model: str
    api_key: str | None = None
    concurrency: int = 256  # requests in flight at most, at each address
    requests_per_minute: float | None = None  # at each address
    tokens_per_minute: float | None = None
    timeout_s: float = 300.0  # of one try
    max_tries: int = 6
    give_up_after_s: float = 60.0
    batch_size: int = 5000
    batch_poll_s: float = 30.0
    parameters: Mapping[str, Any] = field(default_factory=dict)
    price: Price | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What every HTTP request carries."""
        authorization = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        return {"Content-Type": "application/json", **authorization}

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """Return what these tokens cost, None where no price is known."""
        return None if self.price is None else self.price.cost(prompt_tokens, completion_tokens)
