"""p(z), the distribution that generated rows start from: N(0, I), or a mixture learnt from q(z).

Training always uses N(0, I) in the bound. The mixture is refitted after a task, with the networks
fixed, to samples of the aggregate posterior: over p(z) alone that maximises the bound, and it keeps
the classes of earlier tasks reachable after the aggregate posterior has left N(0, I). It is a
summary in latent space: no row of data and no further model is kept.
"""

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from keras_ccl.bounds.distributions import standard_normal
from keras_ccl.bounds.divergences import kl_divergence
from keras_ccl.bounds.mixtures import fit_classes

tfd = tfp.distributions


@keras.saving.register_keras_serializable(package="keras_ccl")
class NormalPrior(keras.layers.Layer):
    """p(z) = N(0, I), as in the paper. It has nothing to fit."""

    def __init__(self, latent_dim, num_classes=None, components=None, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.latent_dim = latent_dim
        self.built = True

    def fit(self, z, y, row_weights, *, seed):
        """Does nothing: N(0, I) stays what it is."""

    def sample(self, rows, seed):
        """Draw z.

        Args:
            rows: how many; seed: a stateless seed, [2] int32.

        Returns:
            [rows, Z].
        """
        return standard_normal(self.latent_dim).sample(rows, seed=seed)

    def kl(self, q, z):
        """KL(q(z|x) || p(z)) in closed form: [B], nats. `z` is not needed."""
        return kl_divergence(q, standard_normal(self.latent_dim))

    def gaussians(self):
        """As arrays: log weights [C], means [C, Z], Cholesky factors [C, Z, Z], C components."""
        return np.zeros(1), np.zeros((1, self.latent_dim)), np.eye(self.latent_dim)[np.newaxis]

    def get_config(self):
        return {**super().get_config(), "latent_dim": self.latent_dim}


@keras.saving.register_keras_serializable(package="keras_ccl")
class MixturePrior(keras.layers.Layer):
    """p(z) = a mixture of Gaussians with full covariances, the same number for each class seen.

    Until it is first fitted it is N(0, I). Its size is fixed, so memory and the cost of a sample do
    not grow with the number of tasks.

    Args:
        latent_dim: Z.
        num_classes: K.
        components: Gaussians for each class.
    """

    def __init__(self, latent_dim, num_classes, components, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.latent_dim = latent_dim
        self.num_classes = num_classes
        self.components = components
        size = num_classes * components

        def state(name, shape, initializer):
            return self.add_weight(
                name=name, shape=shape, initializer=initializer, trainable=False, dtype="float32"
            )

        self.log_weights = state("log_weights", [size], "zeros")
        self.means = state("means", [size, latent_dim], "zeros")
        self.scale_trils = state("scale_trils", [size, latent_dim, latent_dim], "zeros")
        self.scale_trils.assign(np.broadcast_to(np.eye(latent_dim), self.scale_trils.shape))
        self.is_fitted = state("is_fitted", [], "zeros")
        self.built = True

    def distribution(self):
        """The mixture, a TFP distribution over [Z]."""
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits=tf.convert_to_tensor(self.log_weights)),
            tfd.MultivariateNormalTriL(
                tf.convert_to_tensor(self.means), tf.convert_to_tensor(self.scale_trils)
            ),
        )

    def sample(self, rows, seed):
        """Draw z: [rows, Z], with a stateless seed, [2] int32.

        One Gaussian is drawn a row, where TFP's own `sample` draws all of them and keeps one.
        """
        which, noise = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        component = tf.random.stateless_categorical(self.log_weights[tf.newaxis], rows, which)[0]
        offset = tf.random.stateless_normal([rows, self.latent_dim], noise)
        tril = tf.gather(tf.convert_to_tensor(self.scale_trils), component)  # [rows, Z, Z]
        return tf.gather(tf.convert_to_tensor(self.means), component) + tf.linalg.matvec(
            tril, offset
        )

    def kl(self, q, z):
        """KL(q(z|x) || p(z)): [B], nats; in closed form until the first fit.

        Args:
            q: posteriors, batch shape [B]; z: [B, Z], a sample of `q` a row: the mixture has no
                closed form, and log q(z|x) - log p(z) is an unbiased estimate.
        """
        return tf.cond(
            tf.convert_to_tensor(self.is_fitted) > 0,
            lambda: q.log_prob(z) - self.distribution().log_prob(z),
            lambda: kl_divergence(q, standard_normal(self.latent_dim)),
        )

    def fit(self, z, y, row_weights, *, seed):
        """Refit the mixture to samples of the aggregate posterior.

        Args:
            z: [N, Z] samples, one a row of data; y: [N] integer labels; row_weights: [N], not
                negative.
            seed: integer seed of the clustering.
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

    def gaussians(self):
        """As arrays: log weights [C], means [C, Z], Cholesky factors [C, Z, Z], C components."""
        return tuple(part.numpy() for part in (self.log_weights, self.means, self.scale_trils))

    def get_config(self):
        return {
            **super().get_config(),
            "latent_dim": self.latent_dim,
            "num_classes": self.num_classes,
            "components": self.components,
        }


PRIORS = {"mixture": MixturePrior, "normal": NormalPrior}
