"""Class-incremental photographs through a frozen network, one head for all classes, no task label.

    python examples/split_cifar100.py                        # embedded Fashion-MNIST, minutes
    python examples/split_cifar100.py --full --data-dir DIR  # CIFAR-100, from a TFDS folder
    python examples/split_cifar100.py --full --data-dir DIR --backbone c3 --weights FILE.npz

Needs the extras `examples` and `backbones`, which has the weights of SqueezeNet. --seed draws the
order of the classes too; --tasks is any number that divides theirs, by default 5, of CIFAR-100 10.

Several methods stand beside each other. The first that is not joint training learns the images,
through its backbone, and is saved and exported with it. The others learn the features, which are
made once: a backbone is frozen, so they are the same for all. `ridge-patches` is not among the
methods: features have no patches. Joint training keeps all images and is not continual: it is the
upper bound. Writes to --out: history-METHOD.json, figure.png, model.keras, and the exported
classifier in export/.
"""

import argparse
import dataclasses
import time
from typing import Any, NamedTuple

import backbones
import figures
import keras
import methods
import running

import keras_ccl as ccl

NAMES = tuple(name for name in methods.ALL if name != "ridge-patches")
SHORT = ("ccl-gm", "nearest-mean", "lda", "joint")
"""What a command without --methods compares."""

RESIZING = {"squeezenet": (backbones.squeezenet, 64), "mobilenet": (backbones.mobilenet, 96)}
"""Backbones of any size of images, and the default: small, since the time grows by the square."""

EXPORT_ROWS, MEASURED_ROWS = 100, 1000
"""Test images that the export is compared on before it appears, and that it answers afterwards."""


class Learnt(NamedTuple):
    """What came of a method: its history, what it kept of earlier tasks, and its time."""

    history: ccl.TaskHistory
    kept_bytes: int
    seconds: float


def main(argv: list[str] | None = None) -> None:
    arguments = running.parse(command_line(), argv)
    name = "cifar100" if arguments.full else "fashion_mnist"
    check(arguments, classes=len(ccl.datasets.CLASS_NAMES[name]))
    data = running.load(name, arguments, scaled=False)
    backbone = make_backbone(arguments, data.train[0].shape[1:])
    with running.stoppable(arguments):
        learnt = compare(data, backbone, methods.chosen(arguments, NAMES), arguments)
    print_table(learnt)
    histories = {method: [each.history] for method, each in learnt.items()}
    title = figures.title(f"{name} by classes", arguments)
    ccl.plotting.plot_comparison(histories, arguments.out / "figure.png", title=title)
    minutes = (time.monotonic() - arguments.started) / 60
    print(f"{minutes:.1f} minutes; what was written is in {arguments.out}")


def command_line() -> running.Parser:
    parser = running.parser("split_cifar100", __doc__, tasks=None)
    methods.add_option(parser, NAMES, SHORT)
    parser.add_argument("--backbone", choices=(*RESIZING, "c3"), default="squeezenet")
    parser.add_argument("--weights", help="file of the backbone's weights, as backbones.py says")
    parser.add_argument(
        "--image-size",
        type=running.whole_number(32),
        help="that images are resized to; default: "
        + ", ".join(f"{size} for {name}" for name, (_, size) in RESIZING.items()),
    )
    return parser


def check(arguments: argparse.Namespace, *, classes: int) -> None:
    """Refuse what cannot go together; set the number of tasks where none is given."""
    arguments.tasks = arguments.tasks or (10 if arguments.full else 5)
    if classes % arguments.tasks:
        arguments.error(f"--tasks: expected a divisor of {classes}, received {arguments.tasks}")
    if arguments.backbone == "c3":
        if not arguments.full:
            arguments.error("--backbone c3 needs --full: it takes colour images of 32 x 32 alone")
        if not arguments.weights:
            arguments.error("--backbone c3 needs --weights: the .npz file of its convolutions")
        if arguments.image_size:
            arguments.error("--image-size has no effect on c3, which takes images as they are")


def make_backbone(arguments: argparse.Namespace, image_shape: tuple[int, int, int]) -> keras.Model:
    """The frozen network from images to features."""
    try:
        if arguments.backbone == "c3":
            return backbones.c3(arguments.weights)
        make, size = RESIZING[arguments.backbone]
        return make(image_shape, size=arguments.image_size or size, weights=arguments.weights)
    except (OSError, ImportError, ValueError) as error:
        arguments.error(f"--backbone {arguments.backbone}: {error}")


def compare(
    data: ccl.datasets.Dataset,
    backbone: keras.Model,
    names: list[str],
    arguments: argparse.Namespace,
) -> dict[str, Learnt]:
    """Learn with every method, and write what comes of each."""
    on_images = next((name for name in names if name != "joint"), None)
    features = features_of(data, backbone) if names != [on_images] else None
    learnt = {}
    for name in names:
        print(f"\n{name}", flush=True)
        begun = time.monotonic()
        if name == on_images:
            model, history = learn(name, data, arguments, backbone=backbone)
        else:
            model, history = learn(name, features, arguments)
        seconds = time.monotonic() - begun
        kept = data.train[0].nbytes if name == "joint" else model.kept_bytes
        learnt[name] = Learnt(history, kept, seconds)
        print(history.table(), flush=True)
        history.to_json(arguments.out / f"history-{name}.json")
        if name == on_images:
            write(model, data, arguments)
    return learnt


def learn(
    name: str, data: ccl.datasets.Dataset, arguments: argparse.Namespace, **options: Any
) -> tuple[keras.Model, ccl.TaskHistory]:
    """Learn the same classes in the same order with any method, from images or features."""
    shape, classes = data.train[0].shape[1:], len(data.class_names)
    stream = ccl.streams.split(
        data, classes_per_task=classes // arguments.tasks, seed=arguments.seed
    )
    folder = arguments.checkpoint_dir and arguments.checkpoint_dir / name
    run = {"epochs": arguments.epochs, "checkpoint_dir": folder}
    return methods.learn(name, shape, classes, stream, **run, seed=arguments.seed, **options)


def features_of(data: ccl.datasets.Dataset, backbone: keras.Model) -> ccl.datasets.Dataset:
    """The same rows with features in place of images."""
    begun = time.monotonic()
    train, test = (
        (backbone.predict(x, batch_size=256, verbose=0), y) for x, y in (data.train, data.test)
    )
    seconds = time.monotonic() - begun
    rows = len(train[0]) + len(test[0])
    print(f"features {train[0].shape[1:]} of {rows} images: {seconds:.0f} s", flush=True)
    return dataclasses.replace(data, train=train, test=test)


def write(
    model: keras.Model,
    data: ccl.datasets.Dataset,
    arguments: argparse.Namespace,
) -> None:
    """Save and export the model, backbone and all, and let the export answer test images."""
    model.save(arguments.out / "model.keras")
    export = arguments.out / "export"
    x, y = data.test  # the classes mixed
    ccl.export_student(
        model,
        export,
        formats="onnx",
        examples=(x[:EXPORT_ROWS], y[:EXPORT_ROWS]),
        class_names=data.class_names,
        overwrite=True,
    )
    running.time_export(model, export / "classifier.onnx", x[:MEASURED_ROWS], y[:MEASURED_ROWS])


def print_table(learnt: dict[str, Learnt]) -> None:
    """Print a line per method: what it kept, its time, and the average accuracy after each task."""
    tasks = range(1, 1 + max(len(each.history) for each in learnt.values()))
    print(f"\naverage accuracy after each task, MB kept, seconds\n{'':<14}", end=" ")
    print(*(f"{k:>6}" for k in tasks), f"{'MB':>8} {'s':>6}")
    for name, (history, kept, seconds) in learnt.items():
        averages = (f"{average:6.4f}" for average in history.average_accuracy)
        print(f"{name:<14}", *averages, f"{kept / 1e6:8.2f} {seconds:6.0f}")


if __name__ == "__main__":
    main()
