"""LwF: the teacher's soft labels on the rows of the current task, and no replay: a baseline."""

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


@keras.saving.register_keras_serializable(package="keras_ccl")
class LearningWithoutForgetting(Method):
    """Learning without forgetting (Li and Hoiem 2016) on the joint bound.

    On every row x of the current task, the student's p(y|x) over the classes learnt before is held
    to the teacher's, both softened by a temperature T: T^2 KL(teacher || student), nats.

    Args:
        soft_label_weight: weight of the term; 0 is vae-cl.
        temperature: T (paper: 2).
        **kwargs: of `keras.layers.Layer`.
    """

    option_names = ("soft_label_weight", "temperature")
    shown = ("teacher",)

    def __init__(
        self, *, soft_label_weight: float = 300.0, temperature: float = 2.0, **kwargs: Any
    ) -> None:
        check_positive("soft_label_weight", soft_label_weight, or_zero=True)
        check_positive("temperature", temperature)
        super().__init__(**kwargs)
        self.soft_label_weight, self.temperature = soft_label_weight, temperature

    def attach(self, model: JointVAE) -> None:
        self.teacher = model.frozen_copy("teacher")
        self.known = self.weight_beside(model.task_classes, "known")  # [K], 1: learnt before

    def grow(self, model: JointVAE, *, anew: bool) -> None:
        super().grow(model, anew=anew)
        self.teacher.grow_beside(model, anew=anew)

    def is_active(self, tasks_seen: int) -> bool:
        return tasks_seen > 0

    def term_weights(self) -> dict[str, float]:
        return {"soft_labels": self.soft_label_weight}

    def terms(self, model: JointVAE, rows: Rows, found: Inference) -> dict[str, tf.Tensor]:
        student = model.classify(found.q.mean()).logits_parameter()
        teacher = self.teacher.classify(self.teacher.encode(rows.x).mean()).logits_parameter()
        kl = objectives.soft_label_kl(teacher, student, self.known, self.temperature)
        return {"soft_labels": objectives.weighted_mean(kl, rows.weight)}

    def end_task(self, model: JointVAE, task: ReadyTask) -> None:
        self.teacher.take_weights_of(model)
        self.known.assign(tf.maximum(self.known, model.task_classes))
