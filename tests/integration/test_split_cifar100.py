"""Methods beside each other on the features of a backbone, of which one takes the images."""

import dataclasses
import json
import sys

import numpy as np
import pytest
from checks import ROOT

import keras_ccl as ccl

sys.path.insert(0, str(ROOT / "examples"))
import running
import split_cifar100
import squeezenet_weights


@pytest.fixture
def few(monkeypatch):
    """A few images in place of all that the command would load."""
    data = ccl.datasets.load("fashion_mnist", scaled=False)
    train, test = (tuple(part[:n] for part in data.train) for n in (120, 50))
    data = dataclasses.replace(data, train=train, test=test)
    monkeypatch.setattr(running, "load", lambda name, arguments, scaled: data)
    return data


@pytest.fixture
def command(tmp_path):
    """A short run through a SqueezeNet of random weights that keep the scale of what they read."""
    rng, path = np.random.default_rng(0), tmp_path / "weights.npz"
    arrays = {
        name: rng.normal(scale=np.sqrt(2 / np.prod(shape[:-1])), size=shape).astype("float32")
        for name, shape in squeezenet_weights.SHAPES.items()
    }
    np.savez(path, **{n: 0 * a if n.endswith("bias") else a for n, a in arrays.items()})
    few_steps = ["--tasks", "2", "--epochs", "1", "--image-size", "32", "--seed", "3"]
    return [*few_steps, "--weights", str(path), "--methods"]


def history_of(folder, method):
    return json.loads((folder / f"history-{method}.json").read_text())


@pytest.mark.graph
@pytest.mark.release
def test_all_see_the_same_features_and_one_is_exported_with_its_backbone(
    few, command, tmp_path, capsys
):
    names, out = ("joint", "ccl-gm", "nearest-mean"), tmp_path / "out"
    split_cifar100.main([*command, *names, "--out", str(out)])
    printed = capsys.readouterr().out
    lines = {line.split()[0]: line.split() for line in printed.splitlines()[-4:-1]}
    for name in names:
        history = history_of(out, name)
        assert history["tasks"] == history_of(out, "joint")["tasks"] and history["seed"] == 3
        assert lines[name][1:3] == [f"{value:.4f}" for value in history["average_accuracy"]]
    assert float(lines["joint"][3]) == round(few.train[0].nbytes / 1e6, 2)  # it keeps all images
    assert (out / "figure.png").stat().st_size > 10_000
    model = ccl.load_model(out / "model.keras")
    assert isinstance(model, ccl.CCLGM) and model.input_shape == (28, 28, 1)
    x, y = few.test
    accuracy = (model.predict(x, verbose=0).argmax(1) == y).mean()
    assert f"ONNX Runtime: accuracy {accuracy:.4f} on 50 test images" in printed
    assert float(printed.partition("probabilities within ")[2].split()[0]) < 1e-4
    assert json.loads((out / "export/model.json").read_text())["class_names"][0] == "T-shirt/top"

    split_cifar100.main([*command, "nearest-mean", "--out", str(tmp_path / "alone")])
    assert "features (512,)" in printed
    assert "features (512,)" not in capsys.readouterr().out  # nobody else would read them
    of_images = history_of(tmp_path / "alone", "nearest-mean")["average_accuracy"]
    assert of_images == pytest.approx(history_of(out, "nearest-mean")["average_accuracy"], abs=0.03)
    assert ccl.load_model(tmp_path / "alone" / "model.keras").backbone is not None


@pytest.mark.parametrize(("flags", "classes", "tasks"), [([], 10, 5), (["--full"], 100, 10)])
def test_the_number_of_tasks_is_that_of_the_data(flags, classes, tasks):
    arguments = running.parse(split_cifar100.command_line(), flags)
    split_cifar100.check(arguments, classes=classes)
    assert arguments.tasks == tasks
