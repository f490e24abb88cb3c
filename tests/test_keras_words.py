"""docs/keras.md tells what each word of Keras does here, and which test says so."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import ROOT, rows, same_weights, tiny, weights_of

import keras_ccl as ccl

X, Y = rows(40)
TABLE = (ROOT / "docs" / "keras.md").read_text()


def table_rows():
    lines = [line for line in TABLE.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_row_names_a_test_that_there_is():
    found = table_rows()
    assert len(found) > 30
    for words, verdict, tests in found:
        assert re.match(r"works|refused|part", verdict), words
        names = re.findall(r"`(\w+\.py)::(\w+)`", tests)
        assert names, words
        for file, name in names:
            assert f"\ndef {name}(" in (ROOT / "tests" / file).read_text(), f"{file}::{name}"


def test_every_callback_of_keras_is_there():
    public = {name for name in dir(keras.callbacks) if name[0].isupper()}
    told = set(re.findall(r"`(\w+)", "\n".join(words for words, *_ in table_rows())))
    assert public - told <= {"Callback", "CallbackList", "OrbaxCheckpoint"}
    assert "`OrbaxCheckpoint`" in TABLE


@pytest.mark.slow
def test_the_early_stopping_of_the_guide_runs_as_it_stands():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "guide.md").read_text(), re.DOTALL)
    (code,) = (block for block in blocks if "EarlyStopping" in block)
    names = {"keras": keras, "model": tiny(), "tasks": [rows(20, seed=1), rows(20, seed=2)]}
    exec(code.replace("epochs=50", "epochs=2"), names)
    assert names["stop"].monitor_op is keras.ops.greater and int(names["model"].tasks_seen) == 2


def test_a_model_tells_of_itself():
    model, lines = tiny(), []
    model.summary(print_fn=lambda line, **_: lines.append(line))
    counted = sum(int(np.prod(weight.shape)) for weight in model.weights)
    assert model.count_params() == counted and f"Total params: {counted}" in "\n".join(lines)
    assert model.get_layer("encoder") is model.encoder


def test_predict_takes_what_it_takes_in_keras():
    model = tiny()
    expected = model.predict(X, verbose=0)
    inputs = tf.data.Dataset.from_tensor_slices(X).batch(7)
    labelled = tf.data.Dataset.from_tensor_slices((X, Y)).batch(7)
    for given in (inputs, labelled, X.tolist()):
        given = np.array(given, "float32") if isinstance(given, list) else given
        np.testing.assert_allclose(model.predict(given, verbose=0), expected, rtol=1e-5)
    np.testing.assert_allclose(model.predict_on_batch(X), expected, rtol=1e-5)
    np.testing.assert_allclose(model(X), expected, rtol=1e-5)


def test_weights_alone_are_saved_and_loaded(tmp_path):
    model, other = tiny(), tiny(seed=9)
    model.fit_tasks([(X, Y)], epochs=1, verbose=0)
    model.save_weights(tmp_path / "of.weights.h5")
    other.load_weights(tmp_path / "of.weights.h5")
    assert same_weights(weights_of(model), weights_of(other)) and int(other.tasks_seen) == 1


def test_what_is_not_trainable_stays():
    model = tiny(ccl.JointVAE)
    model.encoder.trainable = False
    model.compile("adam")
    before, moving = weights_of(model.encoder), weights_of(model.decoder)
    model.fit(X, Y, verbose=0)
    assert same_weights(before, weights_of(model.encoder))
    assert not same_weights(moving, weights_of(model.decoder))


def test_fit_validates_at_the_epochs_it_is_told():
    model = tiny(ccl.JointVAE)
    model.compile("adam")
    record = model.fit(X, Y, epochs=3, validation_data=(X, Y), validation_freq=2, verbose=0)
    assert len(record.history["loss"]) == 3 and len(record.history["val_loss"]) == 1


def test_fit_refuses_backups_and_generators_and_tells_callbacks_of_the_task(tmp_path):
    model, told = tiny(ccl.JointVAE), []
    model.compile("adam")
    with pytest.raises(ValueError, match="BackupAndRestore knows one fit and no tasks"):
        model.fit(X, Y, callbacks=[keras.callbacks.BackupAndRestore(tmp_path)], verbose=0)
    with pytest.raises(TypeError, match="received a generator, which can be read only once"):
        model.fit(iter([(X, Y)]), verbose=0)
    watch = keras.callbacks.LambdaCallback(on_task_end=lambda task: told.append(task.number))
    model.fit(X, Y, callbacks=watch, verbose=0)
    assert told == [1]
