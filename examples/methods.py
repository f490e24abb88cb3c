"""The methods of the library by their names: chosen on the command line, and made to learn."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

import keras_ccl as ccl
from keras_ccl.methods.registry import HEADS, METHODS

ALL = (*METHODS, *HEADS, "joint")


def add_option(
    options: argparse.ArgumentParser,
    names: Sequence[str] = ALL,
    default: Sequence[str] = ("all",),
) -> None:
    """Add --methods.

    Args:
        options: the parser.
        names: the methods to choose from.
        default: those of a command without it.
    """
    options.add_argument(
        "--methods",
        "--method",
        nargs="+",
        choices=(*names, "all"),
        default=list(default),
        metavar="METHOD",
        help=f"of {', '.join(names)}, or all; default: {' '.join(default)}",
    )


def chosen(arguments: argparse.Namespace, names: Sequence[str] = ALL) -> list[str]:
    """The methods of a command line, each once, in their order there."""
    return list(names if "all" in arguments.methods else dict.fromkeys(arguments.methods))


def learn(
    method: str,
    shape: tuple[int, ...],
    classes: int,
    stream: ccl.TaskStream,
    *,
    epochs: int | None,
    checkpoint_dir: Path | None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    **options: Any,
) -> tuple[keras.Model, ccl.TaskHistory]:
    """Learn a stream with one method.

    Args:
        method: one of `ALL`.
        shape: of one x.
        classes: K.
        stream: the tasks.
        epochs: per task; heads in closed form read each row once, whatever it says.
        checkpoint_dir: as in `fit_tasks`, or None.
        callbacks: as in `fit_tasks`; joint training and heads are not told to them.
        **options: of the model.

    Returns:
        The model after the last task, and the history.
    """
    if method == "joint":

        def make() -> ccl.JointVAE:
            return ccl.JointVAE(shape, classes, prior="mixture", **options)

        return ccl.fit_jointly(make, stream, epochs=epochs, checkpoint_dir=checkpoint_dir)
    if method in HEADS:
        head = HEADS[method](shape, classes, **options)
        return head, head.fit_tasks(stream, checkpoint_dir=checkpoint_dir)
    model = METHODS[method](shape, classes, **options)
    run = {"epochs": epochs, "checkpoint_dir": checkpoint_dir, "callbacks": list(callbacks)}
    return model, model.fit_tasks(stream, **run)
