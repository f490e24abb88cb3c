"""EWC: a quadratic penalty on moving what earlier tasks need, and no replay: a baseline."""

import functools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_ccl.bounds import objectives
from keras_ccl.data.labels import LabelBook, Name
from keras_ccl.data.ready_tasks import ReadyTask
from keras_ccl.data.validation import check_positive
from keras_ccl.methods.fisher import diagonal_fisher, squared_gradient_sums
from keras_ccl.methods.ready_made import ReadyMade
from keras_ccl.models.joint_distributions import Inference
from keras_ccl.models.joint_vae import JointVAE
from keras_ccl.models.method import Method
from keras_ccl.models.rows import Rows, current_only

PENALTY_WEIGHTS = {"dense": 30.0, "convolutional": 1.0}
"""The default `penalty_weight` by architecture: F is larger where weights are shared by pixels."""


@keras.saving.register_keras_serializable(package="keras_ccl")
class ElasticWeightConsolidation(Method):
    """Elastic weight consolidation (Kirkpatrick et al. 2017) on the joint bound.

    The loss adds penalty_weight * 1/2 sum_i F_i (student_i - anchor_i)^2 over all parameters of
    encoder, decoder and classifier. F is the diagonal empirical Fisher information of the joint
    bound as it is trained, summed over the tasks finished; the anchor is the student at the end of
    the last one.

    Args:
        penalty_weight: weight of the penalty; 0 is vae-cl. A small one favours accuracy, a large
            one the negative ELBO (docs/experiments.md). None: that of `PENALTY_WEIGHTS` for the
            `architecture` of the model.
        fisher_samples: rows of each task that its Fisher information is estimated on.
        **kwargs: of `keras.layers.Layer`.

    Attributes:
        fisher: F, one weight per trainable variable.
        anchor: the student at the end of the last task, likewise.
    """

    option_names = ("penalty_weight", "fisher_samples")
    shown = ("fisher", "anchor")

    def __init__(
        self, *, penalty_weight: float | None = None, fisher_samples: int = 2000, **kwargs: Any
    ) -> None:
        if penalty_weight is not None:
            check_positive("penalty_weight", penalty_weight, or_zero=True)
        check_positive("fisher_samples", fisher_samples, integer=True)
        super().__init__(**kwargs)
        self.penalty_weight = penalty_weight
        self.fisher_samples = fisher_samples

    def attach(self, model: JointVAE) -> None:
        if self.penalty_weight is None:
            self.penalty_weight = PENALTY_WEIGHTS[model.architecture]
        variables = model.trainable_variables
        self._trace(model)
        self.fisher = [self.weight_beside(v, f"fisher_{k}") for k, v in enumerate(variables)]
        self.anchor = [self.weight_beside(v, f"anchor_{k}") for k, v in enumerate(variables)]

    def _trace(self, model: JointVAE) -> None:
        loss = functools.partial(self.loss_of_row, model)
        variables = [variable.value for variable in model.trainable_variables]
        self._sums = squared_gradient_sums(loss, variables)

    def grow(self, model: JointVAE, *, anew: bool) -> None:
        super().grow(model, anew=anew)
        self._trace(model)

    def term_weights(self) -> dict[str, float]:
        return {"penalty": float(self.penalty_weight or 0.0)}

    def terms(self, model: JointVAE, rows: Rows, found: Inference) -> dict[str, tf.Tensor]:
        """The penalty, nats: 0 before the second task."""
        variables = model.trainable_variables
        return {"penalty": objectives.quadratic_penalty(variables, self.anchor, self.fisher)}

    def end_task(self, model: JointVAE, task: ReadyTask) -> None:
        """Add the task's Fisher information, and anchor the student where it is."""
        for kept, new in zip(self.fisher, self.fisher_information(model, task), strict=True):
            kept.assign_add(new)
        for anchor, variable in zip(self.anchor, model.trainable_variables, strict=True):
            anchor.assign(variable)

    def fisher_information(self, model: JointVAE, task: ReadyTask) -> list[tf.Tensor]:
        """The diagonal Fisher information on at most `fisher_samples` train rows of a task.

        Args:
            model: the student.
            task: the task just learnt.

        Returns:
            One tensor per trainable variable.
        """
        number = int(model.tasks_seen.numpy()) + 1
        x, y = task.train.some_rows(self.fisher_samples, seed=number)
        index = np.arange(len(x), dtype=np.int32)
        seed = np.stack([index, np.full_like(index, number)], axis=1)
        return diagonal_fisher(self._sums, (x, y, seed))

    def loss_of_row(
        self, model: JointVAE, row: tuple[tf.Tensor, tf.Tensor, tf.Tensor]
    ) -> tf.Tensor:
        """The joint bound of one row as it is trained: a scalar, nats.

        Args:
            model: the student.
            row: x `[*input_shape]`, its label, an integer, and its stateless seed, `[2]` int32:
                its index and the number of the task.
        """
        x, y, seed = row
        # Noise of its own: with penalty_weight 0 the run is that of vae-cl, bit for bit.
        found = model.infer(x[tf.newaxis], seed)
        rows = current_only(x[tf.newaxis], model.one_hot(y[tf.newaxis]))
        terms = model.joint_terms(rows, found)
        return tf.reduce_sum(objectives.total(terms, model.term_weights()))


@keras.saving.register_keras_serializable(package="keras_ccl")
class EWC(ReadyMade):
    """A `JointVAE` with `ElasticWeightConsolidation`, every option in one signature.

    Args:
        input_shape: as in `JointDistributions`.
        num_classes: as in `JointDistributions`.
        class_names: as in `JointDistributions`.
        latent_dim: as in `JointDistributions`.
        architecture: as in `JointDistributions`.
        encoder: as in `JointDistributions`.
        decoder: as in `JointDistributions`.
        classifier: as in `JointDistributions`.
        backbone: as in `JointDistributions`.
        likelihood: as in `JointDistributions`.
        observation_scale: as in `JointDistributions`.
        prior: as in `JointDistributions`.
        prior_components: as in `JointDistributions`.
        classification_weight: as in `JointVAE`.
        classification_at_mean: as in `JointVAE`.
        penalty_weight: as in `ElasticWeightConsolidation`.
        fisher_samples: as in `ElasticWeightConsolidation`.
        seed: of initial weights and noise; None draws one.
        **kwargs: of `keras.Model`.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int | None = None,
        *,
        class_names: Sequence[Name] | LabelBook | None = None,
        latent_dim: int = 40,
        architecture: str = "dense",
        encoder: keras.Model | None = None,
        decoder: keras.Model | None = None,
        classifier: keras.Model | None = None,
        backbone: keras.Model | None = None,
        likelihood: str | None = None,
        observation_scale: float | None = None,
        prior: str = "normal",
        prior_components: int = 20,
        classification_weight: float = 300.0,
        classification_at_mean: float = 0.5,
        penalty_weight: float | None = None,
        fisher_samples: int = 2000,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            input_shape,
            num_classes,
            class_names=class_names,
            latent_dim=latent_dim,
            architecture=architecture,
            encoder=encoder,
            decoder=decoder,
            classifier=classifier,
            backbone=backbone,
            likelihood=likelihood,
            observation_scale=observation_scale,
            prior=prior,
            prior_components=prior_components,
            classification_weight=classification_weight,
            classification_at_mean=classification_at_mean,
            method=ElasticWeightConsolidation(
                penalty_weight=penalty_weight, fisher_samples=fisher_samples
            ),
            seed=seed,
            **kwargs,
        )
