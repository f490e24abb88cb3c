"""What the examples share: the command line, the data, and the run that ends in files."""

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's notes on CPUs and GPUs

import keras
import onnxruntime

import keras_ccl as ccl

METHODS = {
    "ccl-gm": ccl.CCLGM,
    "ccl-gm-paper": ccl.CCLGM.paper,
    "vae-cl": ccl.JointVAE,
    "ewc": ccl.EWC,
}
CHOICES = (*METHODS, "joint", "all")


class TeacherSamples(keras.callbacks.Callback):
    """Keeps what the model generates after each task, for the figure."""

    def __init__(self, rows=16):
        super().__init__()
        self.rows = rows
        self.images = []

    def on_train_begin(self, logs=None):
        if int(self.model.tasks_seen.numpy()) > len(self.images):
            self.take(self.model)

    def take(self, model):
        """Draw images from the same noise each time."""
        self.images.append(model.generate(self.rows, seed=0)[0])


def parser(name, description, *, tasks, epochs, full_epochs):
    """The options of every example.

    Args:
        name: of the example, and of its folder in `out`.
        tasks, epochs, full_epochs: the defaults; the last with `--full`.
    """
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--tasks", type=int, default=tasks)
    options.add_argument(
        "--epochs", type=int, help=f"a task; default: {epochs}, with --full {full_epochs}"
    )
    options.add_argument(
        "--method",
        choices=CHOICES,
        default="ccl-gm",
        help="joint: all tasks at once, the upper bound, not continual; all: side by side",
    )
    options.add_argument("--architecture", choices=ccl.networks.ARCHITECTURES, default="dense")
    options.add_argument(
        "--classification-weight", type=float, help="of every method; default: each its own"
    )
    options.add_argument("--seed", type=int, default=0, help="of the stream, weights and noise")
    options.add_argument("--seeds", type=int, nargs="+", help="with --method all: several")
    options.add_argument("--full", action="store_true", help="all of the data, through TFDS")
    options.add_argument("--data-dir", help="TFDS folder that holds the data, for --full")
    options.add_argument("--download", action="store_true", help="let TFDS fetch it, for --full")
    options.add_argument(
        "--checkpoint-dir", type=Path, help="save each epoch; the same command goes on from there"
    )
    options.add_argument("--out", type=Path, default=Path("out") / name)
    options.set_defaults(few_epochs=epochs, many_epochs=full_epochs)
    return options


def load(name, arguments):
    """A dataset from where the command line says."""
    if not arguments.full:
        return ccl.datasets.load(name)
    return ccl.datasets.load(
        name, source="tfds", data_dir=arguments.data_dir, download=arguments.download
    )


def run(make_stream, arguments):
    """Learn a stream by one method, or by all of them side by side; write what came of it.

    Args:
        make_stream: a function of a seed that returns a `TaskStream`.
    """
    arguments.out.mkdir(parents=True, exist_ok=True)
    try:
        if arguments.method == "all":
            compare(make_stream, arguments)
        else:
            run_one(make_stream(arguments.seed), arguments)
    except KeyboardInterrupt:
        kept = arguments.checkpoint_dir
        sys.exit(f"\nstopped; {'the same command goes on' if kept else 'nothing was kept'}")


def epochs_of(arguments):
    """Epochs of each task: as given, or the example's own for the data it runs on."""
    if arguments.epochs is not None:
        return arguments.epochs
    return arguments.many_epochs if arguments.full else arguments.few_epochs


def learn(stream, method, seed, arguments, callbacks=()):
    """One method on one stream: the model and its `TaskHistory`."""
    epochs = epochs_of(arguments)
    options = {"architecture": arguments.architecture, "seed": seed}
    if arguments.classification_weight is not None:
        options["classification_weight"] = arguments.classification_weight
    if method == "joint":
        make = lambda: ccl.JointVAE((28, 28, 1), 10, prior="mixture", **options)  # noqa: E731
        return ccl.fit_jointly(make, stream, epochs=epochs)
    model = METHODS[method]((28, 28, 1), 10, **options)
    folder = arguments.checkpoint_dir and arguments.checkpoint_dir / f"{method}-{seed}"
    history = model.fit_tasks(
        stream, epochs=epochs, callbacks=list(callbacks), checkpoint_dir=folder
    )
    return model, history


def run_one(stream, arguments):
    """Table, history.json, figure.png, model.keras, and the exported student in export/."""
    started = time.monotonic()
    samples = TeacherSamples()
    callbacks = [] if arguments.method == "joint" else [samples]
    model, history = learn(stream, arguments.method, arguments.seed, arguments, callbacks)
    samples.take(model)
    drawn = samples.images if len(samples.images) == len(history) else None  # a resumed run's
    print(history.table())
    history.to_json(arguments.out / "history.json")
    history.plot(arguments.out / "figure.png", samples=drawn)
    model.save(arguments.out / "model.keras")
    export(model, stream[-1], arguments.out / "export")
    minutes = (time.monotonic() - started) / 60
    print(
        f"average accuracy {history.average_accuracy[-1]:.4f} over {len(history)} tasks, "
        f"{minutes:.1f} minutes; history, figure, model and export are in {arguments.out}"
    )


def compare(make_stream, arguments):
    """Every method with every seed: a history each, the figure of them all, and images."""
    seeds = arguments.seeds or [arguments.seed]
    histories = {}
    for seed in seeds:
        stream = make_stream(seed)
        for method in (*METHODS, "joint"):
            print(f"{method}, seed {seed}", flush=True)
            model, history = learn(stream, method, seed, arguments)
            print(history.table(), flush=True)
            history.to_json(arguments.out / f"history-{method}-{seed}.json")
            histories.setdefault(method, []).append(history)
            if method == "ccl-gm" and seed == seeds[0]:
                ccl.plotting.plot_images(images(model, stream), arguments.out / "images.png")
    ccl.plotting.plot_comparison(histories, arguments.out / "figure.png")
    print(f"{'':<14}{'average accuracy':>18}{'least':>9}{'most':>9}{'neg. ELBO':>12}")
    for method, runs in histories.items():
        last = [run.average_accuracy[-1] for run in runs]
        nats = sum(run.average_negative_elbo[-1] for run in runs) / len(runs)
        mean = sum(last) / len(last)
        print(f"{method:<14}{mean:>18.4f}{min(last):>9.4f}{max(last):>9.4f}{nats:>12.2f}")
    print(f"figure, images and histories are in {arguments.out}")


def images(model, stream, n=16):
    """Test images of each task, their reconstructions by the last student, and its samples."""
    rows = {}
    for task in stream:
        x, _ = test_rows(task)
        rows[f"{task.name}: test"] = x[:n]
        rows[f"{task.name}: reconstructed"] = model.reconstruct(x[:n])
    return {**rows, "generated": model.generate(n, seed=0)[0]}


def export(model, task, folder):
    """Export the student, and classify the test images of a task by ONNX Runtime."""
    x, y = test_rows(task)
    ccl.export_student(model, folder, formats="onnx", examples=(x, y), overwrite=True)
    classify = onnxruntime.InferenceSession(str(folder / "classifier.onnx"))
    (probabilities,) = classify.run(["probabilities"], {"x": x})
    accuracy = (probabilities.argmax(1) == y).mean()
    print(f"ONNX Runtime: accuracy {accuracy:.4f} on the test images of {task.name!r}")


def test_rows(task):
    """x and y of a task's test split."""
    return task.test() if callable(task.test) else task.test
