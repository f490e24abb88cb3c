"""Figure 3 of the paper: a classifier learns permuted MNIST, task after task, and does not forget.

    python examples/permuted_mnist.py                             # embedded subset, minutes
    python examples/permuted_mnist.py --full --data-dir DIR       # all of MNIST, from a TFDS folder

Writes to --out: history.json, figure.png and model.keras.
"""

import argparse
import time
from pathlib import Path

import keras

import keras_ccl as ccl

METHODS = {"ccl-gm": ccl.CCLGM, "ccl-gm-paper": ccl.CCLGM.paper, "vae-cl": ccl.JointVAE}


class TeacherSamples(keras.callbacks.Callback):
    """Keeps what the model generates after each task, for the figure."""

    def __init__(self, rows=16):
        super().__init__()
        self.rows = rows
        self.images = []

    def on_train_begin(self, logs=None):
        if int(self.model.tasks_seen) > len(self.images):
            self.take(self.model)

    def take(self, model):
        """Draw images from the same noise each time."""
        self.images.append(model.generate(self.rows, seed=0)[0])


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="a task; default: 10, with --full 8")
    parser.add_argument("--method", choices=METHODS, default="ccl-gm")
    parser.add_argument("--architecture", choices=ccl.networks.ARCHITECTURES, default="dense")
    parser.add_argument("--seed", type=int, default=0, help="of permutations, weights and noise")
    parser.add_argument("--full", action="store_true", help="all of MNIST, through TFDS")
    parser.add_argument("--data-dir", help="TFDS folder with mnist, for --full")
    parser.add_argument("--download", action="store_true", help="let TFDS fetch mnist, for --full")
    parser.add_argument("--out", type=Path, default=Path("out/permuted_mnist"))
    return parser.parse_args()


def load(arguments):
    """MNIST from where the command line says."""
    if not arguments.full:
        return ccl.datasets.load("mnist")
    return ccl.datasets.load(
        "mnist", source="tfds", data_dir=arguments.data_dir, download=arguments.download
    )


def main():
    arguments = parse()
    arguments.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    stream = ccl.streams.permuted(load(arguments), tasks=arguments.tasks, seed=arguments.seed)
    model = METHODS[arguments.method](
        (28, 28, 1), 10, architecture=arguments.architecture, seed=arguments.seed
    )
    samples = TeacherSamples()
    history = model.fit_tasks(
        stream, epochs=arguments.epochs or (8 if arguments.full else 10), callbacks=[samples]
    )
    samples.take(model)
    print(history.table())
    history.to_json(arguments.out / "history.json")
    history.plot(arguments.out / "figure.png", samples=samples.images)
    model.save(arguments.out / "model.keras")
    minutes = (time.monotonic() - started) / 60
    print(
        f"average accuracy {history.average_accuracy[-1]:.4f} over {len(history)} tasks,", end=" "
    )
    print(f"{minutes:.1f} minutes; history, figure and model are in {arguments.out}")


if __name__ == "__main__":
    main()
