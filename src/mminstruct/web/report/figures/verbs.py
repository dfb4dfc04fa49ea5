"""Verbs and their objects as a sunburst: the inner ring has the verbs, the outer one what they ask for."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from mminstruct.web.report.contents import VerbObject
from mminstruct.web.report.figures.figure import PAGE, SERIES, Figure, finished
from mminstruct.web.report.figures.texts import label
from mminstruct.web.report.figures.words import Words, words_of

_MOST_VERBS = 12
_MOST_OBJECTS = 10


def verbs_figure(verbs: Sequence[VerbObject], count_samples: bool) -> Figure | None:
    """Return the sunburst, of samples or of instructions; None where there are none."""
    words = words_of("verbs")
    counts: dict[str, dict[str, int]] = {}
    for line in verbs:
        n = line.n_samples if count_samples else line.n_instructions
        if n:
            objects = counts.setdefault(label(line.verb) or words["no_verb"], {})
            objects[label(line.object) or words["no_object"]] = n
    if not counts:
        return None
    ids, labels, parents, values, colours = _sectors(_grouped(counts, words))
    total = sum(value for parent, value in zip(parents, values, strict=True) if not parent)
    unit = words["samples" if count_samples else "instructions"]
    told = [
        f"{name}<br>{unit.format(n=f'{value:,}')}<br>{words['hover'].format(share=f'{100 * value / total:.1f}')}"
        for name, value in zip(labels, values, strict=True)
    ]
    figure = go.Figure(
        go.Sunburst(
            ids=ids,
            labels=labels,
            parents=parents,
            values=values,
            branchvalues="total",
            sort=False,
            marker={"colors": colours, "line": {"color": PAGE, "width": 1.5}},
            leaf={"opacity": 0.75},
            insidetextorientation="radial",
            textfont={"color": "var(--on-series)"},
            insidetextfont={"color": "var(--on-series)"},
            customdata=told,
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    figure.update_layout(margin={"l": 4, "r": 4, "t": 4, "b": 4})
    return finished(figure, 480)


def _sectors(counts: dict[str, dict[str, int]]) -> tuple[list[str], list[str], list[str], list[int], list[str]]:
    """Return the sectors' ids, names, parents' ids, values and colours: each verb, and after it its objects."""
    rows = []
    for place, (verb, objects) in enumerate(counts.items()):
        colour = SERIES[place % len(SERIES)]
        rows.append((verb, verb, "", sum(objects.values()), colour))
        rows += [(f"{verb}/{name}", name, verb, n, colour) for name, n in objects.items()]
    ids, labels, parents, values, colours = (list(column) for column in zip(*rows, strict=True))
    return ids, labels, parents, values, colours


def _grouped(counts: dict[str, dict[str, int]], words: Words) -> dict[str, dict[str, int]]:
    """Return the most frequent verbs and objects, the others as one; the largest first."""
    ordered = sorted(counts.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    grouped = {verb: _largest(objects, _MOST_OBJECTS, words["others"]) for verb, objects in ordered[:_MOST_VERBS]}
    rest = {verb: sum(objects.values()) for verb, objects in ordered[_MOST_VERBS:]}
    if rest:
        grouped[words["others"]] = _largest(rest, _MOST_OBJECTS, words["others"])
    return grouped


def _largest(counts: dict[str, int], most: int, others: str) -> dict[str, int]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    kept = dict(ordered[:most])
    rest = sum(n for _, n in ordered[most:])
    return kept | ({others: kept.get(others, 0) + rest} if rest else {})
