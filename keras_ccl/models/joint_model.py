"""JointModel: p(x, y, z) = p(x|z) p(y|z) p(z) and its posterior q(z|x), without a way to train it.

A teacher is no more than this; `JointVAE` adds the training.
"""

import functools
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_ccl.bounds import distributions, priors
from keras_ccl.data.splits import MEASURING_BATCH
from keras_ccl.data.validation import DataSpec, check_choice, check_positive, check_shape
from keras_ccl.models import networks
from keras_ccl.models import rows as replay
from keras_ccl.training import replicas

MEASURING_SEED = (0, 1)
"""Measures draw noise from this stateless seed: they repeat and leave training as it was."""


class Inference(NamedTuple):
    """One pass over rows x: q(z|x), a sample z of it a row, p(x|z) and p(y|z) at that sample."""

    q: Any
    z: Any
    p_x: Any
    p_y: Any


class JointModel(keras.Model):
    """The networks and distributions of a joint VAE.

    Args:
        input_shape: shape of one x: (height, width, channels), or any other.
        num_classes: K.
        latent_dim: Z.
        architecture: `"dense"` or `"convolutional"`, the networks where none are given.
        encoder: x [B, *input_shape] -> [B, 2 Z], the mean beside the raw log-variance.
        decoder: z [B, Z] -> [B, *input_shape], logits (Bernoulli) or means (Gaussian).
        classifier: z [B, Z] -> logits [B, K].
        likelihood: p(x|z), `"bernoulli"` (x in [0, 1]) or `"gaussian"`.
        observation_scale: standard deviation of the Gaussian p(x|z).
        prior: p(z) after a task: `"normal"`, N(0, I) (paper), or `"mixture"`, Gaussians refitted
            to the posteriors at the end of each task.
        prior_components: Gaussians a class of the mixture.
        seed: of initial weights and noise; None draws one.

    Raises:
        ValueError: for an unknown option or a network that does not fit.
    """

    option_names = (
        "input_shape",
        "num_classes",
        "latent_dim",
        "architecture",
        "likelihood",
        "observation_scale",
        "prior",
        "prior_components",
        "seed",
    )

    def __init__(
        self,
        input_shape,
        num_classes,
        *,
        latent_dim=40,
        architecture="dense",
        encoder=None,
        decoder=None,
        classifier=None,
        likelihood="bernoulli",
        observation_scale=0.1,
        prior="normal",
        prior_components=20,
        seed=None,
        **kwargs,
    ):
        check_choice("architecture", architecture, networks.ARCHITECTURES)
        check_choice("likelihood", likelihood, distributions.LIKELIHOODS)
        check_choice("prior", prior, tuple(priors.PRIORS))
        check_positive("num_classes", num_classes, integer=True)
        check_positive("latent_dim", latent_dim, integer=True)
        check_positive("prior_components", prior_components, integer=True)
        check_positive("observation_scale", observation_scale)
        super().__init__(**kwargs)
        self.input_shape = tuple(input_shape)
        self.num_classes = num_classes
        self.latent_dim = latent_dim
        self.architecture = architecture
        self.likelihood = likelihood
        self.observation_scale = observation_scale
        self.prior = prior
        self.prior_components = prior_components
        self.seed = seed
        self._given = networks.Networks(encoder, decoder, classifier)
        self.encoder, self.decoder, self.classifier = networks.complete(
            self._given, architecture, self.input_shape, num_classes, latent_dim, seed=seed
        )
        self.p_z = priors.PRIORS[prior](latent_dim, num_classes, prior_components)
        first = np.random.SeedSequence(seed).generate_state(1) >> 1  # fits int32
        self.noise = self.add_weight(
            name="noise",
            shape=(2,),
            dtype="int32",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",  # each counts on by the same
        )
        self.noise.assign([int(first[0]), 0])
        self.built = True

    @property
    def data_spec(self):
        """What the model expects of a row, a `DataSpec`."""
        return DataSpec(self.input_shape, self.num_classes, self.likelihood == "bernoulli")

    # Distributions over tensors.

    def encode(self, x, training=False):
        """q(z|x), a TFP distribution of batch shape [B] over [Z], for x [B, *input_shape]."""
        return distributions.posterior(self.encoder(x, training=training))

    def decode(self, z, training=False):
        """p(x|z), a TFP distribution of batch shape [B] over `input_shape`, for z [B, Z]."""
        return distributions.observation(
            self.decoder(z, training=training), self.likelihood, self.observation_scale
        )

    def classify(self, z, training=False):
        """p(y|z), a TFP distribution of batch shape [B] over one-hot [K], for z [B, Z]."""
        return distributions.label(self.classifier(z, training=training))

    def infer(self, x, seed, training=False):
        """An `Inference` for x [B, *input_shape], z drawn with a stateless seed, [2] int32."""
        q = self.encode(x, training)
        z = q.sample(seed=seed)
        return Inference(q, z, self.decode(z, training), self.classify(z, training))

    def call(self, x, training=False):
        """p(y|x) at the posterior mean: [B, K]. `predict` gives the same as an array."""
        logits = self.classify(self.encode(x, training).mean(), training).logits_parameter()
        return tf.nn.softmax(logits)

    def draw(self, rows, seed, *, inputs="mean", labels="soft", temperature=1.0):
        """Generated rows as tensors: z ~ p(z), x~ of p(x|z), y~ as in `replay.labels`.

        Args:
            rows: how many; seed: a stateless seed, [2] int32.
            inputs: x~ is the `"mean"` of p(x|z) or a `"sample"` of it.

        Returns:
            `replay.Generated`.
        """
        of_z, of_pixels = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        z = self.p_z.sample(rows, of_z)
        x = replay.inputs(self.decode(z), inputs, of_pixels)
        q = self.encode(x)
        of_z, of_x = (self.classify(at).logits_parameter() for at in (z, q.mean()))
        return replay.Generated(z, x, replay.labels(of_z, of_x, labels, temperature), q)

    def next_seed(self):
        """A stateless seed, [2] int32, that comes once, and to one replica.

        A weight holds it, where Keras's `SeedGenerator` would not be saved with the model.
        """
        seed = tf.identity(self.noise.value)
        self.noise.assign_add([0, 1])
        return replicas.fold_in_replica(seed)

    # The same for arrays.

    def generate(self, n, *, seed=None):
        """Draw n rows of what was learnt.

        Args:
            n: how many; seed: an integer for the same rows each time, None for new ones.

        Returns:
            x [n, *input_shape] and its label probabilities p(y|z) [n, K], arrays.
        """
        check_positive("n", n, integer=True)
        key = self.next_seed() if seed is None else tf.constant([seed, 0], tf.int32)
        rows = self._draw_rows(tf.constant(n), key)
        return rows.x.numpy(), rows.y.numpy()

    def reconstruct(self, x, *, batch_size=MEASURING_BATCH):
        """The mean of p(x|z) at the posterior mean: an array of the shape of x."""
        return self._by_batch(self._reconstruct_rows, x, batch_size)

    def elbo(self, x, *, batch_size=MEASURING_BATCH):
        """The bound on log p(x) of each row, with one sample of z: how familiar x is.

        Returns:
            [N], nats. p(z) is the model's own: the mixture once it is fitted.
        """
        return self._by_batch(self._elbo_rows, x, batch_size)

    def _by_batch(self, function, x, batch_size):
        x = np.asarray(x, np.float32)
        check_shape(x.shape[1:], self.data_spec, "x")
        parts = [function(x[i : i + batch_size]).numpy() for i in range(0, len(x), batch_size)]
        return np.concatenate(parts)

    # Traced once, for any number of rows.

    @functools.cached_property
    def _draw_rows(self):
        return tf.function(lambda n, seed: self.draw(n, seed))

    @functools.cached_property
    def _reconstruct_rows(self):
        return self._traced(lambda x: self.decode(self.encode(x).mean()).mean())

    @functools.cached_property
    def _elbo_rows(self):
        def bound(x):
            found = self.infer(x, MEASURING_SEED)
            return found.p_x.log_prob(x) - self.p_z.kl(found.q, found.z)

        return self._traced(bound)

    def _traced(self, function):
        x = tf.TensorSpec((None, *self.input_shape), tf.float32)
        return tf.function(function, input_signature=[x])

    # Copies.

    def in_float32(self):
        """A `JointModel` with the same weights that computes in float32: this one, if it does."""
        parts = {slot: getattr(self, slot) for slot in networks.Networks._fields}
        if all(part.compute_dtype == "float32" for part in (self, *parts.values())):
            return self
        options = {name: getattr(self, name) for name in JointModel.option_names}
        copies = {slot: networks.in_float32(part) for slot, part in parts.items()}
        twin = JointModel(**options, **copies, dtype="float32")
        twin.p_z.set_weights(self.p_z.get_weights())
        return twin

    # Saving.

    def get_config(self):
        config = {**super().get_config(), **self.options()}
        for slot, network in self._given._asdict().items():
            config[slot] = network and keras.saving.serialize_keras_object(network)
        return config

    def options(self):
        """The options by name, without the networks that a user gave."""
        return {name: getattr(self, name) for name in self.option_names}

    @classmethod
    def from_config(cls, config):
        given = {
            slot: keras.saving.deserialize_keras_object(config[slot])
            for slot in networks.Networks._fields
            if config.get(slot) is not None
        }
        return cls(**{**config, **given})
