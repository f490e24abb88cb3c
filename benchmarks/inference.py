"""Classifying with Keras, SavedModel, ONNX Runtime and ONNX with int8 weights, side by side.

    python benchmarks/inference.py [--quick] [--model MODEL.keras]

Every runner answers the same batches in turn, so that a busy machine is busy for all of them; the
figures are medians. The last line is one JSON object. Its ratios say more than its seconds.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

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


def student():
    """A student of one task: what it knows does not change how long it takes."""
    model = ccl.CCLGM((28, 28, 1), 10, seed=0)
    model.fit_tasks([ccl.datasets.load("mnist").train], epochs=1, verbose=0)
    return model


def latencies(runners, x, rounds):
    """Median seconds of each runner on the batch x, taken in turns."""
    for run in runners.values():
        run(x)
    seconds = {name: [] for name in runners}
    for _ in range(rounds):
        for name, run in runners.items():
            started = time.perf_counter()
            run(x)
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


def start_up(code, *arguments, rounds):
    """Median seconds from a new process to its first answer."""
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        command = [sys.executable, "-c", code, *map(str, arguments)]
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--model", type=Path, help="a saved student; a fresh one by default")
    arguments = parser.parse_args()
    rounds = 5 if arguments.quick else 50
    model = keras.saving.load_model(arguments.model) if arguments.model else student()
    x = np.random.default_rng(0).uniform(size=(max(BATCHES), *model.input_shape)).astype("float32")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        ccl.export_student(model, out, quantize="int8")
        model.save(Path(folder) / "model.keras")
        np.save(Path(folder) / "one.npy", x[:1])
        runners = {
            "keras predict": lambda rows: model.predict(rows, verbose=0, batch_size=len(rows)),
            "saved_model": open_saved_model(out / "classifier"),
            "onnx": open_onnx(out / "classifier.onnx"),
            "onnx int8": open_onnx(out / "classifier.int8.onnx"),
        }
        found = {}
        print(f"{'':<16}{'batch':>8}{'ms':>10}{'images/s':>12}{'x predict':>12}")
        for batch in BATCHES:
            seconds = latencies(runners, x[:batch], rounds)
            for name, value in seconds.items():
                ratio = seconds["keras predict"] / value
                found[f"{name}, batch {batch}"] = {
                    "ms": round(1e3 * value, 3),
                    "images_per_second": round(batch / value, 1),
                    "times_faster_than_predict": round(ratio, 2),
                }
                rate = batch / value
                print(f"{name:<16}{batch:>8}{1e3 * value:>10.3f}{rate:>12.0f}{ratio:>12.1f}")
        few = 1 if arguments.quick else 5
        keras_seconds = start_up(
            START_KERAS, Path(folder) / "model.keras", Path(folder) / "one.npy", rounds=few
        )
        onnx_seconds = start_up(
            START_ONNX, out / "classifier.onnx", Path(folder) / "one.npy", rounds=few
        )
    print(f"start to first answer: Keras {keras_seconds:.2f} s, ONNX Runtime {onnx_seconds:.2f} s")
    start = {"keras": round(keras_seconds, 3), "onnx": round(onnx_seconds, 3)}
    print(json.dumps({"rounds": rounds, "start_seconds": start, "classify": found}))


if __name__ == "__main__":
    main()
