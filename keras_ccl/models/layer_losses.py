"""What layers add to the loss in Keras: regularisers of weights and outputs, and `add_loss`."""

import keras
import tensorflow as tf


def adds_losses(network: keras.Model, input_shape: tuple[int, ...]) -> bool:
    """Whether a layer of a network adds to the loss.

    To find out, it is called on one row; in the stateless scope nothing of it changes.

    Args:
        network: the network.
        input_shape: of one row.
    """
    with keras.StatelessScope(collect_losses=True) as scope:
        network(tf.zeros([1, *input_shape]), training=True)
    return bool(scope.losses) or any(v.regularizer for v in network.trainable_variables)


def sum_of_losses(*called: keras.Model) -> tf.Tensor:
    """The sum of what the layers of some networks added in their last call, a scalar."""
    sums = [tf.cast(tf.reduce_sum(x), tf.float32) for network in called for x in network.losses]
    return tf.reduce_sum(tf.stack([0.0, *sums]))
