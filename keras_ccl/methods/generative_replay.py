"""GenerativeReplay: a frozen teacher generates the tasks learnt before (Lavda et al. 2018)."""

import functools
from collections.abc import Collection
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_ccl.bounds import objectives
from keras_ccl.data.ready_tasks import ReadyTask
from keras_ccl.data.splits import MEASURING_BATCH
from keras_ccl.data.validation import check_choice, check_positive, check_share
from keras_ccl.methods.mixing import REPLAYS, generated_only
from keras_ccl.models.gaussian_memory import GaussianMemory
from keras_ccl.models.joint_distributions import Inference
from keras_ccl.models.joint_vae import JointVAE
from keras_ccl.models.method import Method
from keras_ccl.models.rows import INPUTS, LABELS, Generated, Rows, as_arrays, generated_inputs


@keras.saving.register_keras_serializable(package="keras_ccl")
class GenerativeReplay(Method):
    """What CCL-GM adds to the joint bound, eq. 5.

    After each task the student's weights are copied to a frozen teacher. From then on every step
    learns from current rows and from rows (x~, y~) that the teacher generates; on the generated
    rows the student's posteriors are held to the teacher's by KL(q_s(z|x~) || q_t(z|x~)).

    Args:
        replay: `"balanced"`: B current and B generated rows, the current ones together weighing
            1/(t+1) where the task lacks a class, else 1/sqrt(t+1), t the tasks finished;
            `"mixed"` (paper): of B rows, B t/(t+1) are generated.
        replay_from: `"teacher"` (paper): generated rows are the teacher's; `"gaussians"`: where the
            task lacks a class they are drawn of the Gaussians of the memory, of the classes of the
            task too, so that real rows need not be told from generated ones; `"auto"`: the second
            where the memory is of Gaussians.
        replay_inputs: x~ is a `"sample"` of the teacher's p(x|z), or its `"mean"` (reference code):
            smooth, and so told from a real row by its look alone.
        replay_labels: y~ is `"hard"` (paper): the teacher's most likely class given z; `"soft"`:
            its p(y|z); `"reencoded"`: its p(y|x~), x~ encoded again.
        temperature: divides the logits of soft y~.
        novelty_at_reconstruction: with C the classes of the current task, log p(y|x) of a current
            row is log p(y in C|x) + log p(y|y in C, x). This share of the first is taken at the
            student's own reconstruction of the row, which looks as generated rows do: on the row
            itself, being real gives the classes of C away. Without effect where every class is in
            C (paper: 0). Drawn of Gaussians, rows of C teach it in place of reconstructions.
        distillation_weight: weight of the posterior distillation (paper: 1).
        information_weight: weight of I(z; x~), the regulariser that the paper names L_I and leaves
            open (`divergences.information_gain`); > 0 penalises, < 0 rewards; at 0 (reference code)
            the term is neither computed nor logged.
        **kwargs: of `keras.layers.Layer`.

    Attributes:
        teacher: a frozen `JointModel`; it means nothing before a task is finished.
    """

    option_names = (
        "replay",
        "replay_from",
        "replay_inputs",
        "replay_labels",
        "temperature",
        "novelty_at_reconstruction",
        "distillation_weight",
        "information_weight",
    )
    shown = ("teacher",)
    variant: Any = True  # whether the task lacks a class, which `begin_task` knows
    _without: frozenset[int] = frozenset()  # classes that are being forgotten

    def __init__(
        self,
        *,
        replay: str = "balanced",
        replay_from: str = "auto",
        replay_inputs: str = "sample",
        replay_labels: str = "reencoded",
        temperature: float = 1.0,
        novelty_at_reconstruction: float = 0.9,
        distillation_weight: float = 1.0,
        information_weight: float = 0.0,
        **kwargs: Any,
    ) -> None:
        check_choice("replay", replay, tuple(REPLAYS))
        check_choice("replay_from", replay_from, ("auto", "gaussians", "teacher"))
        check_choice("replay_inputs", replay_inputs, INPUTS)
        check_choice("replay_labels", replay_labels, LABELS)
        check_positive("temperature", temperature)
        check_share("novelty_at_reconstruction", novelty_at_reconstruction, or_one=True)
        check_positive("distillation_weight", distillation_weight, or_zero=True)
        check_positive("information_weight", abs(information_weight), or_zero=True)
        super().__init__(**kwargs)
        self.replay = replay
        self.replay_from = replay_from
        self.replay_inputs = replay_inputs
        self.replay_labels = replay_labels
        self.temperature = temperature
        self.novelty_at_reconstruction = novelty_at_reconstruction
        self.distillation_weight = distillation_weight
        self.information_weight = information_weight

    def attach(self, model: JointVAE) -> None:
        self.teacher = model.frozen_copy("teacher")
        self._novelty_weight = model.classification_weight  # novelty is a part of that term
        if self.replay_from == "gaussians" and not isinstance(model.feature_memory, GaussianMemory):
            raise ValueError(
                "replay_from: expected 'gaussians' with memory='gaussians', which rows are drawn "
                f"of, received memory={model.memory!r}"
            )
        self._trace(model)

    def _trace(self, model: JointVAE) -> None:
        self._draw_old = tf.function(
            lambda n, variant: self._generate(model, n, variant=variant, of_new=False),
            autograph=False,
        )
        self._draw_old._omit_frequent_tracing_warning = True  # once for each growth, as it must be

    def grow(self, model: JointVAE, *, anew: bool) -> None:
        super().grow(model, anew=anew)
        self.teacher.grow_beside(model, anew=anew)
        self._trace(model)

    def begin_task(self, model: JointVAE, task: ReadyTask) -> None:
        """Note whether the task lacks a class: what is novel and what rows weigh depend on it."""
        self.variant = model.lacks_classes(task)
        self._never_answers(model, model.forgotten | model.returning)

    def is_active(self, tasks_seen: int) -> bool:
        """Whether there is a teacher."""
        return tasks_seen > 0

    def term_weights(self) -> dict[str, float]:
        return {
            "distillation": self.distillation_weight,
            **({"information": self.information_weight} if self.information_weight else {}),
            **({"novelty": self._novelty_weight} if self.novelty_at_reconstruction else {}),
        }

    def rows(self, model: JointVAE, x: tf.Tensor, y: tf.Tensor) -> Rows:
        """Current rows, x `[B, *input_shape]`, y `[B, K]`, and generated ones, as `replay` says."""
        generate = functools.partial(self.generate_rows, model)
        if self._without:
            return generated_only(generate(tf.shape(x)[0]))
        return REPLAYS[self.replay](x, y, generate, model.tasks_seen, lacks_classes=self.variant)

    def terms(self, model: JointVAE, rows: Rows, found: Inference) -> dict[str, tf.Tensor]:
        """The terms of eq. 5 on generated rows, and what novelty adds on current ones."""
        first = 0 if self._without else rows.current  # of generated rows
        q, z, weight = (part[first:] for part in (found.q, found.z, rows.weight))
        drawn_of = self._drawn_of(model, self.variant)
        if drawn_of is not None:  # of new classes the teacher knows nothing
            weight *= 1 - tf.linalg.matvec(rows.y[first:], tf.identity(drawn_of.gaussians.new))
        terms = objectives.continual_terms(
            q_student=q, q_teacher=rows.q_teacher, z=z, information=self.information_weight != 0
        )
        means = {name: objectives.weighted_mean(term, weight) for name, term in terms.items()}
        if self.novelty_at_reconstruction and not self._without:
            moved = self.novelty_moved(model, rows, found)
            moved *= objectives.has_label(rows.y[: rows.current])
            if rows.label_weight is not None:
                moved *= rows.label_weight[: rows.current]
            means["novelty"] = objectives.weighted_mean(moved, rows.weight[: rows.current])
        return means

    def novelty_moved(self, model: JointVAE, rows: Rows, found: Inference) -> tf.Tensor:
        """What judging a share of novelty at the reconstruction, not at the row, adds.

        Args:
            model: the student.
            rows: of the step.
            found: the student's inference on them.

        Returns:
            `[current]`, nats, to be added to -log p(y|x); 0 where the task has every class.
        """
        classes, seed = tf.identity(model.task_classes.value), model.next_seed()
        if not self.variant:
            return tf.zeros([rows.current])

        def novelty(q: tfd.Distribution, p_y: tfd.Distribution) -> tf.Tensor:
            share = model.classification_at_mean
            sampled = objectives.novelty(p_y, classes)
            p_y_at_mean = model.classify(q.mean(), training=True)
            return (1 - share) * sampled + share * objectives.novelty(p_y_at_mean, classes)

        of_pixels, of_z = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        q, p_x, p_y = (part[: rows.current] for part in (found.q, found.p_x, found.p_y))
        if self._drawn_of(model, self.variant) is not None:
            return -self.novelty_at_reconstruction * novelty(q, p_y)
        x = tf.stop_gradient(generated_inputs(p_x, self.replay_inputs, of_pixels))
        again = model.infer(x, of_z, training=True)
        return self.novelty_at_reconstruction * (novelty(again.q, again.p_y) - novelty(q, p_y))

    def end_task(self, model: JointVAE, task: ReadyTask) -> None:
        """Let the student become the teacher."""
        self._never_answers(model, model.forgotten)
        self.teacher.take_weights_of(model)

    def begin_forgetting(self, model: JointVAE, classes: Collection[int]) -> None:
        self._never_answers(model, model.forgotten)
        self.variant = self._without = frozenset(classes)

    def end_forgetting(self, model: JointVAE) -> None:
        self.variant, self._without = True, frozenset()

    def _never_answers(self, model: JointVAE, classes: frozenset[int]) -> None:
        """Let the teacher give no label of these classes: of them it knows nothing."""
        if self.teacher.forgotten != classes:  # which was traced
            self.teacher.take_forgotten(classes)
            self._trace(model)
            model.train_function = None

    def old_rows(self, model: JointVAE, n: int) -> tuple[np.ndarray, np.ndarray] | None:
        """n generated rows and their most likely labels; None where there is no teacher."""
        if not self.is_active(int(model.tasks_seen.numpy())):
            return None
        sizes = [min(MEASURING_BATCH, n - start) for start in range(0, n, MEASURING_BATCH)]
        return as_arrays(self._draw_old(tf.constant(size), self.variant) for size in sizes)

    def generate_rows(self, model: JointVAE, n: tf.Tensor) -> Generated:
        """Generate rows to learn from beside current ones, from noise of the student's.

        Args:
            model: the student.
            n: how many, a scalar.

        Returns:
            z `[n, Z]`, x `[n, *observed_shape]`, y `[n, K]` and the teacher's posteriors.
        """
        return self._generate(model, n, variant=self.variant, of_new=True)

    def _generate(self, model: JointVAE, n: tf.Tensor, *, variant: Any, of_new: bool) -> Generated:
        seed, drawn_of = model.next_seed(), self._drawn_of(model, variant)
        if drawn_of is not None:
            x, y = drawn_of.draw(n, seed, of_new=of_new)
            q = self.teacher.encode(x)
            return Generated(q.mean(), x, y, q)
        how: dict[str, Any] = {"labels": self.replay_labels, "temperature": self.temperature}
        return self.teacher.draw(n, seed, **how, inputs=self.replay_inputs, without=self._without)

    def _drawn_of(self, model: JointVAE, variant: Any) -> GaussianMemory | None:
        """What rows are drawn of: nothing where the task has every class."""
        memory = model.feature_memory
        if not variant or self.replay_from == "teacher" or not isinstance(memory, GaussianMemory):
            return None
        return memory
