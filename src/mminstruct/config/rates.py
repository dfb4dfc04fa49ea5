"""The rates that `plan --scale` counts with: each a number with a unit and where it comes from."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, model_validator

from mminstruct.config.file import load_section
from mminstruct.config.section import Section


class Rate(Section):
    """One number; `basis` says whether it was measured, is assumed, or was given with `--rates`."""

    value: float = Field(gt=0, description="the number")
    unit: str = Field("", description="of what, by what")
    basis: Literal["measured", "assumed", "given"] = Field("given", description="how it is known")
    source: str = Field("given with --rates", min_length=1, description="the script and the machine, or the reasoning")


class Rates(Section):
    """All rates; a file of one's own holds those that differ, each as a number or as a whole `Rate`."""

    # processors: each on one core
    images_opened_per_s: Rate
    images_prepared_per_s: Rate
    texts_encoded_per_s: Rate
    embedded_tokens_per_s: Rate
    judged_answers_per_s: Rate
    # the driver: one process, part after part
    images_accepted_per_s: Rate
    rows_read_per_s: Rate
    rows_written_per_s: Rate
    bytes_settled_per_s: Rate
    matched_pairs_per_s: Rate
    requests_per_s: Rate
    compared_answers_per_s: Rate
    split_rows_per_s: Rate
    # GPUs
    clip_images_per_gpu_s: Rate
    small_llm_prompt_tokens_per_gpu_s: Rate
    small_llm_completion_tokens_per_gpu_s: Rate
    large_llm_prompt_tokens_per_gpu_s: Rate
    large_llm_completion_tokens_per_gpu_s: Rate
    # memory of the driver
    accepted_bytes_per_image: Rate
    compared_bytes_per_answer: Rate
    split_bytes_per_row: Rate
    # storage
    image_row_bytes: Rate
    match_row_bytes: Rate
    answer_row_bytes: Rate
    sample_row_bytes: Rate
    text_bytes_per_character: Rate
    store_bytes_per_reply: Rate
    store_bytes_per_text_byte: Rate
    clip_dimensions: Rate
    text_dimensions: Rate
    image_file_bytes: Rate
    # of the data
    kept_share: Rate
    # what there is: where a limit begins
    driver_memory_bytes: Rate
    driver_disk_bytes: Rate
    driver_hours: Rate
    files_in_folder: Rate

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any) -> Any:
        """Take what is not given from the package; a plain number keeps the unit that is known."""
        if not isinstance(data, dict):
            return data
        own = {name: rate if isinstance(rate, dict) else {"value": rate} for name, rate in data.items()}
        units = {name: {"unit": rate["unit"]} for name, rate in _packaged().items()}
        return {**_packaged(), **{name: {**units.get(name, {}), **rate} for name, rate in own.items()}}


def load_rates(path: Path | None = None) -> Rates:
    """Return the package's rates, with those of a file of one's own in their place.

    Raises ConfigError, which lists every fault with file, line and column.
    """
    return Rates.model_validate({}) if path is None else load_section(Rates, path, (), ())


@cache
def _packaged() -> dict[str, dict[str, Any]]:
    text = (files("mminstruct.data") / "rates.yaml").read_text(encoding="utf-8")
    rates: dict[str, dict[str, Any]] = yaml.safe_load(text)
    return rates
