"""The known errors of this field, planted one by one: the suite must catch each.

Each was found in published code (a log-variance taken for a scale, image and label of different z,
a doubled gradient, log-probabilities where probabilities belong). A test of ours is run with the
error in place, and has to fail.
"""

import pytest
import tensorflow as tf
import test_divergences
import test_models
import test_objectives
import test_replay

import keras_ccl as ccl
from keras_ccl.bounds import distributions, divergences, objectives
from keras_ccl.models import drawn_rows, joint_distributions
from keras_ccl.models import rows as replay

tfd = distributions.tfd


@pytest.fixture
def taught():
    return test_models.teach()


def log_variance_as_scale(mean, log_var):
    return tfd.Independent(tfd.Normal(mean, tf.abs(log_var) + 1e-3), reinterpreted_batch_ndims=1)


def half_the_variance(mean, log_var):
    return tfd.Independent(tfd.Normal(mean, 0.5 * tf.exp(log_var)), reinterpreted_batch_ndims=1)


@pytest.mark.parametrize("planted", [log_variance_as_scale, half_the_variance])
def test_a_log_variance_taken_for_a_scale_is_caught(planted, monkeypatch):
    monkeypatch.setattr(distributions, "diagonal_gaussian", planted)
    with pytest.raises(AssertionError):
        test_divergences.test_a_log_variance_is_not_taken_for_a_scale()
    with pytest.raises(AssertionError):
        test_divergences.test_kl_to_the_standard_normal_by_hand()


def test_a_divergence_the_wrong_way_round_is_caught(monkeypatch):
    def reversed_kl(q, p):
        return divergences.kl_divergence(p, q)

    monkeypatch.setattr(test_divergences, "kl_divergence", reversed_kl)
    with pytest.raises(AssertionError):
        test_divergences.test_kl_of_two_gaussians_against_monte_carlo()


def test_a_label_of_another_z_is_caught(taught, monkeypatch):
    def draw(self, n, seed, *, inputs="mean", labels="soft", temperature=1.0, without=()):
        z, other = self.p_z.sample(n, seed), self.p_z.sample(n, seed + 1)
        x = self.decode(z).mean()
        logits = self.classify(other).logits_parameter()
        return replay.Generated(z, x, tf.nn.softmax(logits), self.encode(x))

    monkeypatch.setattr(drawn_rows.DrawnRows, "draw", draw)
    with pytest.raises(AssertionError):
        test_models.test_image_and_label_of_a_generated_row_come_from_one_z(taught)


def test_log_probabilities_for_labels_are_caught(monkeypatch):
    def labels(of_z, of_x, kind, temperature):
        return tf.nn.log_softmax((of_x if kind == "reencoded" else of_z) / temperature)

    monkeypatch.setattr(replay, "generated_labels", labels)
    with pytest.raises(AssertionError):
        test_replay.test_labels_of_each_kind()


def test_a_mean_over_pixels_instead_of_a_sum_is_caught(monkeypatch):
    def joint_terms(**parts):
        terms = objectives_joint_terms(**parts)
        return {**terms, "reconstruction": terms["reconstruction"] / 2}

    objectives_joint_terms = objectives.joint_terms
    monkeypatch.setattr(objectives, "joint_terms", joint_terms)
    with pytest.raises(AssertionError):
        test_objectives.test_joint_terms_by_hand()


def test_a_doubled_gradient_is_caught(monkeypatch):
    test_objectives.test_a_step_follows_the_gradient_of_the_logged_loss()

    class Doubled(ccl.CCLGM):
        def mean_terms(self, found_rows, found):
            means = super().mean_terms(found_rows, found)
            return {name: mean + (mean - tf.stop_gradient(mean)) for name, mean in means.items()}

    monkeypatch.setattr(ccl, "CCLGM", Doubled)
    with pytest.raises(AssertionError):
        test_objectives.test_a_step_follows_the_gradient_of_the_logged_loss()


def test_a_teacher_that_learns_is_caught(taught):
    taught.teacher.trainable = True
    with pytest.raises(AssertionError):
        test_models.test_the_teacher_is_frozen(taught)


def test_the_same_generated_rows_each_step_are_caught(taught, monkeypatch):
    test_models.test_two_steps_draw_different_generated_rows(taught)
    monkeypatch.setattr(
        joint_distributions.JointDistributions, "next_seed", lambda self: tf.constant([1, 2])
    )
    with pytest.raises(AssertionError):
        test_models.test_two_steps_draw_different_generated_rows(taught)
