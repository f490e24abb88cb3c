"""Accuracy against seconds of training: a table, a comparison and a figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_ccl.results import drawing

Run = dict[str, Any]
"""What was measured of one run: epochs, seconds, cpu_seconds, accuracy."""

Curves = Mapping[str, Sequence[Run]]
"""The runs of each contender on one stream, those of fewest epochs first."""


def table(stream: str, curves: Curves) -> str:
    """One line per run."""
    lines = [f"{stream:<18}  epochs  seconds  CPU seconds  accuracy"]
    for name, runs in curves.items():
        lines += [
            f"{name:<18}  {run['epochs']:>6}  {run['seconds']:>7.1f}  {run['cpu_seconds']:>11.1f}"
            f"  {run['accuracy']:>8.4f}"
            for run in runs
        ]
    return "\n".join(lines)


def least(clock: str, runs: Sequence[Run], accuracy: float) -> float | None:
    """Least time of a run with at least this accuracy; None if no run has it."""
    return min((run[clock] for run in runs if run["accuracy"] >= accuracy), default=None)


def compared(ours: Sequence[Run], peer: Sequence[Run]) -> dict[str, Any]:
    """The time of both to every accuracy that a peer reaches, and the distance at the end.

    Args:
        ours: our runs; the last is the longest.
        peer: the runs of a peer.

    Returns:
        `to_reach`: for each accuracy the seconds of the peer and ours, and how many times ours the
        peer takes, by the clock on the wall and by CPU time; None where no run of ours has it.
        `points_above_its_best`: of our last run, in percentage points.
    """
    reached, to_reach = sorted({run["accuracy"] for run in peer}), []
    for accuracy in reached:
        found = {"accuracy": accuracy}
        for clock in ("seconds", "cpu_seconds"):
            theirs, ourselves = least(clock, peer, accuracy), least(clock, ours, accuracy)
            ratio = None if ourselves is None else round(theirs / ourselves, 2)
            found |= {f"peer_{clock}": theirs, f"our_{clock}": ourselves, f"{clock}_ratio": ratio}
        to_reach.append(found)
    points = 100 * (ours[-1]["accuracy"] - reached[-1])
    return {"to_reach": to_reach, "points_above_its_best": round(points, 2)}


def in_words(stream: str, peer: str, found: dict[str, Any]) -> str:
    """What `compared` returns, one line per accuracy."""
    points = found["points_above_its_best"]
    lines = [f"{stream}, beside {peer}: we end {points:+.2f} points from its best"]
    for at in found["to_reach"]:
        told = f"  {at['accuracy']:.4f}: {at['peer_seconds']:.1f} s, "
        if at["our_seconds"] is None:
            told += "not reached by us"
        else:
            told += f"we {at['our_seconds']:.1f} s: a ratio of {at['seconds_ratio']:.2f}"
            told += f" ({at['cpu_seconds_ratio']:.2f} by CPU time)"
        lines.append(told)
    return "\n".join(lines)


def draw(streams: Mapping[str, Curves], path: Path, *, broad: str, title: str) -> None:
    """One panel per stream, seconds on a log axis.

    Args:
        streams: curves by the name of their stream.
        path: the file to write.
        broad: the contender that a broad line is drawn for.
        title: what stands above the figure.
    """
    figure, panels = drawing.panels(len(streams), title)
    for axes, (stream, curves) in zip(panels, streams.items(), strict=True):
        drawing.label_axes(axes, f"{stream} MNIST", "seconds of training", "accuracy")
        drawing.from_floor(axes, 0.0)
        axes.set_xscale("log")
        for number, (name, runs) in enumerate(curves.items()):
            points = np.array(sorted((run["seconds"], run["accuracy"]) for run in runs))
            style = drawing.style_of(number) | {"linewidth": 3 if name == broad else 1.2}
            axes.plot(*points.T, label=name, **style)
    panels[0].legend(fontsize=8)
    drawing.save_figure(figure, path)
