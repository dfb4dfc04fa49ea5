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

    figure = Figure(figsize=(7, 4), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    steps = np.array([line["step"] for line in metrics])
    losses = np.array([line["loss"] for line in metrics])
    axes.plot(steps, losses, color="#9db8d9", linewidth=1, label="loss of each step")
    if len(losses) >= 20:
        axes.plot(steps, smoothed(losses), color="#1f5fa8", linewidth=2, label="smoothed")
    if held_out is not None:
        ends = [0, int(steps[-1])]
        axes.plot(ends, held_out, "o--", color="#c2571a", linewidth=1, label="held-out rows, before and after")
    axes.set(title=title, xlabel="optimiser step", ylabel="loss (nats per answer token)", ylim=(0, None))
    axes.grid(alpha=0.25)
    rates = axes.twinx()
    rates.plot(steps, [line["learning_rate"] for line in metrics], color="#888888", linewidth=1, linestyle=":")
    rates.set_ylabel("learning rate (dotted)", color="#666666")
    rates.set_ylim(0, None)
    axes.legend(loc="upper right", frameon=False)
    figure.savefig(path)


def smoothed(values: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the running mean over a tenth of the values, `(n,)`; at the ends over as many as there are."""
    width = max(1, len(values) // 10)
    kernel = np.ones(width)
    return np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")
