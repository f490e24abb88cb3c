"""What the examples share: the command line, the data, and the check of the exported classifier."""

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # hides TensorFlow's notes on CPUs and GPUs

import keras
import numpy as np
import onnxruntime

import keras_ccl as ccl

BATCH = 100
"""Images that an exported classifier answers at once."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line on stderr and exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (--help lists the options)\n")


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """An argparse type: an integer from `least` to `most`."""
    wanted = f"from {least} to {most}" if most is not None else f"of at least {least}"

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least or (most is not None and number > most):
            raise argparse.ArgumentTypeError(f"expected an integer {wanted}, received {text!r}")
        return number

    return parse


seed_number = whole_number(0, 2**31 - 1)


def share(text: str) -> float:
    """Parse a number in [0, 1)."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"expected a share in [0, 1), received {text!r}")
    return value


def folder(text: str) -> Path:
    """An argparse type: a folder that exists or can be made."""
    path = Path(text)
    first = next(each for each in (path, *path.absolute().parents) if each.exists())
    if not first.is_dir():
        raise argparse.ArgumentTypeError(f"expected a folder, but {str(first)!r} is a file")
    return path


def parser(
    name: str,
    about: str,
    *,
    tasks: int | None,
    most_tasks: int | None = None,
    resumes: bool = True,
) -> Parser:
    """The command line of one example.

    Args:
        name: of the example, and of its folder in `out`.
        about: its docstring.
        tasks: the default, or None if it depends on the data.
        most_tasks: how many tasks the stream has, or None if it can have any number.
        resumes: whether it can go on from checkpoints.
    """
    options = Parser(
        prog=f"{name}.py",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_stream_options(options, tasks=tasks, most_tasks=most_tasks)
    options.add_argument(
        "--seed", type=seed_number, default=0, help="of the stream, the weights and the noise"
    )
    if resumes:
        options.add_argument(
            "--checkpoint-dir",
            type=folder,
            help="save each epoch; the same command resumes from it",
        )
    else:
        options.set_defaults(checkpoint_dir=None)
    options.add_argument("--out", type=folder, default=Path("out") / name)
    return options


def add_stream_options(
    options: argparse.ArgumentParser,
    *,
    tasks: int | None,
    most_tasks: int | None = None,
    epochs: int | None = None,
) -> None:
    """Add --tasks, --epochs, and where the data come from; arguments as in `parser`."""
    number = whole_number(1, most_tasks)
    options.add_argument(
        "--tasks", type=number, default=tasks, help=f"default: {tasks or 'chosen by the data'}"
    )
    options.add_argument(
        "--epochs",
        type=whole_number(1),
        default=epochs,
        help=f"epochs per task; default: {epochs or 'chosen by the rows of each task'}",
    )
    options.add_argument("--full", action="store_true", help="all of the data, through TFDS")
    options.add_argument("--data-dir", type=Path, help="TFDS folder with the data, for --full")
    options.add_argument("--download", action="store_true", help="let TFDS fetch it, for --full")


def parse(options: Parser, argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line and refuse flags without effect."""
    arguments = options.parse_args(argv)
    if not arguments.full:
        for flag, value in (("--data-dir", arguments.data_dir), ("--download", arguments.download)):
            if value:
                options.error(f"{flag} needs --full: without it the embedded subset is used")
    if arguments.data_dir and not arguments.download and not arguments.data_dir.is_dir():
        options.error(f"--data-dir: there is no folder {str(arguments.data_dir)!r}")
    arguments.error, arguments.started = options.error, time.monotonic()
    return arguments


def load(name: str, arguments: argparse.Namespace, *, scaled: bool = True) -> ccl.datasets.Dataset:
    """A dataset from where the command line says, `scaled` as in `datasets.load`."""
    if not arguments.full:
        return ccl.datasets.load(name, scaled=scaled)
    folder = {"data_dir": arguments.data_dir, "download": arguments.download}
    try:
        return ccl.datasets.load(name, source="tfds", scaled=scaled, **folder)
    except (FileNotFoundError, ImportError) as error:
        arguments.error(f"--full: {error}")


@contextlib.contextmanager
def stoppable(arguments: argparse.Namespace) -> Iterator[None]:
    """Make the folder --out, and end with one line after Ctrl-C."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except KeyboardInterrupt:
        kept = arguments.checkpoint_dir
        sys.exit(f"\nstopped; {'the same command goes on' if kept else 'nothing was kept'}")


def test_rows(task: ccl.Task) -> tuple[np.ndarray, np.ndarray]:
    """The images and labels of a task's test split."""
    x, y = task.test
    return x, y


def check_export(classifier: Path, task: ccl.Task) -> None:
    """Classify the test images of a task with ONNX Runtime and print the accuracy.

    Where labels are names, those of the outputs are in the model.json beside the file.
    """
    x, y = test_rows(task)
    session = onnxruntime.InferenceSession(str(classifier))
    (probabilities,) = session.run(["probabilities"], {"x": x})
    answers = probabilities.argmax(1)
    if y.dtype.kind == "U":
        about = json.loads((classifier.parent / "model.json").read_text())
        answers = np.array(about["class_names"])[answers]
    accuracy = (answers == y).mean()
    print(f"ONNX Runtime: accuracy {accuracy:.4f} on the test images of {task.name!r}")


def time_export(model: keras.Model, classifier: Path, x: np.ndarray, y: np.ndarray) -> None:
    """Classify images in ONNX Runtime; print accuracy, speed, and how far it is from Keras.

    Args:
        model: what was exported.
        classifier: the ONNX file.
        x: images as the model takes them, bytes or floats.
        y: their labels.
    """
    session = onnxruntime.InferenceSession(str(classifier))
    batches = [x[i : i + BATCH].astype(np.float32) for i in range(0, len(x), BATCH)]
    session.run(["probabilities"], {"x": batches[0]})  # the first has to find its memory
    begun = time.perf_counter()
    answers = [session.run(["probabilities"], {"x": batch})[0] for batch in batches]
    seconds = time.perf_counter() - begun
    probabilities = np.concatenate(answers)
    accuracy = (probabilities.argmax(1) == y).mean()
    difference = np.abs(probabilities - model.predict(x, verbose=0)).max()
    print(
        f"ONNX Runtime: accuracy {accuracy:.4f} on {len(x)} test images, {len(x) / seconds:.0f} "
        f"images a second, probabilities within {difference:.1e} of those of Keras"
    )


def print_summary(history: ccl.TaskHistory, arguments: argparse.Namespace) -> None:
    """Print the last line of an example."""
    print_end(history.average_accuracy[-1], len(history), "history, figure", arguments)


def print_end(accuracy: float, tasks: int, files: str, arguments: argparse.Namespace) -> None:
    """The same of an accuracy; `files` are those beside model and export."""
    minutes = (time.monotonic() - arguments.started) / 60
    print(
        f"average accuracy {accuracy:.4f} over {tasks} tasks, {minutes:.1f} minutes; {files}, "
        f"model and export are in {arguments.out}"
    )
