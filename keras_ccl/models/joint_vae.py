"""JointVAE: the joint model trained on the joint bound; task after task it is vae-cl."""

import functools

import keras
import numpy as np
import tensorflow as tf

from keras_ccl.bounds import distributions, objectives
from keras_ccl.data.splits import MEASURING_BATCH, as_split
from keras_ccl.data.validation import check_positive, check_share
from keras_ccl.models import rows as replay
from keras_ccl.models.joint_model import MEASURING_SEED, JointModel
from keras_ccl.training import replicas
from keras_ccl.training.fit_tasks import fit_tasks
from keras_ccl.training.optimizer import build_optimizer

MEASURED_ROWS = 20_000
"""At most so many rows of the current task, and as many generated ones, refit p(z)."""


@keras.saving.register_keras_serializable(package="keras_ccl")
class JointVAE(JointModel):
    """A VAE with a classifier on its latent variable: maximises the joint bound, eq. 4.

    Trained task after task, on current rows alone, it is the paper's baseline **vae-cl**. The
    KL term of the training bound is always to N(0, I).

    Args:
        input_shape, num_classes: as in `JointModel`.
        classification_weight: weight of E_q[log p(y|z)] in the loss (paper: 1).
        classification_at_mean: the share of that term taken at the mean of q(z|x), where `predict`
            classifies, instead of at a sample (paper: 0).
        **kwargs: the options of `JointModel`.

    Attributes:
        tasks_seen: how many tasks were learnt, an integer weight.
    """

    option_names = (
        *JointModel.option_names,
        "classification_weight",
        "classification_at_mean",
    )

    def __init__(
        self,
        input_shape,
        num_classes,
        *,
        classification_weight=300.0,
        classification_at_mean=0.5,
        **kwargs,
    ):
        check_positive("classification_weight", classification_weight, or_zero=True)
        check_share("classification_at_mean", classification_at_mean, or_one=True)
        super().__init__(input_shape, num_classes, **kwargs)
        self.classification_weight = classification_weight
        self.classification_at_mean = classification_at_mean
        self.tasks_seen = self.add_weight(
            name="tasks_seen", shape=(), dtype="int32", initializer="zeros", trainable=False
        )
        names = ("loss", *self.term_weights(), "accuracy", "negative_elbo")
        self._means = {name: keras.metrics.Mean(name=name) for name in names}

    fit_tasks = fit_tasks

    def term_weights(self):
        """The weight of each term in the loss, by the term's name."""
        return {"reconstruction": 1.0, "kl": 1.0, "classification": self.classification_weight}

    def training_rows(self, x, y):
        """The `replay.Rows` of one step for a batch x [B, ...], y [B, K]: here the batch itself."""
        return replay.current_only(x, y)

    def joint_terms(self, rows, found, training=False):
        """The terms of the joint bound, each [N] nats, for rows and their `Inference`."""
        p_z = distributions.standard_normal(self.latent_dim)
        terms = objectives.joint_terms(
            x=rows.x, y=rows.y, q=found.q, p_z=p_z, p_x=found.p_x, p_y=found.p_y
        )
        if self.classification_at_mean:
            terms["classification"] = objectives.classification_at_mean(
                terms["classification"],
                y=rows.y,
                p_y_at_mean=self.classify(found.q.mean(), training),
                share=self.classification_at_mean,
            )
        return terms

    def mean_terms(self, rows, found):
        """Every term of the loss by name: its weighted mean over the rows, a scalar, nats."""
        terms = self.joint_terms(rows, found, training=True)
        return {k: objectives.weighted_mean(term, rows.weight) for k, term in terms.items()}

    def train_step(self, data):
        """One step on a batch (x, y): our own, because it learns from rows no dataset holds."""
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        if weight is not None:
            raise ValueError("sample_weight: rows weigh as the replay says; received weights")
        rows = self.training_rows(x, self._one_hot(y))
        seed, share = self.next_seed(), replicas.share_of_rows(rows.current)
        with tf.GradientTape() as tape:
            found = self.infer(rows.x, seed, training=True)
            means = self.mean_terms(rows, found)
            loss = objectives.total(means, self.term_weights())
            scaled = self.optimizer.scale_loss(share * loss)
        variables = self.trainable_variables
        self.optimizer.apply(tape.gradient(scaled, variables), variables)
        logits = found.p_y.logits_parameter()[: rows.current]
        return self._log({"loss": loss, **means}, rows.y[: rows.current], logits)

    def test_step(self, data):
        """The joint bound, and the accuracy of `predict`, on a batch (x, y) or (x, y, weight)."""
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        rows = replay.current_only(x, self._one_hot(y))
        found = self.infer(x, MEASURING_SEED)
        terms = self.joint_terms(rows, found)
        values = {
            "loss": objectives.total(terms, self.term_weights()),
            **terms,
            "negative_elbo": terms["reconstruction"] + self.p_z.kl(found.q, found.z),
        }
        logits = self.classify(found.q.mean()).logits_parameter()
        return self._log(values, rows.y, logits, weight)

    @property
    def metrics(self):
        return list(self._means.values())

    def get_metrics_result(self):
        """The running means, over all replicas, of what the last epoch or evaluation measured."""
        measured = [(name, mean) for name, mean in self._means.items() if mean.count.numpy() > 0]
        return {name: mean.result() for name, mean in measured}

    def validation_rows(self, split, batch_size):
        """What callbacks judge by: a dataset of (x, y, weight), here the held-out rows.

        Args:
            split: the validation split of the current task.
        """
        return split.batches(batch_size).map(lambda x, y: (x, y, tf.ones_like(y, tf.float32)))

    def begin_task(self, task):
        """Called before a task is learnt."""

    def end_task(self, task):
        """Called after a task is learnt: refits p(z) to the posteriors and counts the task.

        Args:
            task: a `Task`; its train split is read once more if p(z) is a mixture.
        """
        if self.prior == "mixture":
            self.p_z.fit(*self.posterior_samples(task), seed=int(self.next_seed()[1]))
        self.tasks_seen.assign_add(1)

    def posterior_samples(self, task):
        """Samples of q(z|x) to fit p(z) to, of at most `MEASURED_ROWS` rows of the task.

        Returns:
            z [N, Z], y [N] integers, and the weight [N] of each row, adding up to 1.
        """
        x, y = self.some_train_rows(task, MEASURED_ROWS, seed=int(self.next_seed()[1]))
        return self.sample_posteriors(x), y, np.full(len(y), 1 / len(y))

    def some_train_rows(self, task, most, *, seed):
        """At most `most` train rows of the task being learnt: arrays x and y."""
        where = f"task {int(self.tasks_seen.numpy()) + 1}, train"
        split = as_split(task.train, self.data_spec, where, batch_size=MEASURING_BATCH)
        return split.some_rows(most, seed=seed)

    def sample_posteriors(self, x):
        """A sample of q(z|x) for each row of the array x: [N, Z]."""
        parts = [
            self._sample_rows(x[i : i + MEASURING_BATCH], self.next_seed()).numpy()
            for i in range(0, len(x), MEASURING_BATCH)
        ]
        return np.concatenate(parts)

    @functools.cached_property
    def _sample_rows(self):
        return tf.function(lambda x, seed: self.encode(x).sample(seed=seed), reduce_retracing=True)

    def _log(self, values, y, logits, weight=None):
        """Add to the running means: values of rows, [B], and means over the batch, scalars."""
        right = tf.equal(tf.argmax(y, 1), tf.argmax(logits, 1))
        values = {**values, "accuracy": tf.cast(right, tf.float32)}
        for name, value in values.items():
            self._means[name].update_state(value, weight if value.shape.rank else tf.shape(y)[0])
        return replicas.reducible_logs({name: self._means[name].result() for name in values})

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Build the optimizer, the only part that is not built yet.

        To find out, Keras would reduce a batch over the replicas, which fails with several workers
        and where a short batch leaves a replica without rows.
        """
        if self.optimizer is not None:
            build_optimizer(self)

    def _one_hot(self, y):
        return tf.one_hot(tf.cast(y, tf.int32), self.num_classes)
