"""JointDistributions: p(x, y, z) = p(x|z) p(y|z) p(z) and its posterior q(z|x), over tensors."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_ccl.bounds import distributions, folded_prior, likelihoods, mixtures, priors
from keras_ccl.data.labels import LabelBook, Name
from keras_ccl.data.validation import check_choice, check_input_shape, check_positive, classes_of
from keras_ccl.models import growing, networks, rows
from keras_ccl.models.backbones import freeze, seen_through
from keras_ccl.models.memories import make_memory, named_memory
from keras_ccl.models.row_model import RowModel


class Inference(NamedTuple):
    """One pass over rows x: q(z|x), a sample z of it per row, p(x|z) and p(y|z) at that sample."""

    q: tfd.Distribution
    z: tf.Tensor
    p_x: tfd.Distribution
    p_y: tfd.Distribution


class JointDistributions(RowModel):
    """The networks and distributions of a joint VAE.

    Args:
        input_shape: shape of one x: (height, width, channels), or any other.
        num_classes: K; None where it follows from names.
        class_names: the names of the classes, strings or integers, which labels are then; None:
            labels are numbers from 0 to K - 1, or where `num_classes` is None too, any strings or
            integers, which extend the model as tasks bring them.
        latent_dim: Z.
        architecture: `"dense"` or `"convolutional"`, the networks where none are given.
        encoder: x `[B, *input_shape]` -> `[B, 2 Z]`, the mean beside the raw log-variance.
        decoder: z `[B, Z]` -> `[B, *input_shape]`, logits (Bernoulli) or means (Gaussian).
        classifier: z `[B, Z]` -> logits `[B, K]`.
        backbone: a Keras model from x to features, with its own preprocessing: x comes as it
            expects it, bytes from 0 to 255. It is frozen, and all else is about features: networks,
            p(x|z), what is generated. Those of a task are made once.
        likelihood: p(x|z), `"bernoulli"` (x in [0, 1]) or `"gaussian"`; None: Bernoulli for images
            (height, width, channels), else Gaussian.
        observation_scale: standard deviation of the Gaussian p(x|z); None: x is standardised by
            the rows of the first task, and the standard deviation of each value is learnt.
        prior: p(z) after a task: `"normal"`, N(0, I) (paper), or `"mixture"`, Gaussians refitted
            to the posteriors at the end of each task.
        prior_components: Gaussians per class of the mixture at most; one for each 20 rows. None:
            60, or of more than ten classes so many that all have 600.
        memory: what answers beside the networks where the first task lacks a class: a ridge
            regression on fixed features `"patches"`, `"fourier"`, `"relu"` or `"raw"`, as in
            `ClosedFormHead`; `"gaussians"`, of the rows of each class, where p(x|z) is Gaussian;
            `"auto"`: patches of images, Gaussians of the features of a backbone (of more than
            2,048: ReLU features of them), Fourier features of all else; or None.
        memory_features: how many features it has at most; of Gaussians, directions in which the
            covariance of a class is kept. None: 4,900 features, which take 54 MB, or behind a
            backbone 3,100, 22 MB; 60 directions.
        seed: of initial weights and noise; None draws one, which `keras.utils.set_random_seed`
            decides.
        **kwargs: of `keras.Model`.

    Attributes:
        feature_memory: a `FeatureMemory`, a `GaussianMemory`, or None.

    Raises:
        ValueError: for an unknown option, or a network that does not fit.
    """

    option_names: tuple[str, ...] = (
        "input_shape",
        "num_classes",
        "latent_dim",
        "architecture",
        "likelihood",
        "observation_scale",
        "prior",
        "prior_components",
        "memory",
        "memory_features",
        "seed",
    )

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int | None = None,
        *,
        class_names: Sequence[Name] | LabelBook | None = None,
        latent_dim: int = 40,
        architecture: str = "dense",
        encoder: keras.Model | None = None,
        decoder: keras.Model | None = None,
        classifier: keras.Model | None = None,
        backbone: keras.Model | None = None,
        likelihood: str | None = None,
        observation_scale: float | None = None,
        prior: str = "normal",
        prior_components: int | None = 20,
        memory: str | None = None,
        memory_features: int | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        check_choice("architecture", architecture, networks.ARCHITECTURES)
        input_shape = check_input_shape(input_shape)
        observed_shape, likelihood = seen_through(backbone, input_shape, likelihood)
        check_choice("prior", prior, tuple(priors.PRIORS))
        labels, num_classes = classes_of(num_classes, class_names)
        check_positive("latent_dim", latent_dim, integer=True)
        components_follow = prior_components is None  # from the number of classes
        if prior_components is None:
            prior_components = mixtures.components_for(num_classes)
        check_positive("prior_components", prior_components, integer=True)
        if observation_scale is not None:
            check_positive("observation_scale", observation_scale)
        super().__init__(**kwargs)
        self.input_shape, self.observed_shape = input_shape, observed_shape
        self.backbone = freeze(backbone)
        self.labels, self.num_classes = labels, num_classes
        self.latent_dim = latent_dim
        self.architecture = architecture
        self.likelihood = likelihood
        self.observation_scale = observation_scale
        self.prior = prior
        self.prior_components, self._components_follow = prior_components, components_follow
        self.memory, self.memory_features = named_memory(
            memory, memory_features, observed_shape, behind_backbone=backbone is not None
        )
        self.seed = seed
        self.observation = likelihoods.make_likelihood(
            likelihood, observation_scale, observed_shape
        )
        given = networks.Networks(encoder, decoder, classifier)
        self.encoder, self.decoder, self.classifier = networks.complete(
            given, architecture, observed_shape, num_classes, latent_dim, seed=seed
        )
        if self.is_open:
            growing.check_can_grow(self.classifier)
        self.p_z = priors.PRIORS[prior](latent_dim, num_classes, prior_components)
        self.feature_memory = make_memory(
            self.memory,
            self.memory_features,
            observed_shape,
            num_classes,
            self.observation,
        )
        self.make_noise()
        self.built = True

    def options(self) -> dict[str, Any]:
        """The options by name, without the networks."""
        follows = self.is_open and self._components_follow
        return {**super().options(), **({"prior_components": None} if follows else {})}

    def encode(self, x: tf.Tensor, training: bool = False) -> tfd.Distribution:
        """q(z|x), of batch shape `[B]` over `[Z]`, for x `[B, *input_shape]`, floats or bytes."""
        return distributions.posterior(self.encoder(self.for_encoder(x), training=training))

    def for_encoder(self, x: tf.Tensor) -> tf.Tensor:
        """x `[B, *input_shape]`, floats or bytes, as the encoder sees it."""
        return self.observation.for_encoder(self.observe(x))

    def decode(self, z: tf.Tensor, training: bool = False) -> tfd.Distribution:
        """p(x|z), of batch shape `[B]` over `observed_shape`, for z `[B, Z]`."""
        return self.observation.distribution(self.decoder(z, training=training))

    def classify(
        self, z: tf.Tensor, training: bool = False, without: Collection[int] = ()
    ) -> tfd.Distribution:
        """p(y|z), of batch shape `[B]` over one-hot `[K]`, for z `[B, Z]`.

        It is 0 for the classes that were forgotten, and those that the answer is to do `without`.
        """
        logits = self.classifier(z, training=training)
        return distributions.label(logits, self.forgotten.union(without))

    def infer(self, x: tf.Tensor, seed: tf.Tensor, training: bool = False) -> Inference:
        """q(z|x), a sample z of it, p(x|z) and p(y|z).

        Args:
            x: `[B, *input_shape]`.
            seed: a stateless seed, `[2]` int32, that z is drawn with.
            training: whether the networks are trained.
        """
        q = self.encode(x, training)
        z = q.sample(seed=seed)
        return Inference(q, z, self.decode(z, training), self.classify(z, training))

    def answer(self, x: tf.Tensor, q: tfd.Distribution, training: bool = False) -> tf.Tensor:
        """log p(y|x) up to a constant, `[B, K]`: of the classifier at the mean of q and the memory.

        Args:
            x: `[B, *input_shape]`, floats or bytes.
            q: q(z|x).
            training: whether the networks are trained.
        """
        logits = self.classify(q.mean(), training).logits_parameter()
        if self.feature_memory is None:
            return logits
        return self.feature_memory.beside(logits, self.observe(x))

    def familiarity_at(
        self, x: tf.Tensor, q: tfd.Distribution, prior: folded_prior.FoldedPrior
    ) -> tf.Tensor:
        """How familiar x is, `[B]`, nats: 0 at best, low for what is unlike all that was learnt.

        Minus what the model would have to say of x beyond what any would: by how much log p(x|z) at
        the mean of q falls short, and a bound above KL(q(z|x) || p(z)).

        Args:
            x: `[B, *observed_shape]`.
            q: q(z|x).
            prior: p(z), folded.
        """
        short = self.observation.shortfall(self.decoder(q.mean()), x)
        return -short - folded_prior.kl_to_prior(q.mean(), q.variance(), prior)

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """p(y|x) at the posterior mean: `[B, K]`. `predict` gives the same as an array.

        It is NaN for a row that is not finite, which an activation such as ReLU can hide.
        """
        seen = self.observe(x)
        logits = self.answer(seen, self.encode(seen, training), training)
        return rows.where_finite(seen, tf.nn.softmax(logits))
