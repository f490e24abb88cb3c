"""What a model answers where there is nothing to say: no rows, and rows that are not finite."""

import numpy as np
import pytest
import tensorflow as tf
from checks import rows, tiny

X, Y = rows(20)
ASK = {
    "predict": lambda model, x: model.predict(x, verbose=0),
    "call": lambda model, x: model(x).numpy(),
    "reconstruct": lambda model, x: model.reconstruct(x),
    "elbo": lambda model, x: model.elbo(x),
    "sample_posteriors": lambda model, x: model.sample_posteriors(x),
    "encode": lambda model, x: model.encode(x).mean().numpy(),
}
SHAPES = {"reconstruct": (6,), "elbo": (), "sample_posteriors": (2,), "encode": (2,)}
"""Of one answer; (3,), a probability per class, for the others."""

pytestmark = pytest.mark.graph  # where TensorFlow fuses ReLU, which then hides a NaN


@pytest.fixture(scope="module")
def taught():
    model = tiny()
    model.fit_tasks([(X, Y)], epochs=1, verbose=0)
    return model


@pytest.mark.parametrize("ask", ASK)
def test_no_rows_have_no_answers(ask, taught):
    found = ASK[ask](taught, X[:0])
    assert found.shape == (0, *SHAPES.get(ask, (3,))) and found.dtype == np.float32
    if ask not in ("call", "encode"):
        with pytest.raises(ValueError, match=r"x is \(5,\), the model expects \(6,\)"):
            ASK[ask](taught, X[:0, :5])


def test_none_can_be_generated(taught):
    x, y = taught.generate(0)
    assert x.shape == (0, 6) and y.shape == (0, 3)


def with_gaps():
    """Rows with a NaN and with an infinite value, and which they are."""
    x = X.copy()
    x[3, 2], x[7, 0] = np.nan, np.inf
    return x, np.isin(np.arange(len(x)), (3, 7))


@pytest.mark.parametrize("ask", [ask for ask in ASK if ask != "encode"])
def test_a_row_that_is_not_finite_has_no_answer_and_the_others_have_theirs(ask, taught):
    x, gaps = with_gaps()
    found = ASK[ask](taught, x).reshape(len(x), -1)
    assert np.isnan(found[gaps]).all() and np.isfinite(found[~gaps]).all()
    if ask != "sample_posteriors":
        expected = ASK[ask](taught, X).reshape(len(x), -1)
        np.testing.assert_allclose(found[~gaps], expected[~gaps], rtol=1e-4, atol=1e-6)


def test_of_a_dataset_too(taught):
    x, gaps = with_gaps()
    found = taught.predict(tf.data.Dataset.from_tensor_slices(x).batch(8), verbose=0)
    np.testing.assert_array_equal(np.isnan(found).all(1), gaps)


@pytest.mark.parametrize("ask", ["predict", "elbo", "reconstruct", "sample_posteriors"])
@pytest.mark.parametrize("x", [X.astype(complex), X.astype(str)], ids=["complex", "text"])
def test_what_is_no_number_is_refused(ask, x, taught):
    with pytest.raises(ValueError, match="x: expected real numbers, received dtype"):
        ASK[ask](taught, x)
