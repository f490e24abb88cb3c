"""The Python of README and of the pages of docs/, and what its snippets take for granted."""

import functools
import re
from dataclasses import replace
from pathlib import Path

import tensorflow as tf
from checks import ROOT, rows, tiny

import keras_ccl as ccl
from keras_ccl.bounds import mixtures
from keras_ccl.models.closed_form_head import ClosedFormHead
from keras_ccl.training import budgets
from keras_ccl.training.forget import forget

DOCS = ROOT / "docs"


def python_blocks(page: Path) -> list[str]:
    """The code of a page, in the order in which a reader meets it."""
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


def names():
    """Some images, vectors and photographs, and tasks of them."""
    data = [rows(20, (28, 28, 1), 10, seed=k) for k in range(6)]
    found = {f"{name}{k}": data[k][i] for k in range(1, 5) for i, name in enumerate("xy")}
    found |= {f"{name}{k}": data[k + 3][i] for k in (1, 2) for i, name in enumerate("uv")}
    for k in (1, 2, 3):
        found[f"vectors{k}"], found[f"kinds{k}"] = rows(20, (13,), 3, seed=k)
        found[f"photos{k}"], found[f"labels{k}"] = rows(20, (32, 32, 3), 10, seed=k)
    found["pixels"] = (255 * data[0][0]).astype("uint8")
    found["dataset"] = tf.data.Dataset.from_tensor_slices(data[4])
    return {**found, "ccl": ccl, "x": data[0][0], "tasks": [ccl.Task(data[5], test=data[0])]}


def few_rows(load, n=40):
    """`datasets.load`, of which a few rows of six classes are taken."""

    def few(x, y):
        return x[y < 6][:n], y[y < 6][:n]

    def loaded(name, **options):
        data = load(name, **options)
        return replace(data, train=few(*data.train), test=few(*data.test))

    return loaded


def in_few_steps(monkeypatch):
    """Two steps, or two epochs: the words alone are tried."""
    for size in ("STEPS", "FEWEST_STEPS", "FEWEST_EPOCHS"):
        monkeypatch.setattr(budgets, size, 2)


def in_small(monkeypatch):
    """One epoch of few rows, with small networks and few features, on one device."""
    in_few_steps(monkeypatch)
    monkeypatch.setattr(budgets, "FEWEST_EPOCHS", 1)
    monkeypatch.setattr(budgets, "BATCHES", (40, 40))
    monkeypatch.setitem(ClosedFormHead.__init__.__kwdefaults__, "feature_count", 50)
    maker = ccl.networks.MAKERS["dense"]
    smaller = (functools.partial(make, units=(8,)) for make in maker)
    monkeypatch.setitem(ccl.networks.MAKERS, "dense", ccl.networks.Architecture(*smaller))
    monkeypatch.setitem(forget.__kwdefaults__, "generated", 40)
    monkeypatch.setattr(mixtures, "components_for", lambda num_classes: 2)
    monkeypatch.setattr(ccl.datasets, "load", few_rows(ccl.datasets.load))
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", tf.distribute.get_strategy)


def saved_before(folder):
    """A model that has learnt a task, as the pages name it."""
    model = tiny(input_shape=(28, 28, 1), num_classes=10)
    model.fit_tasks([rows(20, (28, 28, 1), 10)], epochs=1, verbose=0)
    model.save(folder / "digits.keras")


def run(blocks, page, namespace):
    for block in blocks:
        exec(compile(block, str(page), "exec"), namespace)
