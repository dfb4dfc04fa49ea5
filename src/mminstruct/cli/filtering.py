"""What the command `filter` puts together: a file, the rules of a config, the sentence encoder where there is one."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from mminstruct.config.encoders import EmbeddedTextEncoder
from mminstruct.config.file import load_config
from mminstruct.config.filter import FilterConfig
from mminstruct.encoders.text import load_text_encoder
from mminstruct.filter_file import FilterReport, filter_file


def filter_anybodys(file: Path, out: Path, config_file: Path | None, overwrite: bool) -> FilterReport:
    """Judge the rows of `file` by the rules of the config, or by the default ones."""
    config = load_config(config_file) if config_file else None
    rules = config.filter if config else FilterConfig()
    needs_encoder = "off_topic" not in rules.skip
    encoder = load_text_encoder(config.embedder if config else EmbeddedTextEncoder()) if needs_encoder else None
    with Console(stderr=True).status("judging …") as status:
        return filter_file(
            file, out, rules, encoder, overwrite, progress=lambda n_rows: status.update(f"judging … {n_rows:,} rows")
        )
