"""CCLGM: continual classification with a frozen teacher that generates the tasks learnt before."""

import functools

import keras
import numpy as np
import tensorflow as tf

from keras_ccl.bounds import objectives
from keras_ccl.data.splits import MEASURING_BATCH
from keras_ccl.data.validation import check_choice, check_positive, check_share
from keras_ccl.models import networks
from keras_ccl.models import rows as replay
from keras_ccl.models.joint_model import JointModel
from keras_ccl.models.joint_vae import MEASURED_ROWS, JointVAE
from keras_ccl.models.rows import INPUTS, LABELS, REPLAYS
from keras_ccl.training import replicas


@keras.saving.register_keras_serializable(package="keras_ccl")
class CCLGM(JointVAE):
    """Continual classification learning with generative models (Lavda et al. 2018), eq. 5.

    After each task the student's weights are copied to a frozen teacher. From then on every step
    learns from current rows and from rows (x~, y~) that the teacher generates; on the generated
    rows the student's posteriors are held to the teacher's by KL(q_s(z|x~) || q_t(z|x~)).

    Args:
        input_shape, num_classes: as in `JointModel`.
        prior: `"mixture"` or `"normal"` (paper), as in `JointModel`.
        replay: `"balanced"`: B current and B generated rows, weighing 1/(t+1) and t/(t+1), t the
            tasks finished; `"mixed"` (paper): of B rows B t/(t+1) are generated.
        replay_inputs: x~ is a `"sample"` of the teacher's p(x|z), or its `"mean"` (reference code):
            smooth, and so told from a real row by its look alone.
        replay_labels: y~ is `"hard"` (paper): the teacher's most likely class given z; `"soft"`:
            its p(y|z); `"reencoded"`: its p(y|x~), x~ encoded again.
        temperature: divides the logits of soft y~.
        novelty_at_reconstruction: with C the classes of the current task, log p(y|x) of a current
            row is log p(y in C|x) + log p(y|y in C, x). This share of the first is taken at the
            student's own reconstruction of the row, which looks as generated rows do: on the row
            itself, being real gives the classes of C away. Without effect where every class is in
            C (paper: 0).
        distillation_weight: weight of the posterior distillation (paper: 1).
        information_weight: weight of I(z; x~), the regulariser that the paper names L_I and leaves
            open (`divergences.information_gain`); > 0 penalises, < 0 rewards; at 0 (reference code)
            the term is neither computed nor logged.
        **kwargs: the options of `JointVAE`.

    Attributes:
        teacher: a frozen `JointModel`; it means nothing while `tasks_seen` is 0.
    """

    option_names = (
        *JointVAE.option_names,
        "replay",
        "replay_inputs",
        "replay_labels",
        "temperature",
        "novelty_at_reconstruction",
        "distillation_weight",
        "information_weight",
    )

    def __init__(
        self,
        input_shape,
        num_classes,
        *,
        prior="mixture",
        replay="balanced",
        replay_inputs="sample",
        replay_labels="reencoded",
        temperature=1.0,
        novelty_at_reconstruction=0.9,
        distillation_weight=1.0,
        information_weight=0.0,
        **kwargs,
    ):
        check_choice("replay", replay, tuple(REPLAYS))
        check_choice("replay_inputs", replay_inputs, INPUTS)
        check_choice("replay_labels", replay_labels, LABELS)
        check_positive("temperature", temperature)
        check_share("novelty_at_reconstruction", novelty_at_reconstruction, or_one=True)
        check_positive("distillation_weight", distillation_weight, or_zero=True)
        check_positive("information_weight", abs(information_weight), or_zero=True)
        self.distillation_weight = distillation_weight  # the metrics made next are those of
        self.information_weight = information_weight  # `term_weights`
        super().__init__(input_shape, num_classes, prior=prior, **kwargs)
        self.replay = replay
        self.replay_inputs = replay_inputs
        self.replay_labels = replay_labels
        self.temperature = temperature
        self.novelty_at_reconstruction = novelty_at_reconstruction
        self.task_classes = self.add_weight(
            name="task_classes",
            shape=(num_classes,),
            initializer="zeros",
            trainable=False,
            dtype="float32",
            aggregation="only_first_replica",  # all replicas know the classes of all
        )
        self.teacher = self._new_teacher()
        self._replaying = False

    @classmethod
    def paper(cls, input_shape, num_classes, **kwargs):
        """The method as printed: N(0, I), mixed batches, hard labels from z, every weight 1.

        L_I has weight 0 and x~ is the mean of p(x|z), as in the reference code. Any option can
        still be given.
        """
        printed = {
            "prior": "normal",
            "replay": "mixed",
            "replay_inputs": "mean",
            "replay_labels": "hard",
            "classification_weight": 1.0,
            "classification_at_mean": 0.0,
            "novelty_at_reconstruction": 0.0,
            "distillation_weight": 1.0,
            "information_weight": 0.0,
        }
        return cls(input_shape, num_classes, **{**printed, **kwargs})

    def term_weights(self):
        weights = {**super().term_weights(), "distillation": self.distillation_weight}
        if self.information_weight:
            weights["information"] = self.information_weight
        return weights

    def training_rows(self, x, y):
        """The batch itself while there is no teacher; from then on with generated rows."""
        if not self._replaying:
            return super().training_rows(x, y)
        return REPLAYS[self.replay](x, y, self._generate_rows, self.tasks_seen)

    def joint_terms(self, rows, found, training=False):
        """The terms of the joint bound, each [N] nats; of current rows that stand beside generated
        ones, as `novelty_at_reconstruction` says.
        """
        terms = super().joint_terms(rows, found, training)
        if rows.q_teacher is None or not self.novelty_at_reconstruction:
            return terms
        current, old = tf.split(terms["classification"], [rows.current, -1])
        moved = current + self._novelty_moved(rows, found, training)
        return {**terms, "classification": tf.concat([moved, old], 0)}

    def mean_terms(self, rows, found):
        """The terms of eq. 5; those on generated rows are 0 while there is no teacher."""
        means = super().mean_terms(rows, found)
        if rows.q_teacher is None:
            return {name: means.get(name, tf.constant(0.0)) for name in self.term_weights()}
        q, z, weight = (part[rows.current :] for part in (found.q, found.z, rows.weight))
        terms = objectives.continual_terms(
            q_student=q, q_teacher=rows.q_teacher, z=z, information=self.information_weight != 0
        )
        return means | {k: objectives.weighted_mean(term, weight) for k, term in terms.items()}

    def make_train_function(self, force=False):
        """Trace the step again when the first teacher has come, and only then."""
        replaying = int(self.tasks_seen.numpy()) > 0
        force = force or replaying != self._replaying
        self._replaying = replaying
        return super().make_train_function(force)

    def validation_rows(self, split, batch_size):
        """The held-out rows, and as many generated ones that together weigh t times as much."""
        held_out = super().validation_rows(split, batch_size)
        seen = int(self.tasks_seen.numpy())
        if not seen:
            return held_out
        x, y = self._old_rows(split.rows)
        weight = np.full(len(y), seen * split.rows / len(y), np.float32)
        old = tf.data.Dataset.from_tensor_slices((x, y, weight)).batch(batch_size)
        return held_out.concatenate(old)

    def begin_task(self, task):
        """Forget the classes of the last task: those of this one are met as it is learnt."""
        super().begin_task(task)
        self.task_classes.assign(tf.zeros_like(self.task_classes))

    def end_task(self, task):
        """Refit p(z), count the task, and let the student become the teacher."""
        super().end_task(task)
        for part in ("encoder", "decoder", "classifier", "p_z"):
            getattr(self.teacher, part).set_weights(getattr(self, part).get_weights())

    def posterior_samples(self, task):
        """Samples of q(z|x) of current rows and of as many generated rows, 1/(t+1) to t/(t+1)."""
        z, y, weight = super().posterior_samples(task)
        seen = int(self.tasks_seen.numpy())
        if not seen:
            return z, y, weight
        x, old_y = self._old_rows(len(z))
        old_z = self.sample_posteriors(x)
        weights = np.repeat([1 / (seen + 1), seen / (seen + 1)], len(z)) / len(z)
        return np.concatenate([z, old_z]), np.concatenate([y, old_y]), weights

    def _novelty_moved(self, rows, found, training):
        """What a share of novelty at the reconstruction, not at the row, adds: [current] nats."""
        classes, seed = self._classes_of_task(rows.y[: rows.current]), self.next_seed()

        def at(q, p_y):
            share = self.classification_at_mean
            sampled = objectives.novelty(p_y, classes)
            p_y_at_mean = self.classify(q.mean(), training)
            return (1 - share) * sampled + share * objectives.novelty(p_y_at_mean, classes)

        def moved():
            of_pixels, of_z = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
            q, p_x, p_y = (part[: rows.current] for part in (found.q, found.p_x, found.p_y))
            x = tf.stop_gradient(replay.inputs(p_x, self.replay_inputs, of_pixels))
            again = self.infer(x, of_z, training)
            return self.novelty_at_reconstruction * (at(again.q, again.p_y) - at(q, p_y))

        nothing = lambda: tf.zeros([rows.current])  # noqa: E731
        return tf.cond(tf.reduce_all(classes > 0), nothing, moved)

    def _classes_of_task(self, y):
        """1 for the classes of the current task met so far, these labels [B, K] among them: [K]."""
        met = replicas.over_replicas(tf.reduce_sum(y, 0))
        self.task_classes.assign(tf.maximum(self.task_classes, tf.sign(met)))
        return tf.identity(self.task_classes.value)

    def _old_rows(self, n):
        """At most `MEASURED_ROWS` of n generated rows: x [n, ...] and labels [n]."""
        x, y = [], []
        for start in range(0, min(n, MEASURED_ROWS), MEASURING_BATCH):
            rows = self._teacher_rows(tf.constant(min(MEASURING_BATCH, n - start)))
            x.append(rows.x.numpy())
            y.append(rows.y.numpy().argmax(1).astype(np.int32))
        return np.concatenate(x), np.concatenate(y)

    @functools.cached_property
    def _teacher_rows(self):
        return tf.function(self._generate_rows)

    def _generate_rows(self, n):
        return self.teacher.draw(
            n,
            self.next_seed(),
            inputs=self.replay_inputs,
            labels=self.replay_labels,
            temperature=self.temperature,
        )

    def _new_teacher(self):
        options = {name: getattr(self, name) for name in JointModel.option_names}
        given = {slot: n and networks.copy(n) for slot, n in self._given._asdict().items()}
        teacher = JointModel(**{**options, **given, "name": "teacher"})
        teacher.trainable = False
        return teacher
