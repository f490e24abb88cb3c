"""SI: what each parameter did for earlier tasks, from path integrals, holds it: a baseline."""

from typing import Any

import keras
import tensorflow as tf

from keras_ccl.bounds import objectives
from keras_ccl.data.ready_tasks import ReadyTask
from keras_ccl.data.validation import check_positive
from keras_ccl.models.joint_distributions import Inference
from keras_ccl.models.joint_vae import JointVAE
from keras_ccl.models.method import Method
from keras_ccl.models.rows import Rows
from keras_ccl.training import replicas


@keras.saving.register_keras_serializable(package="keras_ccl")
class SynapticIntelligence(Method):
    """Synaptic intelligence (Zenke et al. 2017) on the joint bound.

    The loss adds penalty_weight * 1/2 sum_i Omega_i (student_i - anchor_i)^2, the anchor being the
    student at the end of the last task. Each task adds to Omega the integral over its steps of
    -gradient * step, without the penalty's, over (change within the task)^2 + damping; at least 0.

    Args:
        penalty_weight: twice the c of the paper; 0 is vae-cl.
        damping: xi of the paper.
        **kwargs: of `keras.layers.Layer`.
    """

    option_names = ("penalty_weight", "damping")

    def __init__(
        self, *, penalty_weight: float = 1000.0, damping: float = 0.1, **kwargs: Any
    ) -> None:
        check_positive("penalty_weight", penalty_weight, or_zero=True)
        check_positive("damping", damping)
        super().__init__(**kwargs)
        self.penalty_weight, self.damping = penalty_weight, damping

    def attach(self, model: JointVAE) -> None:
        def beside(name: str) -> list:
            return [self.weight_beside(v, name) for v in model.trainable_variables]

        self.omega, self.integral = beside("omega"), beside("integral")
        self.anchor, self.before = beside("anchor"), beside("before")

    def term_weights(self) -> dict[str, float]:
        return {"penalty": self.penalty_weight}

    def terms(self, model: JointVAE, rows: Rows, found: Inference) -> dict[str, tf.Tensor]:
        variables = model.trainable_variables
        return {"penalty": objectives.quadratic_penalty(variables, self.anchor, self.omega)}

    def begin_task(self, model: JointVAE, task: ReadyTask) -> None:
        if task.continues:
            return
        for k, variable in enumerate(model.trainable_variables):
            self.anchor[k].assign(variable)
            self.before[k].assign(variable)
            self.integral[k].assign(tf.zeros_like(variable))

    def after_step(self, model: JointVAE, gradients: list, loss_scale: tf.Tensor) -> None:
        for k, variable in enumerate(model.trainable_variables):
            if gradients[k] is None:
                continue  # nothing in the loss depends on it
            penalty = self.penalty_weight * self.omega[k] * (self.before[k] - self.anchor[k])
            gradient = replicas.over_replicas(gradients[k]) / loss_scale - penalty
            step = variable - self.before[k]  # 0 where float16 skipped the step: gradients are inf
            self.integral[k].assign_sub(tf.math.multiply_no_nan(gradient, step))
            self.before[k].assign(variable)

    def end_task(self, model: JointVAE, task: ReadyTask) -> None:
        for k, variable in enumerate(model.trainable_variables):
            change = tf.square(variable - self.anchor[k])
            self.omega[k].assign_add(tf.nn.relu(self.integral[k]) / (change + self.damping))
