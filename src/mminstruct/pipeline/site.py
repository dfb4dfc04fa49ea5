"""What work on one part needs, on the driver's machine or on another."""

from __future__ import annotations

from dataclasses import dataclass

from mminstruct.config.run import RunConfig
from mminstruct.pipeline.backends import Backends
from mminstruct.pipeline.run_tables import Tables


@dataclass(frozen=True)
class Site:
    """The config, the tables and the outside; no manifest and no progress, which are the driver's."""

    config: RunConfig
    tables: Tables
    backends: Backends
