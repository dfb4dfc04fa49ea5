"""The loss of a stage as a picture: metrics.jsonl  ─►  loss.png."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


def plot_loss(metrics: Sequence[dict[str, Any]], title: str, path: Path, held_out: tuple[float, float] | None) -> None:
    """Write the loss and the learning rate over the steps; `held_out` is the loss before and after, if measured."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7, 4), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    steps = np.array([line["step"] for line in metrics])
    losses = np.array([line["loss"] for line in metrics])
    is_long = len(losses) >= 20
    axes.plot(steps, losses, color="#9db8d9" if is_long else "#1f5fa8", linewidth=1, label="loss of each step")
    if is_long:
        axes.plot(steps, smoothed(losses), color="#1f5fa8", linewidth=2, label="smoothed")
    if held_out is not None:
        ends = [0, int(steps[-1])]
        axes.plot(ends, held_out, "o--", color="#c2571a", linewidth=1, label="held-out rows, before and after")
    axes.set(title=title, xlabel="optimiser step", ylabel="loss (nats per answer token)", ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    rates = axes.twinx()
    rates.plot(steps, [line["learning_rate"] for line in metrics], color="#888888", linewidth=1, linestyle=":")
    rates.set_ylabel("learning rate (dotted)", color="#666666")
    rates.set_ylim(0, None)
    rates.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    axes.legend(loc="upper right", frameon=False)
    figure.savefig(path)


def smoothed(values: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the running mean over a tenth of the values, `(n,)`; at the ends over as many as there are."""
    width = max(1, len(values) // 10)
    kernel = np.ones(width)
    return np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")
