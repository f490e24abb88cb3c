"""Every bad input is one clear error, and no weight has changed.

The table of docs/errors.md is made from here.

python tests/test_bad_input.py        # writes the table into docs/errors.md
"""

import re
import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import rows, same_weights, tiny, weights_of

import keras_ccl as ccl

PAGE = Path(__file__).parents[1] / "docs" / "errors.md"
MARKS = ("<!-- bad input: written by tests/test_bad_input.py -->", "<!-- end of bad input -->")
X, Y = rows(40)


def changed(array, value):
    array = array.copy()
    array.flat[3] = value
    return array


def second(*task, **options):
    """fit_tasks with a task 2 that does not fit."""
    return lambda model: model.fit_tasks([(X, Y), task], **{"epochs": 1, "verbose": 0, **options})


def failing(after):
    """A dataset that raises in its pass of this number; the first is the check before training."""
    passes = [0]

    def batches():
        passes[0] += 1
        yield X[:16], Y[:16]
        if passes[0] >= after:
            raise OSError("the disk is gone")
        yield X[16:], Y[16:]

    spec = (tf.TensorSpec((None, 6), tf.float32), tf.TensorSpec((None,), tf.int32))
    return tf.data.Dataset.from_generator(batches, output_signature=spec)


def fit(data, **options):
    return lambda model: model.fit_tasks([(X, Y), data], epochs=1, verbose=0, **options)


def option(**options):
    return lambda model: tiny(**options)


def two_outputs():
    x = keras.Input((6,))
    return keras.Model(x, [keras.layers.Dense(2)(x), keras.layers.Dense(2)(x)])


def folder_of_another_run(model):
    with tempfile.TemporaryDirectory() as folder:
        tiny().fit_tasks([(X, Y)], epochs=1, verbose=0, checkpoint_dir=folder)
        model.fit_tasks([(X, Y)], epochs=2, verbose=0, checkpoint_dir=folder)


def export(model):
    with tempfile.TemporaryDirectory() as folder:
        ccl.export_student(model, Path(folder) / "out")


def damaged_model(model):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        path.write_bytes(path.read_bytes()[:999])
        ccl.load_model(path)


CASES = {
    "a NaN in x": second(changed(X, np.nan), Y),
    "x outside [0, 1], Bernoulli likelihood": second(255 * X, Y),
    "x of another shape": second(X[:, :5], Y),
    "x that is text": second(X.astype(str), Y),
    "x that is complex": second(X.astype(complex), Y),
    "fewer labels than rows": second(X, Y[:30]),
    "a label out of range": second(X, changed(Y, 3)),
    "a negative label other than -1": second(X, changed(Y, -2)),
    "a first task without any label": lambda model: model.fit_tasks([(X, -np.ones(40))]),
    "a fractional label": second(X, changed(Y.astype("float32"), 0.5)),
    "rows that are not one-hot": second(X, np.ones((40, 3), "float32")),
    "no rows": second(X[:0], Y[:0]),
    "an infinite dataset without `steps_per_epoch`": fit(
        tf.data.Dataset.from_tensor_slices((X, Y)).repeat()
    ),
    "a dataset that cannot be read": fit(failing(1)),
    "something that is no task": fit("rows.csv"),
    "a generator in place of its function": fit(iter([(X, Y)])),
    "uint8 that is black and white": second((X > 0.5).astype("uint8"), Y),
    "Keras's `BackupAndRestore`": second(
        X, Y, callbacks=keras.callbacks.BackupAndRestore("backup")
    ),
    "a decay beside a scheduler of the learning rate": second(
        X,
        Y,
        callbacks=keras.callbacks.LearningRateScheduler(lambda epoch: 0.1),
        learning_rate_decay="cosine",
    ),
    "a held-out share of a dataset": fit(
        tf.data.Dataset.from_tensor_slices((X, Y)), validation_split=0.1
    ),
    "no batch": second(X, Y, batch_size=0),
    "epochs for another number of tasks": second(X, Y, epochs=[1, 2, 3]),
    "an unknown option of the model": option(replay="everything"),
    "a network that does not fit": option(latent_dim=2, encoder=tiny(latent_dim=5).encoder),
    "a network with two outputs": lambda model: tiny(encoder=two_outputs()),
    "an input shape with the batch in it": lambda model: ccl.CCLGM((None, 12), 3),
    "a name to save to that is not .keras": lambda model: model.save("model.h5"),
    "a checkpoint of another run": folder_of_another_run,
    "an export before a task was learnt": export,
    "a truncated .keras file": damaged_model,
}


def error_of(case):
    """The exception of a case, as the page tells it, and whether the model is as it was."""
    model = tiny()
    before = weights_of(model)
    with pytest.raises(Exception) as caught:
        CASES[case](model)
    told = re.sub(r"/\S*/", "", str(caught.value))  # folders differ
    return f"{caught.type.__name__}: {' '.join(told.split())}", same_weights(
        before, weights_of(model)
    )


def table():
    lines = ["| what comes | what is raised |", "|---|---|"]
    lines += [f"| {case} | `{error_of(case)[0].replace('|', '/')}` |" for case in CASES]
    return "\n".join(lines)


def on_page():
    return PAGE.read_text().split(MARKS[0])[1].split(MARKS[1])[0]


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_before_anything_changes_and_the_page_says_how(case):
    told, unchanged = error_of(case)
    assert unchanged
    assert f"| {case} | `{told.replace('|', '/')}` |" in on_page().splitlines()


def test_the_page_tells_of_nothing_else():
    assert len(on_page().strip().splitlines()) == 2 + len(CASES)


def test_a_dataset_that_fails_while_a_task_is_learnt_costs_the_epoch():
    model, expected = tiny(), tiny()
    expected.fit_tasks([(X, Y)], epochs=1, verbose=0)
    with pytest.raises(RuntimeError, match="task 2, epoch 1: the dataset or a step failed: OSErr"):
        model.fit_tasks([(X, Y), failing(2)], epochs=1, verbose=0)
    assert int(model.tasks_seen) == 1
    for name in ("encoder", "decoder", "classifier"):
        learnt, kept = (getattr(m, name).get_weights() for m in (expected, model))
        assert same_weights(learnt, kept)


if __name__ == "__main__":
    text = PAGE.read_text()
    head, rest = text.split(MARKS[0])
    PAGE.write_text(f"{head}{MARKS[0]}\n{table()}\n{MARKS[1]}{rest.split(MARKS[1])[1]}")
