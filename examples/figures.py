"""What the figures of the examples show: titles, and images that a teacher generates."""

import argparse

import keras
import numpy as np

import keras_ccl as ccl

NAMES = {"fashion_mnist": "Fashion-MNIST", "mnist": "MNIST", "cifar100": "CIFAR-100"}


def title(what: str, arguments: argparse.Namespace) -> str:
    """The title of a figure: what learnt what, of which data, and the seeds."""
    for name, written in NAMES.items():
        what = what.replace(name, written)
    data = "all of the data" if arguments.full else "the subset in the package"
    seeds = vars(arguments).get("seeds") or [arguments.seed]
    return f"{what}, {data}, seed {', '.join(map(str, seeds))}"


class TeacherSamples(keras.callbacks.Callback):
    """Keeps the images that the model generates after each task, for the figure.

    Args:
        rows: the number of images per task.
    """

    def __init__(self, rows: int = 16):
        super().__init__()
        self.rows = rows
        self.images = []

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Draw images when the next task begins: only then has the last one ended."""
        if int(self.model.tasks_seen.numpy()) > len(self.images):
            self.images.append(self._draw(self.model))

    def after_each_task(self, model: ccl.CCLGM) -> list[np.ndarray] | None:
        """Images [rows, height, width, channels] of each task; None if a resumed run lacks some."""
        images = [*self.images, self._draw(model)]
        return images if len(images) == int(model.tasks_seen.numpy()) else None

    def _draw(self, model: ccl.CCLGM) -> np.ndarray:
        return model.generate(self.rows, seed=0)[0]
