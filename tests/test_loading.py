"""load_model: our own models from any file, and one error for what is not one."""

import json
import resource
import zipfile

import keras
import pytest
from checks import rows, same_weights, tiny, weights_of

import keras_ccl as ccl
from keras_ccl.methods.registry import METHODS
from keras_ccl.models import loading


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("written") / "model.keras"
    model = tiny()
    model.fit_tasks([rows()], epochs=1, verbose=0)
    model.save(path)
    return model, path.read_bytes()


@pytest.fixture
def saved(written, tmp_path):
    model, content = written
    (tmp_path / "model.keras").write_bytes(content)
    return model, tmp_path / "model.keras"


def with_config(path, change):
    """The file with another config.json."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_it_is_the_model_that_was_saved(saved):
    loaded = ccl.load_model(saved[1])
    assert type(loaded) is ccl.CCLGM and loaded.options() == saved[0].options()
    assert same_weights(weights_of(saved[0]), weights_of(loaded))


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.keras: no such file"):
        ccl.load_model(tmp_path / "nothing.keras")


@pytest.mark.parametrize("size", [0, 10, 5000])
def test_a_truncated_file_is_refused(size, saved):
    content = saved[1].read_bytes()
    saved[1].write_bytes(content[:size])
    with pytest.raises(ValueError, match=r"model\.keras: expected a model saved by keras_ccl"):
        ccl.load_model(saved[1])


def test_one_changed_byte_is_noticed(saved):
    content = bytearray(saved[1].read_bytes())
    content[len(content) // 2] ^= 1
    saved[1].write_bytes(content)
    with pytest.raises(ValueError, match="is not what was written|Bad CRC"):
        ccl.load_model(saved[1])


def test_a_file_that_unpacks_to_too_much_is_refused(saved):
    with pytest.raises(ValueError, match="bytes unpacked, more than 1000"):
        ccl.load_model(saved[1], most_bytes=1000)


def test_sizes_beyond_the_weights_in_the_file_are_refused_before_memory_is_asked_for(saved):
    with_config(saved[1], lambda config: config["config"].update(latent_dim=10**10))
    with pytest.raises(ValueError, match="latent_dim 10000000000, more than its"):
        ccl.load_model(saved[1])


def test_another_kind_of_model_is_refused(tmp_path):
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "other.keras")
    with pytest.raises(ValueError, match="expected a model saved by keras_ccl, received: a Sequen"):
        ccl.load_model(tmp_path / "other.keras")


def with_hidden(layer):
    inputs = keras.Input((6,))
    return keras.Model(inputs, keras.layers.Dense(4)(layer(inputs)), name="mine")


def test_code_in_a_file_is_not_run(tmp_path):
    encoder = with_hidden(keras.layers.Lambda(lambda x: x * 2))
    ccl.JointVAE((6,), 3, latent_dim=2, encoder=encoder).save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match=r"model\.keras: .* received: a Lambda layer, whose code"):
        ccl.load_model(tmp_path / "model.keras")


class Unregistered(keras.layers.Layer):
    def call(self, x):
        return x


def test_a_layer_that_is_not_registered_is_named(tmp_path, monkeypatch):
    model = ccl.JointVAE((6,), 3, latent_dim=2, encoder=with_hidden(Unregistered()))
    model.save(tmp_path / "model.keras")
    monkeypatch.delitem(globals(), "Unregistered")
    with pytest.raises(ValueError, match=r"model\.keras: .* Could not locate class 'Unregistered'"):
        ccl.load_model(tmp_path / "model.keras")


def test_a_network_that_no_teacher_can_copy_is_named():
    with pytest.raises(ValueError, match="mine: layers of your own must be classes registered"):
        tiny(encoder=with_hidden(keras.layers.Lambda(lambda x: x * 2)))


def test_sizes_that_multiply_to_more_than_the_weights_are_refused_before_memory_is_asked_for(
    tmp_path,
):
    """Each is smaller than the weights; together they ask for 6 x 6000 x 6000 numbers."""
    model = tiny(latent_dim=6000, prior="normal")
    model.save(tmp_path / "model.keras")
    with_config(tmp_path / "model.keras", lambda config: config["config"].update(prior="mixture"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=r"a model of over 86\d{7} bytes, with \d{7} bytes"):
        ccl.load_model(tmp_path / "model.keras")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


OPTIMIZER = {"amsgrad": True, "use_ema": True, "gradient_accumulation_steps": 4}
"""Five numbers per weight, and none of them in the file of a model that has not been trained."""


@pytest.mark.parametrize(
    ("method", "architecture"),
    [
        *(
            pytest.param(name, "dense", marks=[] if name == "vae-cl" else pytest.mark.release)
            for name in METHODS
        ),
        pytest.param("ccl-gm", "convolutional", marks=pytest.mark.slow),
    ],
)
def test_every_good_file_is_within_the_limit(method, architecture, tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "SPARE_BYTES", 0)
    model = METHODS[method]((28, 28, 1), 10, architecture=architecture, seed=0)
    model.compile(keras.optimizers.Adam(**OPTIMIZER))
    model.save(tmp_path / "model.keras")
    with pytest.warns(UserWarning, match="Skipping variable loading for optimizer"):
        loaded = ccl.load_model(tmp_path / "model.keras")
    assert len(loaded.optimizer.variables) > 5 * len(loaded.trainable_variables)
    assert same_weights(weights_of(model), weights_of(loaded))
