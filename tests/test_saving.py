"""Saved and loaded: everything a later task needs, in a file that executes nothing."""

import zipfile

import keras
import numpy as np
import pytest
from checks import rows, same_weights, slow_but, tiny, weights_of

import keras_ccl as ccl


def test_save_load_continue_equals_not_having_stopped(tmp_path):
    tasks = [ccl.Task(rows(40, seed=k), test=rows(10, seed=k)) for k in range(3)]
    whole, stopped = tiny(), tiny()
    whole.fit_tasks(tasks, epochs=2, batch_size=40, verbose=0)
    stopped.fit_tasks(tasks[:2], epochs=2, batch_size=40, verbose=0)
    stopped.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is ccl.CCLGM and int(loaded.tasks_seen) == 2
    assert loaded.options() == stopped.options()
    assert same_weights(weights_of(stopped), weights_of(loaded))
    loaded.fit_tasks(tasks[2:], epochs=2, batch_size=40, verbose=0)
    assert same_weights(weights_of(whole), weights_of(loaded))


@pytest.mark.slow
def test_a_loaded_model_replays_in_plain_fit_too(tmp_path):
    model = tiny()
    model.fit_tasks([rows(seed=1)], epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    record = loaded.fit(*rows(seed=2), verbose=0, epochs=2)
    assert record.history["distillation"][-1] > 0


@pytest.mark.parametrize("architecture", slow_but(ccl.networks.ARCHITECTURES, ["dense"]))
def test_default_networks_and_options_survive(architecture, tmp_path):
    options = {"latent_dim": 3, "replay": "mixed", "temperature": 2.0, "information_weight": -0.1}
    model = ccl.CCLGM((8, 8, 1), 4, architecture=architecture, **options)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert {name: loaded.options()[name] for name in options} == options
    x, _ = rows(5, (8, 8, 1))
    np.testing.assert_array_equal(model.predict(x, verbose=0), loaded.predict(x, verbose=0))


@pytest.mark.slow
def test_the_fitted_prior_of_student_and_teacher_is_saved(tmp_path):
    model = tiny()
    model.fit_tasks([rows()], epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert float(loaded.p_z.is_fitted) == float(loaded.teacher.p_z.is_fitted) == 1
    np.testing.assert_array_equal(loaded.generate(4, seed=1)[0], model.generate(4, seed=1)[0])


def test_the_file_holds_json_and_hdf5_and_nothing_to_execute(tmp_path):
    tiny().save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        assert {name.split(".")[-1] for name in archive.namelist()} <= {"json", "h5"}
