"""Several methods, and joint training, side by side on one stream.

    python examples/compare.py permuted                                 # all methods, seed 0
    python examples/compare.py mnist-fashion --methods ccl-gm ewc joint --seeds 0 1 2
    python examples/compare.py split --dataset fashion_mnist --method joint --full --data-dir DIR

STREAM is that of the example of the same name; `compare.py STREAM --help` lists the options.
Joint training keeps all data and is not continual: it is the upper bound. Heads in closed form have
no networks: they read each row once, whatever --epochs says. Writes to --out:
history-METHOD-SEED.json and model-METHOD-SEED.keras, figure.png, and of CCL-GM images.png and
overview.png: its accuracy beside the other methods, above what it generates after each task.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import figures
import keras
import methods
import numpy as np
import running

import keras_ccl as ccl
from keras_ccl.methods.registry import HEADS

STREAMS = {
    "permuted": {"tasks": 5},
    "split": {"tasks": 5, "most_tasks": 5},
    "mnist-fashion": {"tasks": 3, "most_tasks": 3},
    "rotated": {"tasks": 5},
}
"""The defaults of each stream, as in its example."""


def command_line() -> running.Parser:
    """One set of options for each stream, so that no stream accepts a flag of another."""
    parser = running.Parser(
        prog="compare.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    streams = parser.add_subparsers(dest="stream", metavar="STREAM", required=True)
    for name, defaults in STREAMS.items():
        options = streams.add_parser(name, allow_abbrev=False, help=f"the stream {name!r}")
        add_options(options)
        running.add_stream_options(options, **defaults)
        options.set_defaults(out=Path("out") / f"compare-{name}")
        if name == "split":
            options.add_argument("--dataset", choices=("mnist", "fashion_mnist"), default="mnist")
    return parser


def add_options(options: argparse.ArgumentParser) -> None:
    """The options that are the same for every stream."""
    methods.add_option(options)
    options.add_argument(
        "--seeds",
        "--seed",
        type=running.seed_number,
        nargs="+",
        default=[0],
        help="of the stream, the weights and the noise; several are averaged",
    )
    options.add_argument("--architecture", choices=ccl.networks.ARCHITECTURES, default="dense")
    options.add_argument(
        "--classification-weight",
        type=non_negative,
        help="of every method; default: that of each method",
    )
    options.add_argument(
        "--checkpoint-dir",
        type=running.folder,
        help="save each epoch of every method; the same command resumes from it",
    )
    options.add_argument("--out", type=running.folder)


def non_negative(text: str) -> float:
    """An argparse type: a finite number of at least 0."""
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a finite number >= 0, received {text!r}")
    return number


def stream_maker(arguments: argparse.Namespace) -> Callable[[int], ccl.TaskStream]:
    """Load the data: a function of a seed that returns the stream."""
    tasks = arguments.tasks
    if arguments.stream == "permuted":
        mnist = running.load("mnist", arguments)
        return lambda seed: ccl.streams.permuted(mnist, tasks=tasks, seed=seed)
    if arguments.stream == "split":
        data = running.load(arguments.dataset, arguments)
        return lambda seed: ccl.streams.split(data, classes_per_task=2)[:tasks]
    fashion = running.load("fashion_mnist", arguments)
    if arguments.stream == "rotated":
        return lambda seed: ccl.streams.rotated(fashion, tasks=tasks)
    mnist = running.load("mnist", arguments)

    def mnist_fashion(seed: int) -> ccl.TaskStream:
        permuted = ccl.streams.permuted(mnist, tasks=2, seed=seed)[1]
        return ccl.streams.sequence(mnist, fashion, permuted)[:tasks]

    return mnist_fashion


def learn(
    method: str,
    stream: ccl.TaskStream,
    seed: int,
    arguments: argparse.Namespace,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> tuple[keras.Model, ccl.TaskHistory]:
    """Learn the stream with one method."""
    options: dict[str, Any] = {"seed": seed}
    if method not in HEADS:
        options["architecture"] = arguments.architecture
        if arguments.classification_weight is not None:
            options["classification_weight"] = arguments.classification_weight
    folder = arguments.checkpoint_dir and arguments.checkpoint_dir / f"{method}-{seed}"
    run = {"epochs": arguments.epochs, "checkpoint_dir": folder, "callbacks": callbacks}
    return methods.learn(method, (28, 28, 1), 10, stream, **run, **options)


def compare(
    make_stream: Callable[[int], ccl.TaskStream], names: list[str], arguments: argparse.Namespace
) -> tuple[dict[str, list[ccl.TaskHistory]], dict[str, np.ndarray]]:
    """Learn with every method and seed, and write what comes of each.

    Returns:
        Histories by method, and what CCL-GM generates after each task, if it is among them.
    """
    histories, dreams = {method: [] for method in names}, {}
    shown = "ccl-gm", arguments.seeds[0]
    for seed in arguments.seeds:
        stream = make_stream(seed)
        for method in names:
            print(f"{method}, seed {seed}", flush=True)
            samples, is_shown = figures.TeacherSamples(), (method, seed) == shown
            told = [samples] if is_shown else []
            model, history = learn(method, stream, seed, arguments, told)
            print(history.table(), flush=True)
            history.to_json(arguments.out / f"history-{method}-{seed}.json")
            model.save(arguments.out / f"model-{method}-{seed}.keras")
            histories[method].append(history)
            print(f"kept beside the networks: {model.kept_bytes / 1e6:.1f} MB", flush=True)
            if is_shown:
                ccl.plotting.plot_images(images(model, stream), arguments.out / "images.png")
                seen = [f"after {task.name}" for task in stream]
                dreams = dict(zip(seen, samples.after_each_task(model) or [], strict=False))
    return histories, dreams


def images(model: ccl.JointVAE, stream: ccl.TaskStream, n: int = 16) -> dict[str, np.ndarray]:
    """Test images of each task, their reconstructions by the last student, and its samples."""
    rows = {}
    for task in stream:
        x, _ = running.test_rows(task)
        rows[f"{task.name}: test"] = x[:n]
        rows[f"{task.name}: reconstructed"] = model.reconstruct(x[:n])
    return {**rows, "generated": model.generate(n, seed=0)[0]}


def title_of(arguments: argparse.Namespace) -> str:
    """What stands above the figures: stream, epochs if they were named, data and seeds."""
    streams = {
        "permuted": "permuted mnist",
        "mnist-fashion": "mnist, fashion_mnist, permuted mnist",
        "rotated": "rotated fashion_mnist",
    }
    stream = streams.get(arguments.stream) or f"split {arguments.dataset}"
    epochs = f", {arguments.epochs} epochs per task" if arguments.epochs else ""
    return figures.title(stream + epochs, arguments)


def print_averages(histories: dict[str, list[ccl.TaskHistory]]) -> None:
    """Print a line per method: the average accuracy at the end, over the seeds, and nats."""
    print(f"{'':<14}{'average accuracy':>18}{'least':>9}{'most':>9}{'neg. ELBO':>12}")
    for method, runs in histories.items():
        last = [run.average_accuracy[-1] for run in runs]
        nats = np.mean([run.average_negative_elbo[-1] for run in runs])
        print(f"{method:<14}{np.mean(last):>18.4f}{min(last):>9.4f}{max(last):>9.4f}{nats:>12.2f}")


def main(argv: list[str] | None = None) -> None:
    parser = command_line()
    arguments = running.parse(parser, argv)
    make_stream = stream_maker(arguments)
    with running.stoppable(arguments):
        histories, dreams = compare(make_stream, methods.chosen(arguments), arguments)
    title = title_of(arguments)
    ccl.plotting.plot_comparison(histories, arguments.out / "figure.png", title=title)
    if dreams:
        ccl.plotting.plot_overview(histories, dreams, arguments.out / "overview.png", title=title)
    print_averages(histories)
    print(f"figure, histories and models are in {arguments.out}")


if __name__ == "__main__":
    main()
