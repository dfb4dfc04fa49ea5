"""The figures' words, from `templates/figures.yaml`: no figure has English of its own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import yaml

Words = Mapping[str, str]


@cache
def words_of(figure: str) -> Words:
    """Return the words of one figure by their names."""
    text = (files("mminstruct.web.report") / "templates" / "figures.yaml").read_text(encoding="utf-8")
    words: Words = yaml.safe_load(text)[figure]
    return words
