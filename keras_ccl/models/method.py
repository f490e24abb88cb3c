"""Method: what a method of continual learning adds to the training of a `JointVAE`."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from keras_ccl.models import rows as step_rows
from keras_ccl.training import replicas
from keras_ccl.training.grown_weights import grow

if TYPE_CHECKING:
    from keras_ccl.data.ready_tasks import ReadyTask
    from keras_ccl.models.joint_distributions import Inference
    from keras_ccl.models.joint_vae import JointVAE


@keras.saving.register_keras_serializable(package="keras_ccl")
class Method(keras.layers.Layer):
    """The moments at which a method acts. This one does nothing at any of them: vae-cl.

    A method is made before the model, `JointVAE(..., method=MyMethod())`, and belongs to that model
    alone. It is a Keras layer, so that its weights are saved, replicated and restored with the
    model; none of them is trained. Override what the method needs.

    Attributes:
        option_names: the arguments of the constructor, each an attribute of the same name.
        shown: further attributes that the model shows as its own, such as `model.teacher`.
        variant: what else, beside `is_active`, the graph of a step depends on. A method that sets
            another in `begin_task` has the step traced anew.
    """

    option_names: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    variant: Any = None

    def attach(self, model: JointVAE) -> None:
        """Make weights and teacher. From here on `term_weights` is known.

        Args:
            model: the student, built; called once, by its constructor.
        """

    def grow(self, model: JointVAE, *, anew: bool) -> None:
        """Called when the model has room for more classes, before the task that brings them.

        Weights made by `weight_beside` get the shapes of those that they lie beside. A method that
        has a teacher lets it grow too, and what it traced itself has to be traced again.

        Args:
            model: the student.
            anew: whether it had no class before.
        """
        for weight, variable in self.__dict__.get("_beside", ()):
            grow(weight, variable.shape)

    def is_active(self, tasks_seen: int) -> bool:
        """Whether the method adds rows or terms yet. When this changes, the step is traced anew.

        Args:
            tasks_seen: how many tasks are finished.

        Returns:
            False while there is nothing to add, as before the first teacher.
        """
        return True

    def term_weights(self) -> dict[str, float]:
        """The weight in the loss of each term of the method, by the term's name."""
        return {}

    def rows(self, model: JointVAE, x: tf.Tensor, y: tf.Tensor) -> step_rows.Rows:
        """The rows of one step: by default the batch itself.

        Args:
            model: the student.
            x: `[B, *input_shape]`, of the current task.
            y: `[B, K]`, one-hot.

        Returns:
            N rows, current ones first, whose weights add up to 1.
        """
        return step_rows.current_only(x, y)

    def terms(
        self, model: JointVAE, rows: step_rows.Rows, found: Inference
    ) -> dict[str, tf.Tensor]:
        """The terms of the method by name, as in `term_weights`.

        Args:
            model: the student.
            rows: of the step.
            found: the student's inference on them.

        Returns:
            Scalars, nats: each the weighted mean over the rows that it is about.
        """
        return {}

    def after_step(
        self, model: JointVAE, gradients: list[tf.Tensor], loss_scale: tf.Tensor
    ) -> None:
        """Called, within the traced step, when the optimizer has been applied.

        Args:
            model: the student.
            gradients: of the loss, one per trainable variable, of its shape; on several replicas
                this replica's part, to be added up.
            loss_scale: a scalar that the gradients are to be divided by: 1 but for float16.
        """

    def begin_task(self, model: JointVAE, task: ReadyTask) -> None:
        """Called before a task is learnt.

        Args:
            model: the student.
            task: its rows, checked.
        """

    def end_task(self, model: JointVAE, task: ReadyTask) -> None:
        """Called after a task is learnt and p(z) refitted, before the task is counted.

        Args:
            model: the student.
            task: its rows, checked.
        """

    def old_rows(self, model: JointVAE, n: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Rows that stand for the tasks learnt before, in validation and for p(z).

        Args:
            model: the student.
            n: the most rows that are wanted.

        Returns:
            x `[N, *input_shape]` and integer labels `[N]`, or None where the method has none.
        """
        return None

    def begin_forgetting(self, model: JointVAE, classes: Collection[int]) -> None:
        """Called before classes are forgotten, of a method that can teach those that stay.

        Until `end_forgetting` the student is new: `rows` and `old_rows` give rows that stand for
        all other classes, and need none of a task.

        Args:
            model: the student.
            classes: the indices of those to forget.
        """

    def end_forgetting(self, model: JointVAE) -> None:
        """Called when they are forgotten, after `end_task`, or when an error ended it.

        Args:
            model: the student.
        """

    @property
    def can_forget(self) -> bool:
        """Whether the method is one that can teach the classes that stay."""
        return type(self).begin_forgetting is not Method.begin_forgetting

    @property
    def has_old_rows(self) -> bool:
        """Whether the method is one that gives `old_rows`."""
        return type(self).old_rows is not Method.old_rows

    def options(self) -> dict[str, Any]:
        """The options by name."""
        return {name: getattr(self, name) for name in self.option_names}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.options()}

    def weight_beside(self, variable: Any, name: str) -> Any:
        """A weight of zeros in the shape of a variable, not trained.

        Args:
            variable: a weight of the student.
            name: of the new weight.

        Returns:
            The weight, which is saved with the model.
        """
        weight = replicas.state(self, name, variable.shape)
        # Not an attribute that Keras would track: the variables are the student's.
        self.__dict__.setdefault("_beside", []).append((weight, variable))
        return weight
