"""Files saved by earlier versions are loaded for ever after, with the answers that they gave.

python tests/test_saved_format.py        # saves the file of a new format; earlier ones stay
"""

from pathlib import Path

import numpy as np
import pytest
from checks import rows, tiny
from test_loading import with_config

import keras_ccl as ccl
from keras_ccl.models.joint_model import FORMAT

RECORDED = Path(__file__).parent / "recorded"
FILES = sorted(RECORDED.glob("*-format-*.keras"))


def answers(model):
    x, _ = rows(20)
    return {
        "predict": model.predict(x, verbose=0),
        "elbo": model.elbo(x),
        "generate": model.generate(5, seed=1)[0],
        "teacher": model.teacher.predict(x, verbose=0),
    }


def test_the_format_of_today_is_recorded():
    assert RECORDED / f"cclgm-format-{FORMAT}.keras" in FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recorded_file_answers_as_it_did_and_goes_on(path):
    model = ccl.load_model(path)
    assert type(model) is ccl.CCLGM and int(model.tasks_seen) == 2
    with np.load(path.with_suffix(".npz")) as expected:
        for name, found in answers(model).items():
            np.testing.assert_allclose(found, expected[name], rtol=1e-4, atol=1e-5)
    history = model.fit_tasks([rows(40, seed=3)], epochs=1, batch_size=20, verbose=0)
    assert history.tasks_before == 2 and history.epochs[0]["distillation"][0] > 0


@pytest.mark.parametrize("saved", [None, FORMAT + 1, "1"])
def test_another_format_is_refused_by_its_number(saved, tmp_path):
    def change(config):
        config["config"].pop("format")
        if saved is not None:
            config["config"]["format"] = saved

    tiny().save(tmp_path / "model.keras")
    with_config(tmp_path / "model.keras", change)
    with pytest.raises(ValueError, match=f"saved in format {FORMAT}, received format {saved}"):
        ccl.load_model(tmp_path / "model.keras")


def test_a_file_holds_the_networks_so_that_changed_defaults_leave_it_as_it_was(
    tmp_path, monkeypatch
):
    model = ccl.CCLGM((6,), 3, latent_dim=2, prior_components=2, seed=0)
    model.save(tmp_path / "model.keras")

    def other(*arguments, **options):
        raise AssertionError("a default network was made")

    changed = ccl.networks.Architecture(other, other, other)
    monkeypatch.setitem(ccl.networks.MAKERS, "dense", changed)
    x, _ = rows(5)
    loaded = ccl.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


if __name__ == "__main__":
    made = tiny()
    made.fit_tasks([rows(40, seed=1), rows(40, seed=2)], epochs=2, verbose=0)
    made.save(RECORDED / f"cclgm-format-{FORMAT}.keras")
    np.savez(RECORDED / f"cclgm-format-{FORMAT}.npz", **answers(made))
