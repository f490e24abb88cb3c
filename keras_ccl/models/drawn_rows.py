"""DrawnRows: rows drawn of a joint distribution, of all of its classes or without some."""

import functools
from collections.abc import Collection

import tensorflow as tf

from keras_ccl.models import rows
from keras_ccl.models.joint_distributions import JointDistributions


class DrawnRows(JointDistributions):
    """A `JointDistributions` that rows are drawn of, as tensors."""

    def draw(
        self,
        n: tf.Tensor,
        seed: tf.Tensor,
        *,
        inputs: str = "mean",
        labels: str = "soft",
        temperature: float = 1.0,
        without: Collection[int] = (),
    ) -> rows.Generated:
        """Draw rows as tensors: z ~ p(z), x~ of p(x|z), y~.

        Args:
            n: how many.
            seed: a stateless seed, `[2]` int32.
            inputs: x~ is the `"mean"` of p(x|z) or a `"sample"` of it.
            labels: the kind of y~, as in `rows.generated_labels`.
            temperature: as in `rows.generated_labels`.
            without: the indices of classes whose rows are not drawn, nor their labels given: z is
                one at which they are less likely than the others.
        """
        of_z, of_pixels = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        draw = functools.partial(self.p_z.sample, n)
        if without:
            z = rows.drawn_until(draw, lambda z: self._is_other(z, without), of_z)
        else:
            z = draw(of_z)
        x = rows.generated_inputs(self.decode(z), inputs, of_pixels)
        q = self.encode(x)
        of_z, of_x = (self.classify(at, without=without).logits_parameter() for at in (z, q.mean()))
        return rows.Generated(z, x, rows.generated_labels(of_z, of_x, labels, temperature), q)

    def _is_other(self, z: tf.Tensor, classes: Collection[int]) -> tf.Tensor:
        """Whether some classes are together less likely than the others at z, `[n]`."""
        shares = tf.nn.softmax(self.classify(z).logits_parameter())
        return tf.reduce_sum(tf.gather(shares, sorted(classes), axis=1), 1) < 0.5
