"""FamiliarModel: a joint model that tells how familiar a row is, and so what it does not know."""

import numpy as np
import tensorflow as tf

from keras_ccl.bounds.folded_prior import folded_prior
from keras_ccl.data.splits import MEASURING_BATCH
from keras_ccl.models.calibrated import Calibrated
from keras_ccl.models.evidence import Evidence
from keras_ccl.models.joint_model import JointModel
from keras_ccl.models.method import Method
from keras_ccl.models.rows import as_arrays, where_finite

GENERATING_SEED = (0, 3)
"""Rows to calibrate on are drawn with this stateless seed: training stays as it was."""


class FamiliarModel(Calibrated, JointModel):
    """A `JointModel` that tells what it has to say of a row, as the exported student does."""

    method: Method

    def familiarity(self, x: np.ndarray, *, batch_size: int = MEASURING_BATCH) -> np.ndarray:
        """How familiar rows are: what the exported student answers as `familiarity`.

        It is 0 at best and low for a row unlike all that was learnt: minus the nats by which
        log p(x|z) at the posterior mean falls short of the best that any parameters would give x,
        and minus a bound above KL(q(z|x) || p(z)). It has no noise.

        Args:
            x: `[N, *input_shape]`.
            batch_size: rows per batch.

        Returns:
            `[N]`, nats, and NaN for a row that is not finite.
        """
        model, prior = self.in_float32(), folded_prior(self.p_z)

        def of_rows(seen: tf.Tensor) -> tf.Tensor:
            return where_finite(seen, model.familiarity_at(seen, model.encode(seen), prior))

        return model.by_batch(of_rows, x, batch_size)

    def evidence(self, x: np.ndarray, *, batch_size: int = MEASURING_BATCH) -> Evidence:
        model, prior = self.in_float32(), folded_prior(self.p_z)

        def of_rows(seen: tf.Tensor) -> tf.Tensor:
            q = model.encode(seen)
            nats = model.familiarity_at(seen, q, prior)
            found = tf.concat([model.answer(seen, q), nats[:, tf.newaxis]], 1)
            return where_finite(seen, found)

        found = model.by_batch(of_rows, x, batch_size)
        return Evidence(found[:, :-1], found[:, -1])

    def generated_rows(self, n: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Means of p(x|z), whose labels are those of the networks; a sample would be noisy."""
        if not self.method.has_old_rows:
            return None
        seeds = tf.random.experimental.stateless_split(GENERATING_SEED, -(-n // MEASURING_BATCH))
        x, y = as_arrays(
            self.draw(tf.constant(MEASURING_BATCH), seed, inputs="mean", labels="reencoded")
            for seed in seeds
        )
        return x[:n], y[:n]
