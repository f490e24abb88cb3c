"""What is not an image: a Gaussian in the units of the first task's rows, with learnt scales."""

import numpy as np
import pytest
from checks import rows, tiny

import keras_ccl as ccl


def units(x, scale, offset):
    return (x * scale + offset).astype("float32")


@pytest.mark.slow
def test_features_in_any_units_are_learnt_alike():
    """What the networks see does not depend on the units of the features."""
    x, y = rows(60)
    scale, offset = np.array([1e-3, 1, 10, 1e4, 1, 5]), np.array([0, 5, -100, 1e5, 0, 1])
    plain, other = (tiny(ccl.JointVAE, likelihood=None) for _ in range(2))
    plain.fit_tasks([(x, y)], epochs=2, batch_size=16, verbose=0)
    other.fit_tasks([(units(x, scale, offset), y)], epochs=2, batch_size=16, verbose=0)
    np.testing.assert_allclose(
        other.predict(units(x, scale, offset), verbose=0), plain.predict(x, verbose=0), atol=2e-2
    )
    density = (
        other.elbo(units(x, scale, offset)) + np.log(scale).sum()
    )  # nats per row, in its units
    np.testing.assert_allclose(density, plain.elbo(x), rtol=0.05, atol=0.3)


def test_a_feature_that_never_changed_may_change_later():
    likelihood = tiny(likelihood="gaussian").observation
    x = rows(50)[0]
    x[:, 2] = 7.0
    likelihood.fit(x)
    seen = likelihood.for_encoder(x)
    assert np.abs(seen[:, 2]).max() < 1e-5
    x[:, 2] = 8.0
    assert np.abs(likelihood.for_encoder(x)[:, 2]).max() < 10  # and not a million


@pytest.mark.graph
@pytest.mark.release
def test_the_scale_of_each_feature_is_learnt():
    """Noise keeps its width, and what follows from z is told more exactly."""
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    x = np.stack([y + 0.01 * rng.normal(size=400), rng.normal(size=400)], 1).astype("float32")
    model = ccl.CCLGM((2,), 2, latent_dim=1, seed=0)  # room for one of the two
    model.fit_tasks([(x, y)], epochs=100, batch_size=32, verbose=0)
    told, noise = np.exp(model.observation.log_scale.numpy())
    assert told < 0.35 < 0.6 < noise


def test_the_likelihood_follows_from_the_shape():
    assert ccl.JointVAE((8, 8, 1), 2).likelihood == "bernoulli"
    for shape in [(5,), (7, 3)]:
        assert ccl.JointVAE(shape, 2).likelihood == "gaussian"


def test_units_go_with_the_model_to_its_teacher_its_file_and_its_exports(tmp_path):
    x, y = rows(40)
    x = units(x, np.array([1, 10, 1e3, 0.1, 5, 2]), np.array([0, 5, -3, 1, 0, 100]))
    model = tiny(likelihood=None)
    model.fit_tasks([(x, y)], epochs=1, batch_size=16, verbose=0)
    np.testing.assert_allclose(model.teacher.elbo(x), model.elbo(x), rtol=1e-5)
    model.save(tmp_path / "m.keras")
    again = ccl.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.elbo(x), model.elbo(x))
    # Compared with the model before it is written, familiarity in nats too.
    record = ccl.export_student(model, tmp_path / "out", formats="onnx", examples=(x, y))
    assert record["artefacts"]["classifier.onnx"]["worst_difference"]["familiarity"] < 1e-4
    seen, _ = model.generate(200, seed=0)
    assert (np.abs(seen.mean(0) - x.mean(0)) < 2 * x.std(0)).all()  # in the units of x
