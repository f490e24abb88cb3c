"""Checkpoints on disk: which are kept, which are refused, and which are passed over as damaged."""

import hashlib
import json
import shutil

import interrupted
import keras
import numpy as np
import pytest
from checks import same_weights, tiny, tiny_networks, weights_of
from interrupted import TASKS, Stop

import keras_ccl as ccl
from keras_ccl.checkpointing import folder
from keras_ccl.checkpointing.identity import differences, run_identity

SMALL = {"tasks": TASKS[:2], "epochs": 3, "batch_size": 60, "validation_split": 0.0}


def finish(model, folder, callbacks=(), **options):
    """A run of two tasks of 3 epochs: 4 checkpoints a task, the last after its end."""
    return interrupted.finish(model, folder, callbacks, **{**SMALL, **options})


@pytest.fixture(scope="module")
def one_run(tmp_path_factory):
    """A finished run: its folder, history and weights."""
    keras.utils.set_random_seed(0)
    folder, model = tmp_path_factory.mktemp("run"), tiny()
    history = finish(model, folder, keep_last=3)
    return folder, history.to_json(), weights_of(model)


def names(folder):
    """What is in a folder, but for the lock."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


@pytest.fixture
def finished(one_run, tmp_path):
    """A copy of its folder to do harm to."""
    return shutil.copytree(one_run[0], tmp_path / "copy")


def test_a_finished_run_has_nothing_left_to_do(one_run, finished):
    again = tiny()
    assert finish(again, finished, [Stop(0)]).to_json() == one_run[1]
    assert same_weights(one_run[2], weights_of(again))


def test_only_the_last_checkpoints_stay(finished):
    assert names(finished) == [f"{k:08d}" for k in (6, 7, 8)]


def test_save_every_saves_less_often(tmp_path):
    finish(tiny(), tmp_path, keep_last=99, save_every=2)
    assert len(names(tmp_path)) == 2 * (2 + 1)  # epochs 2 and 3, and the end of the task


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"epochs": 5}, r"fit_tasks.epochs: the checkpoint has \[3, 3\], this run \[5, 5\]"),
        ({"batch_size": 8}, "fit_tasks.batch_size: the checkpoint has 60, this run 8"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_with_the_difference(changed, message, finished):
    model = tiny()
    before = weights_of(model)
    with pytest.raises(ValueError, match=message):
        finish(model, finished, **changed)
    assert same_weights(before, weights_of(model))


def test_a_checkpoint_of_another_model_or_stream_is_refused_with_the_difference(finished):
    for model, message in (
        (tiny(ccl.JointVAE), "model.class: the checkpoint has 'CCLGM', this run 'JointVAE'"),
        (tiny(replay="mixed"), "model.replay: the checkpoint has 'balanced', this run 'mixed'"),
        (tiny(latent_dim=3), "model.latent_dim: the checkpoint has 2, this run 3"),
    ):
        with pytest.raises(ValueError, match=message):
            finish(model, finished)
    with pytest.raises(ValueError, match="stream.tasks: the checkpoint has"):
        finish(tiny(), finished, tasks=TASKS[:1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: {"tasks": changed_tasks()}, r"data.task 2.train.x: .*'float32 \(60, 6\)"),
        (
            lambda: {"model": tiny(decoder=other_decoder())},
            "model.decoder.config.layers.1.config.activation: .* 'relu', this run 'gelu'",
        ),
        (lambda: {"model": tiny(dtype="mixed_bfloat16")}, "model.dtype: .* 'float32', this run"),
    ],
    ids=["data", "network", "policy"],
)
def test_other_data_networks_or_precision_are_refused(change, message, finished):
    options = {"model": tiny(), **change()}
    with pytest.raises(ValueError, match=message):
        finish(folder=finished, **options)


def changed_tasks():
    x, y = TASKS[1].train
    x = np.where(np.arange(x.size).reshape(x.shape) == 99, x / 2, x)
    return [TASKS[0], ccl.Task((x, y), test=TASKS[1].test)]


def other_decoder():
    decoder = tiny_networks()["decoder"]
    decoder.layers[1].activation = keras.activations.gelu
    return decoder


@pytest.mark.slow
def test_names_that_keras_counts_up_are_no_difference_and_a_network_without_a_config_is_none():
    class Encoder(keras.Model):
        def __init__(self, units):
            super().__init__()
            self.dense = keras.layers.Dense(units)

        def call(self, x):
            return self.dense(x)

    def identity(encoder):
        model = tiny(ccl.JointVAE, encoder=encoder)
        model.compile("adam")
        model.optimizer.build(model.trainable_variables)
        return json.loads(json.dumps(run_identity(model)))

    def deep():  # layers whose names are words of configs too, and a network within a network
        layers = [keras.layers.Dense(4, "softmax"), keras.layers.Softmax()]
        return keras.Sequential(
            [keras.Input((6,)), *layers, keras.Sequential([keras.layers.Dense(4)])]
        )

    assert differences(identity(deep()), identity(deep())) == []
    plain = Encoder(4)
    plain(np.zeros((1, 6)))
    assert identity(plain)["model"]["class"] == "JointVAE"


def test_a_checkpoint_of_another_format_is_refused_by_name_and_never_deleted(finished):
    for name in names(finished)[:-1]:
        write_format(finished / name, 1)
    finish(tiny(), finished, keep_last=1)  # the newest is of this one
    assert names(finished) == [f"{k:08d}" for k in (6, 7, 8)]
    write_format(finished / "00000008", 2)
    with pytest.raises(
        ValueError, match=f"saved in format 2, this .* reads format {folder.FORMAT}"
    ):
        finish(tiny(), finished)
    assert names(finished) == [f"{k:08d}" for k in (6, 7, 8)]


def write_format(path, number):
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**manifest, "format": number}))


def test_what_was_not_read_is_never_deleted(finished):
    shutil.rmtree(finished / "00000008")
    (finished / "00000007" / "state.json").write_text("{")
    with pytest.warns(UserWarning, match="damaged, and not used"):
        finish(tiny(), finished, keep_last=1)
    assert names(finished) == ["00000007", "00000009"]


def test_what_only_looks_like_a_checkpoint_is_left_alone(finished):
    (finished / "\u00b2").mkdir()
    (finished / "00000009").symlink_to(finished / "00000006")
    before = names(finished)
    assert len(finish(tiny(), finished)) == 2
    shutil.rmtree(finished / "00000008")
    finish(tiny(), finished, keep_last=1)  # from 7, the end of an epoch
    assert names(finished) == sorted({*before, "00000010"} - {"00000006", "00000007", "00000008"})


@pytest.mark.parametrize("name", ["arrays.npz", "state.json", "run.json", "manifest.json"])
@pytest.mark.parametrize("harm", ["cut", "changed", "missing"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(name, harm, one_run, finished):
    newest = finished / "00000008"
    content = bytearray((newest / name).read_bytes())
    if harm == "missing":
        (newest / name).unlink()
    else:
        content[len(content) // 2] ^= 0xFF
        (newest / name).write_bytes(content[: len(content) // 2] if harm == "cut" else content)
    resumed = tiny()
    with pytest.warns(UserWarning, match="damaged, and not used: .*00000008"):
        history = finish(resumed, finished)
    assert history.to_json() == one_run[1]
    assert same_weights(one_run[2], weights_of(resumed))


def test_what_a_killed_save_left_is_not_read_and_swept_away(finished):
    shutil.copytree(finished / "00000008", finished / ".partial-x")
    (finished / ".partial-x" / "state.json").write_text("{")
    assert len(finish(tiny(), finished)) == 2
    assert names(finished) == [f"{k:08d}" for k in (6, 7, 8)]


def test_nothing_is_unpickled(finished):
    for name in names(finished):
        with np.load(finished / name / "arrays.npz", allow_pickle=False) as arrays:
            assert all(arrays[name].dtype != object for name in arrays.files)


def written_by_another(folder, change):
    """The newest checkpoint changed by somebody who can write hashes too."""
    newest = folder / "00000008"
    state = json.loads((newest / "state.json").read_text())
    change(state)
    content = json.dumps(state).encode()
    (newest / "state.json").write_bytes(content)
    manifest = json.loads((newest / "manifest.json").read_text())
    manifest["sha256"]["state.json"] = hashlib.sha256(content).hexdigest()
    (newest / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.pop("stopped"),  # found by benchmarks/fuzz.py
        lambda state: state.update(stopped=[]),
        lambda state: state.update(task=-1),
        lambda state: state.update(task=1),
        lambda state: state.update(epoch="1"),
        lambda state: state.update(epochs=2**63),
        lambda state: state.update(noise_at_start=[1]),
        lambda state: state.update(history="{}"),
        lambda state: state.update(callbacks=[{"class": 1}]),
        lambda state: state.update(callbacks=None),
    ],
)
def test_a_state_that_was_never_written_is_passed_over(change, one_run, finished):
    written_by_another(finished, change)
    resumed = tiny()
    with pytest.warns(UserWarning, match="damaged, and not used: .*00000008"):
        history = finish(resumed, finished)
    assert history.to_json() == one_run[1]
    assert same_weights(one_run[2], weights_of(resumed))
