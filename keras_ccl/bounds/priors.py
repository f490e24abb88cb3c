"""p(z), the distribution that replay starts from: N(0, I), or a mixture learnt from q(z).

Training always uses N(0, I) in the bound. The mixture is refitted after each task, with the
networks fixed, to samples of the aggregate posterior. This maximises the bound over p(z), and it
keeps the classes of earlier tasks reachable after the aggregate posterior has moved away from
N(0, I). The mixture is a summary in latent space: neither data nor another model is kept.
"""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_ccl.bounds.distributions import standard_normal
from keras_ccl.bounds.divergences import kl_divergence
from keras_ccl.bounds.mixtures import fit_classes


@keras.saving.register_keras_serializable(package="keras_ccl")
class NormalPrior(keras.layers.Layer):
    """p(z) = N(0, I), as in the paper. There is nothing to fit.

    Args:
        latent_dim: The number of latent dimensions, Z.
        num_classes: Not used; accepted so that every prior is made in the same way.
        components: Not used, likewise.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        latent_dim: int,
        num_classes: int | None = None,
        components: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable=False, **kwargs)
        self.latent_dim = latent_dim
        self.built = True

    def fit(self, z: np.ndarray, y: np.ndarray, row_weights: np.ndarray, *, seed: int) -> None:
        """Do nothing: N(0, I) is fixed. See `MixturePrior.fit`."""

    def sample(self, rows: int | tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Draw samples of z.

        Args:
            rows: The number of samples.
            seed: A stateless seed, `[2]` int32.

        Returns:
            The samples, `[rows, Z]`.
        """
        return standard_normal(self.latent_dim).sample(rows, seed=seed)

    def kl(self, q: tfd.Distribution, z: tf.Tensor) -> tf.Tensor:
        """Compute KL(q(z|x) || p(z)) in closed form.

        Args:
            q: Posteriors, batch shape `[B]`, event shape `[Z]`.
            z: Not used; see `MixturePrior.kl`.

        Returns:
            The divergence of each row, `[B]`, in nats.
        """
        return kl_divergence(q, standard_normal(self.latent_dim))

    def gaussians(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return p(z) as arrays, a mixture of a single Gaussian.

        Returns:
            The logarithms of the weights, `[1]`.
            The means, `[1, Z]`.
            The lower Cholesky factors of the covariances, `[1, Z, Z]`.
        """
        return np.zeros(1), np.zeros((1, self.latent_dim)), np.eye(self.latent_dim)[np.newaxis]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "latent_dim": self.latent_dim}


@keras.saving.register_keras_serializable(package="keras_ccl")
class MixturePrior(keras.layers.Layer):
    """p(z) as a mixture of Gaussians with full covariances, equally many for each class seen.

    Until it is first fitted it is N(0, I). Its size is fixed, so neither its memory nor the cost of
    a sample grows with the number of tasks.

    Args:
        latent_dim: The number of latent dimensions, Z.
        num_classes: The number of classes, K.
        components: The number of Gaussians per class, M.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, latent_dim: int, num_classes: int, components: int, **kwargs: Any) -> None:
        super().__init__(trainable=False, **kwargs)
        self.latent_dim = latent_dim
        self.num_classes = num_classes
        self.components = components
        size = num_classes * components

        def state(name: str, shape: list[int], initializer: str) -> keras.Variable:
            return self.add_weight(
                name=name, shape=shape, initializer=initializer, trainable=False, dtype="float32"
            )

        self.log_weights = state("log_weights", [size], "zeros")
        self.means = state("means", [size, latent_dim], "zeros")
        self.scale_trils = state("scale_trils", [size, latent_dim, latent_dim], "zeros")
        self.scale_trils.assign(np.broadcast_to(np.eye(latent_dim), self.scale_trils.shape))
        self.is_fitted = state("is_fitted", [], "zeros")
        self.built = True

    def distribution(self) -> tfd.Distribution:
        """Return the mixture as a TFP distribution with event shape `[Z]`."""
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits=tf.convert_to_tensor(self.log_weights)),
            tfd.MultivariateNormalTriL(
                tf.convert_to_tensor(self.means), tf.convert_to_tensor(self.scale_trils)
            ),
        )

    def log_prob(self, z: tf.Tensor) -> tf.Tensor:
        """Compute log p(z).

        One product of matrices whitens all z by all Gaussians; TFP solves a system of equations for
        each pair, which takes over ten times as long.

        Args:
            z: `[B, Z]`.

        Returns:
            The log density, `[B]`, in nats.
        """
        trils = tf.convert_to_tensor(self.scale_trils)
        size, dim = trils.shape[:2]
        inverses = tf.linalg.triangular_solve(trils, tf.eye(dim, batch_shape=[size]))
        whiten = tf.reshape(tf.transpose(inverses, [2, 0, 1]), [dim, -1])  # [Z, K M Z]
        shift = tf.reshape(tf.linalg.matvec(inverses, self.means), [-1])
        squares = squared_offsets(z, whiten, shift)
        log_scale = tf.reduce_sum(tf.math.log(tf.linalg.diag_part(trils)), 1)
        log_scale += 0.5 * dim * math.log(2 * math.pi)
        log_weights = tf.nn.log_softmax(tf.convert_to_tensor(self.log_weights))
        return tf.reduce_logsumexp(log_weights - log_scale - 0.5 * squares, 1)

    def sample(self, rows: int | tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Draw samples of z.

        Each sample is drawn from a single Gaussian; TFP's own `sample` draws from all of them and
        keeps one.

        Args:
            rows: The number of samples.
            seed: A stateless seed, `[2]` int32.

        Returns:
            The samples, `[rows, Z]`.
        """
        which, noise = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        component = tf.random.stateless_categorical(self.log_weights[tf.newaxis], rows, which)[0]
        offset = tf.random.stateless_normal([rows, self.latent_dim], noise)
        tril = tf.gather(tf.convert_to_tensor(self.scale_trils), component)  # [rows, Z, Z]
        return tf.gather(tf.convert_to_tensor(self.means), component) + tf.linalg.matvec(
            tril, offset
        )

    def kl(self, q: tfd.Distribution, z: tf.Tensor) -> tf.Tensor:
        """Estimate KL(q(z|x) || p(z)).

        The divergence to a mixture has no closed form; log q(z|x) - log p(z) at a sample of q(z|x)
        is an unbiased estimate. Until the first fit it is computed in closed form.

        Args:
            q: Posteriors, batch shape `[B]`, event shape `[Z]`.
            z: One sample of `q` per row, `[B, Z]`.

        Returns:
            The estimate for each row, `[B]`, in nats.
        """
        return tf.cond(
            tf.convert_to_tensor(self.is_fitted) > 0,
            lambda: q.log_prob(z) - self.log_prob(z),
            lambda: kl_divergence(q, standard_normal(self.latent_dim)),
        )

    def fit(self, z: np.ndarray, y: np.ndarray, row_weights: np.ndarray, *, seed: int) -> None:
        """Refit the mixture to samples of the aggregate posterior.

        Args:
            z: One sample of q(z|x) per row of data, `[N, Z]`.
            y: Integer labels, `[N]`.
            row_weights: The weights of the rows, `[N]`, not negative.
            seed: The seed of the clustering.
        """
        weights, means, trils = fit_classes(
            z,
            y,
            row_weights,
            num_classes=self.num_classes,
            components=self.components,
            rng=np.random.default_rng(seed),
        )
        self.log_weights.assign(np.log(np.maximum(weights, 1e-30)))
        self.means.assign(means)
        self.scale_trils.assign(trils)
        self.is_fitted.assign(1.0)

    def gaussians(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the mixture as arrays.

        Returns:
            The logarithms of the weights, `[K M]`.
            The means, `[K M, Z]`.
            The lower Cholesky factors of the covariances, `[K M, Z, Z]`.
        """
        return self.log_weights.numpy(), self.means.numpy(), self.scale_trils.numpy()

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "latent_dim": self.latent_dim,
            "num_classes": self.num_classes,
            "components": self.components,
        }


def squared_offsets(
    z: tf.Tensor, whiten: np.ndarray | tf.Tensor, shift: np.ndarray | tf.Tensor
) -> tf.Tensor:
    """Compute the squared Mahalanobis distances of points from C Gaussians.

    Args:
        z: The points, `[B, Z]`.
        whiten: The transposed inverses of all Cholesky factors side by side, `[Z, C Z]`.
        shift: The means, whitened likewise, `[C Z]`.

    Returns:
        The squares, `[B, C]`.
    """
    dim = z.shape[1]
    offsets = tf.reshape(tf.matmul(z, whiten) - shift, [-1, shift.shape[0] // dim, dim])
    return tf.reduce_sum(tf.square(offsets), 2)


PRIORS = {"mixture": MixturePrior, "normal": NormalPrior}
