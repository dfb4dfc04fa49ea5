"""The `engine` section: where per-row work runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mminstruct.config.section import Section


class LocalEngine(Section):
    """One process: the one that runs the command."""

    kind: Literal["local"] = "local"


class RayEngine(Section):
    """The workers of a Ray cluster; needs a run folder that all of them reach."""

    kind: Literal["ray"] = "ray"
    address: str = Field(
        "auto", min_length=1, description="`auto`: the cluster that this machine is part of; `local`: one of its own"
    )
    workers: int | None = Field(None, ge=1, description="processes at work; unset: one for each CPU of the cluster")
    num_cpus: float = Field(1.0, gt=0, description="CPUs that a worker is given")
    num_gpus: float = Field(
        0.0, ge=0, description="GPUs that a worker of the stage match is given; 0.25: four workers share one"
    )
    parts_at_once: int = Field(2, ge=1, description="parts that a worker has in hand: one more than it works on")


EngineConfig = Annotated[LocalEngine | RayEngine, Field(discriminator="kind")]
