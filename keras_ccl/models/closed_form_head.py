"""ClosedFormHead: a classifier on features that do not change, solved from sums over the rows."""

import contextlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_ccl.bounds import likelihoods
from keras_ccl.bounds.closed_form import NEVER, Linear, Moments
from keras_ccl.data.labels import LabelBook, Name
from keras_ccl.data.ready_tasks import ReadyTask
from keras_ccl.data.splits import MEASURING_BATCH, Split, measured_batches
from keras_ccl.data.validation import check_choice, check_input_shape, check_positive, classes_of
from keras_ccl.models.backbones import freeze, seen_through
from keras_ccl.models.current_and_old import MEASURED_ROWS
from keras_ccl.models.evidence import Evidence
from keras_ccl.models.feature_sums import MOST_FEATURES, FeatureSums
from keras_ccl.models.fixed_features import FEATURES, CentredLinear
from keras_ccl.models.keras_training import KerasTraining
from keras_ccl.models.rows import where_finite
from keras_ccl.models.step_metrics import StepMetrics
from keras_ccl.training import replicas


class ClosedFormHead(KerasTraining):
    """A linear classifier on fixed features, solved at the end of each task.

    Each row is read once, and added to the counts, sums and second moments of its class. These are
    all that is kept. They do not depend on the order of rows and tasks, so nothing is forgotten,
    but nothing is learnt of x either: the features stay as they were made.

    Args:
        input_shape: shape of one x: (height, width, channels), or any other.
        num_classes: K; None where it follows from names.
        class_names: as in `JointDistributions`.
        features: `"raw"`: x itself; `"relu"` or `"fourier"`: of random projections; `"patches"`:
            of the patches of an image.
        feature_count: D, how many random features at most. The default takes 34 MB.
        backbone: as in `JointDistributions`: the features are those of its features.
        likelihood: what values x has, as in `JointDistributions`: `"bernoulli"`: in [0, 1];
            `"gaussian"`: any, which are standardised by the rows of the first task.
        seed: of random features; None draws one.
        **kwargs: of `keras.Model`.

    Attributes:
        tasks_seen: how many tasks were learnt, an integer weight.
        feature_sums: counts, sums and products of the features of all rows, a `FeatureSums`.

    Raises:
        ValueError: for an unknown option, or features that do not fit the inputs.
    """

    option_names: tuple[str, ...] = (
        "input_shape",
        "num_classes",
        "features",
        "feature_count",
        "likelihood",
        "seed",
    )
    products_of_pairs = True  # whether `solve` needs the products of all pairs of features
    one_pass = True
    saved_format = 1
    measured_always = ("loss",)
    measured_in_test = ()

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int | None = None,
        *,
        class_names: Sequence[Name] | LabelBook | None = None,
        features: str = "raw",
        feature_count: int = MOST_FEATURES,
        backbone: keras.Model | None = None,
        likelihood: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        input_shape = check_input_shape(input_shape)
        observed_shape, likelihood = seen_through(backbone, input_shape, likelihood)
        check_choice("features", features, tuple(FEATURES))
        labels, num_classes = classes_of(num_classes, class_names)
        check_positive("feature_count", feature_count, integer=True)
        super().__init__(**kwargs)
        self.input_shape, self.observed_shape = input_shape, observed_shape
        self.labels, self.num_classes, self.backbone = labels, num_classes, freeze(backbone)
        self.features, self.feature_count = features, feature_count
        self.likelihood, self.seed = likelihood, seed
        self.observation = likelihoods.make_likelihood(likelihood, None, observed_shape)
        self.observation.trainable = False
        self.make_noise()
        self.feature_map = FEATURES[features](
            observed_shape,
            size=feature_count,
            unit_range=self.observation.unit_range,
            seed=int(self.noise.numpy()[0]),
        )
        size = self.feature_map.size
        self.tasks_seen = replicas.state(self, "tasks_seen", (), "int32")
        self.feature_sums = FeatureSums(size, num_classes, pairs=self.products_of_pairs)
        self.linear = CentredLinear(size, num_classes)
        self.step_metrics = StepMetrics(self.measured_always)
        self.built = True

    def solve(self, moments: Moments) -> Linear:
        """Solve for the classifier that follows from all rows so far.

        Args:
            moments: of the features of all rows less the offset of the sums, float64.

        Returns:
            Centre `[D]`, kernel `[D, K]` and bias `[K]`.

        Raises:
            NotImplementedError: in this class, which has no classifier of its own.
        """
        raise NotImplementedError

    @property
    def method_name(self) -> str:
        """What histories and artefacts call the method."""
        return type(self).__name__

    @property
    def kept_bytes(self) -> int:
        """Bytes of what is kept of the rows: counts, sums and products."""
        return self.feature_sums.kept_bytes

    def featurize(self, x: tf.Tensor) -> tf.Tensor:
        """Features `[B, D]` of x `[B, *input_shape]`, floats or bytes."""
        return self.feature_map(self.observation.for_encoder(self.observe(x)))

    def logits(self, x: tf.Tensor) -> tf.Tensor:
        """log p(y|x) up to a constant, `[B, K]`, for x `[B, *input_shape]`."""
        return self.linear(self.featurize(x))

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """p(y|x), `[B, K]`; NaN for a row that is not finite."""
        return where_finite(x, tf.nn.softmax(self.logits(x)))

    def evidence(self, x: np.ndarray, *, batch_size: int = MEASURING_BATCH) -> Evidence:
        """Logits `[N, K]` alone: a head knows no p(x)."""

        def of_rows(seen: tf.Tensor) -> tf.Tensor:
            return where_finite(seen, self.logits(seen))

        return Evidence(self.by_batch(of_rows, x, batch_size), None)

    # One step.

    def term_weights(self) -> dict[str, float]:
        """The loss has no terms: it is measured, and not minimised."""
        return {}

    def train_step(self, data: tuple) -> dict[str, tf.Tensor]:
        """Add a batch to the sums. The loss is that of the classifier of the tasks before."""
        x, y, weight = self.unpacked(data)
        found = self.featurize(x)
        added = self.feature_sums.of_rows(found, y, weight)
        for kept, new in zip(self.feature_sums.kept, added, strict=True):
            kept.assign_add(replicas.over_replicas(new))
        means = self.step_metrics.update({"loss": self._loss(found, y)[0]}, tf.shape(y)[0])
        return replicas.reducible_logs(means)

    def test_step(self, data: tuple) -> dict[str, tf.Tensor]:
        """Cross-entropy, and the accuracy of `predict`, on a batch (x, y) or (x, y, weight)."""
        x, y, weight = self.unpacked(data)
        loss, logits = self._loss(self.featurize(x), y)
        if weight is not None:
            loss *= weight
        return replicas.reducible_logs(self.measure({"loss": loss}, y, logits, weight))

    def _loss(self, features: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """-log p(y|x), `[B]`, nats, and the logits `[B, K]`."""
        logits = self.linear(features)
        return keras.losses.categorical_crossentropy(y, tf.nn.softmax(logits)), logits

    # From task to task.

    def validation_rows(self, split: Split, batch_size: int) -> tf.data.Dataset:
        """Held-out rows of the current task."""
        return split.batches(batch_size)

    def grow_to(self, num_classes: int, *, anew: bool, **options: Any) -> None:
        super().grow_to(num_classes, anew=anew)
        with self.distribute_strategy.scope():
            self.feature_sums.grow_classes(num_classes)
            self.linear.grow_classes(num_classes, bias=0.0 if anew else NEVER)

    def begin_task(self, task: ReadyTask) -> None:
        """Called before a task is learnt: the first tells how to standardise, and the offset."""
        super().begin_task(task)
        if self.tasks_seen.numpy():
            return
        if self.observation.asks_for_rows:
            self.observation.fit(task.train.some_rows(MEASURED_ROWS, seed=0)[0])
        self.feature_sums.begin(task.train, self.featurize)

    def end_task(self, task: ReadyTask) -> None:
        """Called after a task is learnt: solves for the classifier, and counts the task."""
        self.linear.set_weights(self.feature_sums.solved(self.solve))
        self.tasks_seen.assign_add(1)

    @property
    def learnt_classes(self) -> frozenset[int]:
        return frozenset(np.flatnonzero(self.feature_sums.counts.numpy()).tolist())

    def check_forgets(self, rows: Split | None) -> None:
        """Refuse to forget classes where that cannot be done.

        Args:
            rows: all rows of them that were learnt, or None.

        Raises:
            TypeError: without rows, and where rows of the first task standardised x.
        """
        if rows is None or not self.observation.unit_range:
            raise TypeError(
                "forget: expected of a closed-form head x in [0, 1] and all rows of the classes, "
                "forget(classes, rows=(x, y)), to be taken out of sums over all classes; received "
                + ("none" if rows is None else "x that rows of the first task standardised")
            )

    @contextlib.contextmanager
    def forgetting(
        self, classes: Collection[int], rows: Split, *, generated: int
    ) -> Iterator[None]:
        """A context without anything to fit: rows are taken out of the sums."""
        batches = ((self.featurize(x), *labels) for x, *labels in measured_batches(rows))
        self.feature_sums.take_out(classes, batches)
        self.linear.set_weights(self.feature_sums.solved(self.solve))
        self.forgot(classes)
        yield

    # Saving.

    def answering_parts(self) -> tuple[keras.layers.Layer, ...]:
        """Features and classifier, not the sums that it is solved from."""
        return *self.parts_before(), self.observation, self.feature_map, self.linear
