"""load_model: our own models from any file, and one error for what is not one."""

import json
import zipfile

import keras
import pytest
from checks import rows, same_weights, tiny, weights_of

import keras_ccl as ccl


@pytest.fixture
def saved(tmp_path):
    model = tiny()
    model.fit_tasks([rows()], epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
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


def test_code_in_a_file_is_not_run(tmp_path):
    inputs = keras.Input((6,))
    hidden = keras.layers.Lambda(lambda x: x * 2)(inputs)
    encoder = keras.Model(inputs, keras.layers.Dense(4)(hidden))
    ccl.JointVAE((6,), 3, latent_dim=2, encoder=encoder).save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match=r"model\.keras: expected a model saved by keras_ccl"):
        ccl.load_model(tmp_path / "model.keras")
