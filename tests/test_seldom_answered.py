"""No class is answered far less often than it is a label, where most rows have none."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import rows, tiny

import keras_ccl as ccl
from keras_ccl.data.ready_tasks import ReadyTask
from keras_ccl.data.splits import as_split
from keras_ccl.models import self_labels
from keras_ccl.models.rows import current_only

X, Y = rows(60)
MISSING = np.arange(60) % 4 == 1
SOME = np.where(MISSING, -1, Y)
KNOWN = self_labels.Labelling(4.0, (15, 15, 15))


def always_first(bias):
    """A model that takes every row for the first of three classes, with logits that far ahead."""
    model = tiny()
    model.task_classes.assign([1, 1, 1])
    for layer in model.classifier.layers[1:]:
        layer.set_weights([0 * weight for weight in layer.get_weights()])
    model.classifier.layers[-1].bias.assign([bias, 0, 0])
    return model


def test_rows_without_a_label_are_pulled_to_classes_that_are_answered_too_seldom():
    model = always_first(8.0)
    rows_ = current_only(tf.constant(X), model.one_hot(tf.constant(SOME)))
    found = self_labels.with_own_labels(model, rows_, KNOWN)
    bias, logits = model.classifier.layers[-1].bias, tf.constant([8.0, 0, 0])

    def slope(of, at):
        with tf.GradientTape() as tape:
            tape.watch(at)
            value = of(at)
        return tape.gradient(value, at).numpy()

    def pulled(bias):
        term = self_labels.label_term(model, found, tf.zeros([60]), model.encode(X))
        flat = found._replace(pull=tf.zeros_like(found.pull))
        without = self_labels.label_term(model, flat, tf.zeros([60]), model.encode(X))
        return tf.reduce_sum(tf.boolean_mask(term - without, MISSING)) / MISSING.sum()

    def penalty(logits):  # both are answered e^-8 of the time, and labels a third of it
        mean, share = tf.nn.softmax(logits), 1 / 3
        return tf.reduce_sum(share * tf.nn.relu(tf.math.log(0.05) - tf.math.log(mean[1:])))

    np.testing.assert_allclose(slope(pulled, bias.value), slope(penalty, logits), rtol=1e-3)
    assert (found.pull.numpy()[~MISSING] == 0).all() and (found.pull.numpy()[:, 0] == 0).all()


@pytest.mark.parametrize("why", ["chance", "rows to come", "a few rows"])
def test_nothing_is_pulled_where(why):
    model = always_first({"chance": 2.0}.get(why, 8.0))  # e^-2 : 0.11 of the rows, of 15
    known = KNOWN._replace(labels=()) if why == "rows to come" else KNOWN
    part = slice(6) if why == "a few rows" else slice(60)
    rows_ = current_only(tf.constant(X[part]), model.one_hot(tf.constant(SOME[part])))
    assert not self_labels.with_own_labels(model, rows_, known).pull.numpy().any()


def test_how_many_labels_each_class_has_is_known_of_a_whole_task_alone():
    data = tf.data.Dataset.from_tensor_slices((X, SOME))
    for form in ((X, SOME), data):
        split = as_split(form, tiny().data_spec, "", batch_size=7)
        whole = ReadyTask(1, "", split)
        known = self_labels.begin_task(tiny(), whole)
        assert known == (60 / 45, tuple(np.bincount(Y[~MISSING])))
        part = dataclasses.replace(whole, complete=False)
        assert self_labels.begin_task(tiny(), part) == (60 / 45, ())


def test_labels_that_are_names_are_counted_whatever_indices_they_get():
    names = np.array(["cat"] * 8 + ["eel"] * 20 + ["dog"] * 5 + [""] * 27)
    data = tf.data.Dataset.from_tensor_slices((X[8:], names[8:]))
    spec = tiny(num_classes=None).data_spec
    split = as_split(data, spec, "", learns=True, batch_size=9)
    later = split.labelled(spec.with_names(["cat", "eel", "dog"]))
    for found in (split, later):
        by_name = {found.spec.names_of([k])[0]: n for k, n in found.label_counts.items()}
        assert by_name == {"eel": 20, "dog": 5} and found.unlabelled == 27
    assert later.label_counts != split.label_counts


@pytest.mark.graph
@pytest.mark.slow
def test_two_replicas_learn_what_one_learns(strategy, monkeypatch):
    monkeypatch.setattr(ccl.JointVAE, "next_seed", lambda model: tf.constant([0, 1]))
    monkeypatch.setattr(self_labels, "ENOUGH", 2.0)  # always somewhere too few, in small batches
    monkeypatch.setattr(self_labels, "DEVIATIONS", 0.0)
    data = tf.data.Dataset.from_tensor_slices((X[:32], SOME[:32]))
    models = []
    for scope in (tf.distribute.get_strategy(), strategy):
        with scope.scope():
            model = tiny(ccl.JointVAE, prior="normal", classification_at_mean=1.0)
            model.compile(keras.optimizers.SGD(1e-4))
        model.fit_tasks([data], epochs=1, batch_size=8, verbose=0)
        models.append(model)
    one, two = (model.classifier.get_weights() for model in models)
    for first, second in zip(one, two, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-3, atol=1e-5)
