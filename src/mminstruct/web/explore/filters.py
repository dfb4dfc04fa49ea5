"""The gallery's filters: read from a page's address, turned into SQL whose every value is a parameter.

    ?status=kept&status=waiting&score_min=0.3&q=harbour     ─►  Filters ─► "status IN … AND score >= ?", [values]

Values of one name are alternatives, different names hold together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mminstruct.web.explore.replies import Refused

LISTS = {
    "status": "status",
    "stage": "stage",
    "reason": "reason",
    "category": "category",
    "source": "source",
    "instruction": "instruction_id",
    "image": "image_id",
}
"""Filters that name values of a column."""

RANGES = {"score": "score", "words": "n_words"}
"""Filters with `…_min` and `…_max`."""

UNDECIDED = "none"
_LONGEST_QUERY = 1000  # characters of q
_MOST_VALUES = 1000  # of one filter


@dataclass(frozen=True)
class Filters:
    """What a page asks for; empty where it asks for all."""

    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ranges: dict[str, tuple[float | None, float | None]] = field(default_factory=dict)
    decisions: tuple[str, ...] = ()
    selection: str = ""
    q: str = ""

    def without(self, name: str) -> Filters:
        """Return the filters less those of one name: what a facet is counted under."""
        lists = {key: values for key, values in self.lists.items() if key != name}
        ranges = {key: values for key, values in self.ranges.items() if key != name}
        return Filters(lists, ranges, self.decisions, self.selection, self.q)

    def where(self) -> tuple[list[str], list[Any]]:
        """Return the conditions on the table's own columns, and their parameters."""
        conditions: list[str] = []
        values: list[Any] = []
        for name, wanted in self.lists.items():
            # Parameters one by one: DuckDB compares while it scans, where a list as one parameter would be a join.
            conditions.append(f"{LISTS[name]} IN ({', '.join('?' * len(wanted))})")
            values += wanted
        for name, bounds in self.ranges.items():
            for sign, bound in zip((">=", "<="), bounds, strict=True):
                if bound is not None:
                    conditions.append(f"{RANGES[name]} {sign} ?")
                    values.append(bound)
        return conditions, values


def read_filters(pairs: Iterable[tuple[str, str]]) -> Filters:
    """Return the filters of an address's query; other names are none. Raises Refused for a number that is none."""
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        given.setdefault(name, []).append(value.encode("utf-8", "replace").decode())  # a lone surrogate has no UTF-8
    lists = {name: tuple(dict.fromkeys(given[name])) for name in LISTS if given.get(name)}
    if too_many := next((name for name, values in lists.items() if len(values) > _MOST_VALUES), None):
        raise Refused(400, f"There are more than {_MOST_VALUES:,} values of {too_many}; choose fewer.")
    ranges = {name: (_number(given, f"{name}_min"), _number(given, f"{name}_max")) for name in RANGES}
    query = _last(given, "q")
    if len(query) > _LONGEST_QUERY:
        raise Refused(400, f"The search has more than {_LONGEST_QUERY:,} characters; search for fewer words.")
    return Filters(
        lists,
        {name: bounds for name, bounds in ranges.items() if bounds != (None, None)},
        tuple(dict.fromkeys(given.get("decision", ()))),
        _last(given, "selection"),
        query.strip(),
    )


def read_count(pairs: Iterable[tuple[str, str]], name: str, default: int, least: int, most: int) -> int:
    """Return a whole number of the query. Raises Refused where it is none, or outside its bounds."""
    text = dict(pairs).get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise Refused(400, f"{name} is {text[:40]!r}; expected a whole number from {least:,} to {most:,}.")
    return int(text)


def _last(given: dict[str, Sequence[str]] | dict[str, list[str]], name: str) -> str:
    return given.get(name, [""])[-1]


def _number(given: dict[str, list[str]], name: str) -> float | None:
    text = _last(given, name)
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise Refused(400, f"{name} is {text[:40]!r}; expected a number.")
    return number
