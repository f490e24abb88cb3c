"""Classifying with Keras, SavedModel, ONNX Runtime and ONNX with int8 weights, side by side.

    python benchmarks/inference.py [--quick] [--model MODEL.keras]

Every runner answers the same batches in turn, so that a busy machine is busy for all of them; the
figures are medians. The last line is one JSON object. Its ratios say more than its seconds.
"""

import argparse
import functools
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import command_line
import numpy as np
from timing import in_turns

import keras_ccl as ccl
from keras_ccl.export.formats import open_onnx, open_saved_model

BATCHES = (1, 32, 1024)
START_KERAS = """
import sys, keras, numpy as np, keras_ccl
model = keras.saving.load_model(sys.argv[1])
print(model.predict(np.load(sys.argv[2]), verbose=0).argmax(1)[0])
"""
START_ONNX = """
import sys, numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
print(session.run(["probabilities"], {"x": np.load(sys.argv[2])})[0].argmax(1)[0])
"""


def student() -> ccl.CCLGM:
    """A student of one task: what it knows does not change how long it takes."""
    model = ccl.CCLGM((28, 28, 1), 10, seed=0)
    model.fit_tasks([ccl.datasets.load("mnist").train], epochs=1, verbose=0)
    return model


def medians(
    runners: dict[str, Callable], *arguments: np.ndarray, rounds: int, warm_up: int = 1
) -> dict[str, float]:
    """Median seconds of each runner on the arguments, taken in turns."""
    runs = {name: functools.partial(run, *arguments) for name, run in runners.items()}
    seconds = in_turns(runs, rounds=rounds, warm_up=warm_up)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def classify(model: ccl.JointVAE, exported: Path, x: np.ndarray, rounds: int) -> dict[str, dict]:
    """Time every runner on batches of several sizes, and print a line for each."""
    runners = {
        "keras predict": lambda rows: model.predict(rows, verbose=0, batch_size=len(rows)),
        "saved_model": open_saved_model(exported / "classifier"),
        "onnx": open_onnx(exported / "classifier.onnx"),
        "onnx int8": open_onnx(exported / "classifier.int8.onnx"),
    }
    found = {}
    print(f"{'':<16}{'batch':>8}{'ms':>10}{'images/s':>12}{'x predict':>12}")
    for batch in BATCHES:
        seconds = medians(runners, x[:batch], rounds=rounds)
        for name, value in seconds.items():
            ratio, rate = seconds["keras predict"] / value, batch / value
            found[f"{name}, batch {batch}"] = {
                "ms": round(1e3 * value, 3),
                "images_per_second": round(rate, 1),
                "times_faster_than_predict": round(ratio, 2),
            }
            print(f"{name:<16}{batch:>8}{1e3 * value:>10.3f}{rate:>12.0f}{ratio:>12.1f}")
    return found


def starter(code: str, *arguments: Path) -> Callable[[], object]:
    """A function that starts a new process and waits for its first answer."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return lambda: subprocess.run(command, check=True, capture_output=True)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = command_line.parser(__doc__)
    parser.add_argument("--rounds", type=command_line.positive, default=50)
    parser.add_argument("--starts", type=command_line.positive, default=5, help="of new processes")
    parser.add_argument("--model", type=Path, help="a saved student; a fresh one by default")
    arguments = command_line.parse(parser, argv, rounds=5, starts=1)
    if arguments.model and not arguments.model.is_file():
        parser.error(f"--model: there is no file {str(arguments.model)!r}")
    return arguments


def main(argv: list[str] | None = None) -> None:
    arguments = parse(argv)
    model = ccl.load_model(arguments.model) if arguments.model else student()
    x = np.random.default_rng(0).uniform(size=(max(BATCHES), *model.input_shape)).astype("float32")
    with tempfile.TemporaryDirectory() as folder:
        exported, saved, one = (Path(folder) / name for name in ("out", "model.keras", "one.npy"))
        ccl.export_student(model, exported, quantize="int8")
        model.save(saved)
        np.save(one, x[:1])
        found = classify(model, exported, x, arguments.rounds)
        starters = {
            "keras": starter(START_KERAS, saved, one),
            "onnx": starter(START_ONNX, exported / "classifier.onnx", one),
        }
        start = medians(starters, rounds=arguments.starts, warm_up=0)
    print(
        f"start to first answer: Keras {start['keras']:.2f} s, ONNX Runtime {start['onnx']:.2f} s"
    )
    start = {name: round(seconds, 3) for name, seconds in start.items()}
    print(json.dumps({"rounds": arguments.rounds, "start_seconds": start, "classify": found}))


if __name__ == "__main__":
    main()
