"""The flow of rows through the stages, as a Sankey diagram with rejects by reason.

Where the unit changes (an image becomes several pairs), the width of the flow stays, and what one row of it is worth
changes: widths are shares of what is left, labels have the counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import plotly.graph_objects as go

from mminstruct.web.report.contents import Step
from mminstruct.web.report.figures.figure import Figure, finished
from mminstruct.web.report.figures.texts import label
from mminstruct.web.report.figures.words import Words, words_of

_MOST_REASONS = 7  # of one step; the others are one node
_PAD = 24  # pixels between nodes: a line of text
_MAIN = 200  # pixels that the whole flow is wide at its start
_MARGIN = 12
_NOTHING = 1e-9  # Plotly leaves out a link of no width
_NODE, _PASSED, _DROPPED, _ASIDE, _WAITING = (f"var(--flow-{name})" for name in ("node", "on", "off", "aside", "wait"))


@dataclass(frozen=True)
class _Node:
    """A box of the diagram; `width` in the units of the flow's first rows."""

    text: str  # with its count
    column: int
    width: float
    colour: str


@dataclass
class _Diagram:
    """Nodes, column by column from top to bottom, and links as pairs of their numbers."""

    words: Words
    nodes: list[_Node] = field(default_factory=list)
    links: list[tuple[int, int, str, str]] = field(default_factory=list)  # source, target, colour, hover

    def join(self, source: int, node: _Node, colour: str, n: int, total: int) -> int:
        """Add a node with a link from `source`, `n` of its `total`, as wide as the node; return the node's number."""
        self.nodes.append(node)
        told = self.words["hover"].format(n=f"{n:,}", total=f"{total:,}", share=f"{100 * n / total:.1f}")
        self.links.append((source, len(self.nodes) - 1, colour, f"{node.text}<br>{told}"))
        return len(self.nodes) - 1


def flow_figure(steps: Sequence[Step]) -> Figure | None:
    """Return the diagram of one flow; None where nothing has come in."""
    if not steps:
        return None
    words = words_of("flow")
    diagram = _Diagram(words, [_Node(f"{words[steps[0].stage]} {steps[0].n_in:,}", 0, steps[0].n_in, _NODE)])
    main, worth = 0, 1.0  # the width of one row
    for number, step in enumerate(steps):
        following = steps[number + 1] if number + 1 < len(steps) else None
        main = _add_step(diagram, step, following, main, number + 1, worth)
        if following is not None:
            worth *= step.n_on / following.n_in
    return _drawn(diagram)


def _add_step(diagram: _Diagram, step: Step, following: Step | None, source: int, column: int, worth: float) -> int:
    """Add what came of a step: first what goes on, below it what does not; return the number of the former."""
    words, target = diagram.words, source
    reasons = list(step.rejects.items())
    if len(reasons) > _MOST_REASONS:
        rest = reasons[_MOST_REASONS - 1 :]
        reasons = [*reasons[: _MOST_REASONS - 1], (words["others"], sum(n for _, n in rest))]
    onward = f"{words[f'after_{step.stage}']} {step.n_on:,}"
    if following is not None and following.unit != step.unit:
        onward += f"<br>{words[following.stage]} {following.n_in:,}"
    parts = [(onward, step.n_on, _PASSED), (f"{words['aside']} {step.n_aside:,}", step.n_aside, _ASIDE)]
    parts += [(f"{label(reason)} {n:,}", n, _DROPPED) for reason, n in reasons]
    parts.append((f"{words['waiting']} {step.n_waiting:,}", step.n_waiting, _WAITING))
    for place, (text, n, colour) in enumerate(parts):
        if n:
            node = _Node(text, column, worth * n, _NODE if place == 0 else colour)
            added = diagram.join(source, node, colour, n, step.n_in)
            target = added if place == 0 else target
    return target


def _drawn(diagram: _Diagram) -> Figure:
    nodes = diagram.nodes
    columns = [[node for node in nodes if node.column == column] for column in range(nodes[-1].column + 1)]
    most = max(len(column) for column in columns)
    inner = _MAIN + (most - 1) * _PAD
    scale = min((inner - (len(column) - 1) * _PAD) / sum(node.width for node in column) for column in columns)
    xs, ys = [], []
    for column in columns:
        top = 0.0
        for node in column:
            height = node.width * scale
            xs.append(min(0.999, max(0.001, node.column / len(columns))))
            ys.append(min(0.999, max(0.001, (top + height / 2) / inner)))
            top += height + _PAD
    # Plotly writes the last column's names to its left, over the flow: so an empty column comes last.
    links = [*diagram.links, (0, len(nodes), "rgba(0,0,0,0)", "")]
    sankey = go.Sankey(
        arrangement="fixed",
        node={
            "label": [*(node.text for node in nodes), ""],
            "color": [*(node.colour for node in nodes), "rgba(0,0,0,0)"],
            "x": [*xs, 0.999],
            "y": [*ys, 0.999],
            "align": "left",  # else what leaves early stands in the last column, and its link is sorted by that place
            "pad": _PAD,
            "thickness": 10,
            "line": {"width": 0},
            "hoverinfo": "none",
        },
        link={
            "source": [source for source, _, _, _ in links],
            "target": [target for _, target, _, _ in links],
            "value": [*(max(nodes[target].width, _NOTHING) for _, target, _, _ in diagram.links), _NOTHING],
            "color": [colour for _, _, colour, _ in links],
            "customdata": [hover for _, _, _, hover in links],
            "hovertemplate": "%{customdata}<extra></extra>",
        },
    )
    figure = go.Figure(sankey)
    figure.update_layout(margin={"l": _MARGIN, "r": _MARGIN, "t": _MARGIN, "b": _MARGIN})
    return finished(figure, int(inner + 2 * _MARGIN), 190 * len(columns))
