"""Every way to train that Keras has, each against a fact about what a step does to the weights."""

import functools

import keras
import numpy as np
import pytest
from checks import rows, same_weights, slow_but, tiny, weights_of

import keras_ccl as ccl

X, Y = rows(40)
optimizers = keras.optimizers


def kernels(model):
    return [np.array(v) for v in model.trainable_variables]


def stepped(optimizer, steps=1):
    """The weights of a model before and after steps on the same rows and noise."""

    class Same(ccl.JointVAE):
        def next_seed(self):
            return np.array([1, 2], "int32")

    model = tiny(Same, classification_weight=1.0)
    model.compile(optimizer)
    before = kernels(model)
    for _ in range(steps):
        model.train_on_batch(X, Y)
    return before, kernels(model), model


def changes(optimizer, steps=1):
    before, after, _ = stepped(optimizer, steps)
    return [b - a for a, b in zip(before, after, strict=True)]


@functools.cache
def gradients():
    return changes(optimizers.SGD(-1.0))


def close(found, expected, **tolerance):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, **{"rtol": 1e-4, "atol": 1e-6, **tolerance})


def by_name():
    close(changes("sgd"), [-0.01 * g for g in gradients()])


def schedule():
    rate = optimizers.schedules.PiecewiseConstantDecay([0], [0.1, 0.0])
    close(changes(optimizers.SGD(rate), steps=2), changes(optimizers.SGD(0.1)))


def weight_decay():
    before, with_it, _ = stepped(optimizers.SGD(0.1, weight_decay=0.5))
    _, without, _ = stepped(optimizers.SGD(0.1))
    close(with_it, [w - 0.1 * 0.5 * b for w, b in zip(without, before, strict=True)])


def clipnorm():
    norms = [np.linalg.norm(g) for g in gradients()]
    limit = float(np.median(norms))
    found = [np.linalg.norm(c) for c in changes(optimizers.SGD(1.0, clipnorm=limit))]
    close(found, np.minimum(norms, limit))


def global_clipnorm():
    found = changes(optimizers.SGD(1.0, global_clipnorm=1e-3))
    assert np.sqrt(sum(np.sum(c**2) for c in found)) == pytest.approx(1e-3, rel=1e-3)


def clipvalue():
    found = changes(optimizers.SGD(1.0, clipvalue=1e-3))
    close(found, [np.clip(-g, -1e-3, 1e-3) for g in gradients()])


def gradient_accumulation():
    accumulating = lambda: optimizers.SGD(0.1, gradient_accumulation_steps=2)  # noqa: E731
    close(changes(accumulating()), [0.0 * g for g in gradients()])
    close(changes(accumulating(), steps=2), changes(optimizers.SGD(0.1)))


def loss_scale():
    scaled = optimizers.LossScaleOptimizer(optimizers.SGD(0.1), initial_scale=1024.0)
    close(changes(scaled), changes(optimizers.SGD(0.1)))


def lion():
    for change, gradient in zip(changes(optimizers.Lion(0.01)), gradients(), strict=True):
        close([change[gradient != 0]], [-0.01 * np.sign(gradient[gradient != 0])], rtol=1e-3)


def muon():
    """The step of a kernel has singular values near to each other, whatever the gradient's are."""
    found = changes(optimizers.Muon(0.01, exclude_embeddings=False, adam_weight_decay=0.0))
    for change in (c for c in found if c.ndim == 2):
        values = np.linalg.svd(change, compute_uv=False)
        assert values.max() < 2.5 * values.min()


def exponential_average():
    """Keras puts the average into the weights when a fit ends, and so the teacher is one."""
    model = tiny()
    model.compile(optimizers.SGD(0.01, use_ema=True, ema_momentum=0.5))
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(kernels(model)[0])
    )
    model.fit(X, Y, batch_size=20, callbacks=[watch], verbose=0)
    close([kernels(model)[0]], [0.5 * seen[0] + 0.5 * seen[1]])
    assert same_weights(weights_of(model.encoder), weights_of(model.teacher.encoder))


def swapped_average():
    """Validation judges the average, while training goes on from the weights themselves."""
    model = tiny(ccl.JointVAE)
    model.compile(optimizers.SGD(0.01, use_ema=True, ema_momentum=0.5))
    swap = keras.callbacks.SwapEMAWeights()
    record = model.fit(X, Y, validation_data=(X, Y), callbacks=[swap], verbose=0).history
    assert record["val_loss"][0] == pytest.approx(model.evaluate(X, Y, verbose=0)[0], rel=1e-5)


FACTS = [
    by_name,
    schedule,
    weight_decay,
    clipnorm,
    global_clipnorm,
    clipvalue,
    gradient_accumulation,
    loss_scale,
    lion,
    muon,
    exponential_average,
    swapped_average,
]


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.__name__)
def test_an_optimizer_does_to_the_weights_what_keras_says(fact):
    fact()


@functools.cache
def learnt(**compiled):
    model = tiny(ccl.JointVAE)
    model.compile(keras.optimizers.SGD(0.01), **compiled)
    options = {"epochs": 2, "batch_size": 10, "learning_rate_decay": None, "verbose": 0}
    history = model.fit_tasks([(X, Y)], **options)
    return kernels(model), history.epochs[0]["loss"]


@pytest.mark.slow
@pytest.mark.graph
@pytest.mark.parametrize(
    "option", slow_but([{"run_eagerly": True}, {"steps_per_execution": 2}], [{"run_eagerly": True}])
)
def test_the_way_of_execution_does_not_change_what_is_learnt(option):
    found = learnt(**option)
    close(learnt()[0], found[0], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(learnt()[1], found[1], rtol=1e-4)


def test_executions_of_several_steps_count_steps_and_end_with_the_epoch():
    rates = []
    model = tiny(ccl.JointVAE)
    model.compile(keras.optimizers.SGD(0.01), steps_per_execution=2)
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: rates.append(float(model.optimizer.learning_rate))
    )
    model.fit_tasks([(X, Y)], epochs=2, batch_size=10, callbacks=[watch], verbose=0)
    expected = 0.005 * (1 + np.cos(np.pi * np.arange(0, 8, 2) / 8))
    np.testing.assert_allclose(rates, expected, rtol=1e-4)
    assert int(model.optimizer.iterations) == 8
    message = "task {}: expected steps_per_execution that divides the {} steps of an epoch"
    with pytest.raises(ValueError, match=message.format(2, 5)):
        model.fit(X, Y, batch_size=8, verbose=0)
    with pytest.raises(ValueError, match=message.format(3, 3)):  # before the one that fits
        model.fit_tasks([(X, Y), (X[:30], Y[:30])], batch_size=10, verbose=0)
    assert int(model.optimizer.iterations) == 8
