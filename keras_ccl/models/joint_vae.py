"""JointVAE: a joint model trained on the joint bound, and on what a method adds to it."""

from typing import Any

import keras
import tensorflow as tf

from keras_ccl.bounds import distributions, objectives
from keras_ccl.data.ready_tasks import ReadyTask
from keras_ccl.data.splits import MEASURING_SEED
from keras_ccl.data.validation import check_positive, check_share
from keras_ccl.models import rows as step_rows
from keras_ccl.models import self_labels
from keras_ccl.models.current_and_old import MEASURED_ROWS, validation_rows
from keras_ccl.models.forgettable import Forgettable
from keras_ccl.models.joint_distributions import Inference
from keras_ccl.models.joint_model import JointModel
from keras_ccl.models.keras_training import KerasTraining
from keras_ccl.models.layer_losses import adds_losses, sum_of_losses
from keras_ccl.models.memories import begin_memory, end_memory
from keras_ccl.models.method import Method
from keras_ccl.models.step_metrics import StepMetrics
from keras_ccl.training import replicas
from keras_ccl.training.grown_weights import grow


@keras.saving.register_keras_serializable(package="keras_ccl")
class JointVAE(KerasTraining, Forgettable):
    """A VAE with a classifier on its latent variable: maximises the joint bound, eq. 4.

    Trained task after task, on current rows alone, it is the paper's baseline **vae-cl**. A method
    adds rows and terms. The KL term of the training bound is always to N(0, I).

    Args:
        input_shape: as in `JointDistributions`.
        num_classes: as in `JointDistributions`.
        classification_weight: weight of E_q[log p(y|z)] in the loss (paper: 1).
        classification_at_mean: the share of that term taken at the mean of q(z|x), where `predict`
            classifies, instead of at a sample (paper: 0).
        method: what is added to the bound, such as `methods.SynapticIntelligence()`; None: nothing.
        **kwargs: the other arguments of `JointDistributions`.

    Attributes:
        tasks_seen: how many tasks were learnt, an integer weight.
        task_classes: `[K]`, 1 for the classes of the current task met so far.
        first_classes: how many the first task had, of a model that meets classes as they come.

    Raises:
        ValueError: for an option that does not fit, or a method that another model has.
    """

    option_names = (*JointModel.option_names, "classification_weight", "classification_at_mean")

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int | None = None,
        *,
        classification_weight: float = 300.0,
        classification_at_mean: float = 0.5,
        method: Method | None = None,
        **kwargs: Any,
    ) -> None:
        check_positive("classification_weight", classification_weight, or_zero=True)
        check_share("classification_at_mean", classification_at_mean, or_one=True)
        method = Method() if method is None else method
        if method.built:
            raise ValueError(f"method: expected one that no other model has, received {method}")
        super().__init__(input_shape, num_classes, **kwargs)
        self.classification_weight = classification_weight
        self.classification_at_mean = classification_at_mean
        self.tasks_seen = replicas.state(self, "tasks_seen", (), "int32")
        self.task_classes = replicas.state(self, "task_classes", (self.num_classes,), "float32")
        if self.is_open:
            self.first_classes = replicas.state(self, "first_classes", (), "int32")
        self.method = method
        method.attach(self)
        method.built, self._method_is_active = True, False
        self._traced_kind: Any = None
        self._labelling: self_labels.Labelling | None = None  # of a task where some rows lack one
        self._is_regularized = adds_losses(self.encoder, self.observed_shape) or any(
            adds_losses(network, (self.latent_dim,)) for network in (self.decoder, self.classifier)
        )
        self.measured_always = ("loss", *self.bound_weights())
        self.measured_in_test = ("negative_elbo",)
        names = (*self.measured_always, *self.measured_in_test, *method.term_weights())
        self.step_metrics = StepMetrics(names)

    def __getattr__(self, name: str) -> Any:
        """The options of the method and what it shows, such as `model.teacher`."""
        method = self.__dict__.get("method")
        if method is not None and name in (*method.option_names, *method.shown):
            return getattr(method, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def method_name(self) -> str:
        """What histories and artefacts call the method."""
        return type(self if type(self.method) is Method else self.method).__name__

    # One step.

    def term_weights(self) -> dict[str, float]:
        """The weight of each term in the loss, by the term's name."""
        return {**self.bound_weights(), **self.method.term_weights()}

    def bound_weights(self) -> dict[str, float]:
        """Those of the joint bound, and of regularisers where the networks have any."""
        bound = {"reconstruction": 1.0, "kl": 1.0, "classification": self.classification_weight}
        return {**bound, "regularization": 1.0} if self._is_regularized else bound

    def regularization(self) -> dict[str, tf.Tensor]:
        """What the layers add to the loss, a scalar, by its name; nothing where none does.

        To be called next after `infer`: a network that is called anew forgets what it added.
        """
        if not self._is_regularized:
            return {}
        return {"regularization": sum_of_losses(self.encoder, self.decoder, self.classifier)}

    def training_rows(self, x: tf.Tensor, y: tf.Tensor) -> step_rows.Rows:
        """The rows of one step for a batch x `[B, ...]`, y `[B, K]`."""
        if self._method_is_active:
            return self.method.rows(self, x, y)
        return step_rows.current_only(x, y)

    def joint_terms(
        self, rows: step_rows.Rows, found: Inference, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """The terms of the joint bound, each `[N]`, nats, for rows and their `Inference`."""
        share = self.classification_at_mean
        return objectives.joint_terms(
            x=rows.x,
            y=rows.y,
            q=found.q,
            p_z=distributions.standard_normal(self.latent_dim),
            p_x=found.p_x,
            p_y=found.p_y,
            p_y_at_mean=self.classify(found.q.mean(), training) if share else None,
            share_at_mean=share,
        )

    def mean_terms(self, rows: step_rows.Rows, found: Inference) -> dict[str, tf.Tensor]:
        """Every term of the loss: its weighted mean over rows, nats; 0 of a method not active."""
        terms = self.joint_terms(rows, found, training=True)
        label = terms["classification"]
        terms["classification"] = self_labels.label_term(self, rows, label, found.q)
        means = {k: objectives.weighted_mean(term, rows.weight) for k, term in terms.items()}
        if self._method_is_active:
            means |= self.method.terms(self, rows, found)
        return {name: means.get(name, tf.constant(0.0)) for name in self.term_weights()}

    def train_step(self, data: tuple) -> dict[str, tf.Tensor]:
        """One step on a batch (x, y) or (x, y, weight): it learns from rows no dataset holds."""
        x, y, weight = self.unpacked(data)
        met = tf.sign(replicas.over_replicas(tf.reduce_sum(y, 0)))
        self.task_classes.assign(tf.maximum(self.task_classes, met))
        rows = step_rows.weighed(self.training_rows(x, y), weight)
        y = rows.y  # as they came, or were generated
        rows = self_labels.with_own_labels(self, rows, self._labelling)
        seed, share = self.next_seed(), replicas.share_of_rows(rows.current)
        loss_scale = self.optimizer.scale_loss(tf.constant(1.0))
        with tf.GradientTape() as tape:
            found = self.infer(rows.x, seed, training=True)
            regularization = self.regularization()
            means = {**self.mean_terms(rows, found), **regularization}
            loss = objectives.total(means, self.term_weights())
            scaled = self.optimizer.scale_loss(share * loss)
        variables = self.trainable_variables
        gradients = tape.gradient(scaled, variables)
        self.optimizer.apply(gradients, variables)
        self.method.after_step(self, gradients, loss_scale)
        parts = y, found.p_y.logits_parameter(), weight
        current = (part if part is None else part[: rows.current] for part in parts)
        return replicas.reducible_logs(self.measure({"loss": loss, **means}, *current))

    def test_step(self, data: tuple) -> dict[str, tf.Tensor]:
        """The joint bound, and the accuracy of `predict`, on a batch (x, y) or (x, y, weight)."""
        x, y, weight = self.unpacked(data)
        found = self.infer(x, MEASURING_SEED)
        regularization = self.regularization()
        terms = self.joint_terms(step_rows.current_only(x, y), found)
        values = {
            "loss": objectives.total(terms, self.bound_weights()),
            **terms,
            "negative_elbo": terms["reconstruction"] + self.p_z.kl(found.q, found.z),
        }
        if weight is not None:
            values = {name: weight * value for name, value in values.items()}
        values["loss"] += sum(regularization.values())
        logs = self.measure({**values, **regularization}, y, self.answer(x, found.q), weight)
        return replicas.reducible_logs(logs)

    def make_train_function(self, force: bool = False) -> Any:
        """Trace the step again when the method becomes active, or its variant another."""
        active = self.method.is_active(int(self.tasks_seen.numpy()))
        kind = (active, active and self.method.variant, self._labelling)
        force, self._traced_kind = force or kind != self._traced_kind, kind
        self._method_is_active = active
        return super().make_train_function(force)

    # From task to task.

    validation_rows = validation_rows

    def observed(self, task: ReadyTask) -> ReadyTask:
        """A task as the networks see it, its rows with a label more often where they are few."""
        return self_labels.repeated(super().observed(task))

    def begin_task(self, task: ReadyTask) -> None:
        """Called before a task is learnt, whose classes are met as it is; and with further rows."""
        super().begin_task(task)
        if self.observation.asks_for_rows and not (task.continues or self.tasks_seen.numpy()):
            self.observation.fit(task.train.some_rows(MEASURED_ROWS, seed=0)[0])
        if self._labelling is None or not task.continues:
            self._labelling = self_labels.begin_task(self, task)
        begin_memory(self, task)
        self.method.begin_task(self, task)

    def grow_to(self, num_classes: int, *, anew: bool, **options: Any) -> None:
        super().grow_to(num_classes, anew=anew, **options)
        with self.distribute_strategy.scope():
            grow(self.task_classes, (num_classes,))
            self.method.grow(self, anew=anew)

    def end_task(self, task: ReadyTask) -> None:
        """Called after a task is learnt: fits p(z) and the memory to its rows, and counts it."""
        answered, self._labelling = self_labels.answered(self, task), None
        self.fit_prior(answered)
        end_memory(self, answered if task.train.classes else task)
        self.method.end_task(self, task)
        super().end_task(task)

    # Saving.

    def options(self) -> dict[str, Any]:
        """The options of model and method by name, without the networks."""
        return {**super().options(), **self.method.options()}

    def get_config(self) -> dict[str, Any]:
        method = keras.saving.serialize_keras_object(self.method)
        config = {**super().get_config(), "method": method}
        return {k: v for k, v in config.items() if k not in self.method.option_names}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "JointVAE":
        if isinstance(config.get("method"), dict):
            method = keras.saving.deserialize_keras_object(config["method"])
            config = {**config, "method": method}
        return super().from_config(config)
