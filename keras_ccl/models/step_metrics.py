"""The running means of what training and evaluation measure."""

import keras
import tensorflow as tf


class StepMetrics:
    """A running mean for each name, over rows, whatever the sizes of the batches.

    Args:
        names: of what is measured.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self.means = {name: keras.metrics.Mean(name=name) for name in names}

    def update(self, values: dict[str, tf.Tensor], rows: tf.Tensor) -> dict[str, tf.Tensor]:
        """Add the figures of one batch.

        Args:
            values: by name: values of rows, `[B]`, or means over the batch, scalars.
            rows: B.

        Returns:
            The running means of these names, scalars.
        """
        for name, value in values.items():
            self.means[name].update_state(value, None if value.shape.rank else rows)
        return {name: self.means[name].result() for name in values}

    def measured(self) -> dict[str, float]:
        """The running means, over all replicas, of what was measured since the last reset."""
        found = [(name, mean) for name, mean in self.means.items() if mean.count.numpy() > 0]
        return {name: float(mean.result()) for name, mean in found}
