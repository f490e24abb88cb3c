"""EWC: the joint bound with a quadratic penalty on what earlier tasks need, and no replay."""

import keras
import numpy as np
import tensorflow as tf

from keras_ccl.bounds import objectives
from keras_ccl.data.validation import check_positive
from keras_ccl.methods.fisher import diagonal_fisher
from keras_ccl.models import rows as replay
from keras_ccl.models.joint_vae import JointVAE

PENALTY_WEIGHTS = {"dense": 30.0, "convolutional": 1.0}
"""The default `penalty_weight` by architecture: F is larger where weights are shared by pixels."""


@keras.saving.register_keras_serializable(package="keras_ccl")
class EWC(JointVAE):
    """Elastic weight consolidation (Kirkpatrick et al. 2017) on the joint bound: a baseline.

    The loss adds penalty_weight * 1/2 sum_i F_i (student_i - anchor_i)^2 over all parameters of
    encoder, decoder and classifier. F is the diagonal empirical Fisher information of the loss that
    the model trains on, summed over the tasks finished; the anchor is the student at the end of the
    last one.

    Args:
        input_shape, num_classes: as in `JointModel`.
        penalty_weight: weight of the penalty; 0 is vae-cl. A small one favours accuracy, a large
            one the negative ELBO (docs/experiments.md). None: that of `PENALTY_WEIGHTS` for the
            `architecture`.
        fisher_samples: rows of each task that its Fisher information is estimated on.
        **kwargs: the options of `JointVAE`.
    """

    option_names = (*JointVAE.option_names, "penalty_weight", "fisher_samples")

    def __init__(
        self, input_shape, num_classes, *, penalty_weight=None, fisher_samples=2000, **kwargs
    ):
        if penalty_weight is not None:
            check_positive("penalty_weight", penalty_weight, or_zero=True)
        check_positive("fisher_samples", fisher_samples, integer=True)
        self.penalty_weight = penalty_weight  # the metrics made next are those of `term_weights`
        super().__init__(input_shape, num_classes, **kwargs)
        if penalty_weight is None:
            self.penalty_weight = PENALTY_WEIGHTS[self.architecture]
        self.fisher_samples = fisher_samples
        variables = self.trainable_variables
        self.fisher = [self._beside(v, f"fisher_{k}") for k, v in enumerate(variables)]
        self.anchor = [self._beside(v, f"anchor_{k}") for k, v in enumerate(variables)]

    def term_weights(self):
        return {**super().term_weights(), "penalty": self.penalty_weight}

    def mean_terms(self, rows, found):
        """The terms of the joint bound, and the penalty, nats: 0 before the second task."""
        penalty = objectives.quadratic_penalty(self.trainable_variables, self.anchor, self.fisher)
        return {**super().mean_terms(rows, found), "penalty": penalty}

    def end_task(self, task):
        """Add the task's Fisher information, and anchor the student where it is."""
        fisher = self.fisher_information(task)
        for kept, new in zip(self.fisher, fisher, strict=True):
            kept.assign_add(new)
        for anchor, variable in zip(self.anchor, self.trainable_variables, strict=True):
            anchor.assign(variable)
        super().end_task(task)

    def fisher_information(self, task):
        """The diagonal Fisher information on at most `fisher_samples` train rows of a task.

        Returns:
            a list of tensors, one for each trainable variable.
        """
        x, y = self.some_train_rows(
            task, self.fisher_samples, seed=int(self.tasks_seen.numpy()) + 1
        )
        index = np.arange(len(x), dtype=np.int32)
        variables = [variable.value for variable in self.trainable_variables]
        return diagonal_fisher(self._loss_of_row, (x, y, index), variables)

    def _loss_of_row(self, row):
        x, y, index = row
        x, y = x[tf.newaxis], self._one_hot(y[tf.newaxis])
        # Noise of its own: with penalty_weight 0 the run is that of vae-cl, bit for bit.
        found = self.infer(x, tf.stack([index, self.tasks_seen + 1]))
        terms = self.joint_terms(replay.current_only(x, y), found)
        return tf.reduce_sum(objectives.total(terms, super().term_weights()))

    def _beside(self, variable, name):
        return self.add_weight(
            name=name, shape=variable.shape, initializer="zeros", trainable=False
        )
