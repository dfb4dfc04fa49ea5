"""The `budget` section: what a run may spend, at most."""

from __future__ import annotations

from pydantic import Field

from mminstruct.config.section import Section


class BudgetConfig(Section):
    """Hard limits over all stages and sessions of a run; it stops cleanly at the first that is reached."""

    max_cost: float | None = Field(None, ge=0, description="in the currency of the prices, which must then be set")
    max_requests: int | None = Field(None, ge=0, description="requests answered by an endpoint, so paid for")
    max_tokens: int | None = Field(None, ge=0, description="tokens, of prompts and replies together")
