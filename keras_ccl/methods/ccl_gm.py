"""CCLGM: continual classification with a frozen teacher that generates the tasks learnt before."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_ccl.data.labels import LabelBook, Name
from keras_ccl.methods.generative_replay import GenerativeReplay
from keras_ccl.methods.ready_made import ReadyMade


@keras.saving.register_keras_serializable(package="keras_ccl")
class CCLGM(ReadyMade):
    """Continual classification learning with generative models (Lavda et al. 2018), eq. 5.

    A `JointVAE` with `GenerativeReplay`, every option in one signature. The defaults are the best
    that were measured; `CCLGM.paper` is the method as printed.

    Args:
        input_shape: shape of one x: (height, width, channels), or any other.
        num_classes: K; None where it follows from names.
        class_names: the names of the classes, strings or integers, which labels are then; None:
            labels are numbers from 0 to K - 1, or where `num_classes` is None too, any strings or
            integers, which extend the model as tasks bring them.
        latent_dim: Z.
        architecture: `"dense"` or `"convolutional"`, the networks where none are given.
        encoder: x `[B, *input_shape]` -> `[B, 2 Z]`, as in `JointDistributions`.
        decoder: z `[B, Z]` -> `[B, *input_shape]`, as in `JointDistributions`.
        classifier: z `[B, Z]` -> logits `[B, K]`.
        backbone: a frozen Keras model from x to features, as in `JointDistributions`.
        likelihood: p(x|z), `"bernoulli"`, `"gaussian"` or None, as in `JointDistributions`.
        observation_scale: of the Gaussian p(x|z), as in `JointDistributions`.
        prior: p(z) after a task: `"mixture"` or `"normal"` (paper).
        prior_components: Gaussians per class of the mixture at most; one for each 20 rows. None:
            60, or of more than ten classes so many that all have 600.
        classification_weight: as in `JointVAE` (paper: 1).
        classification_at_mean: as in `JointVAE` (paper: 0).
        replay: as in `GenerativeReplay`, like all that follow but the seed.
        replay_from: `"auto"`, `"gaussians"` or `"teacher"` (paper).
        replay_inputs: `"sample"` or `"mean"`.
        replay_labels: `"reencoded"`, `"soft"` or `"hard"` (paper).
        temperature: divides the logits of soft labels.
        novelty_at_reconstruction: a share in [0, 1] (paper: 0).
        distillation_weight: weight of the posterior distillation (paper: 1).
        information_weight: weight of I(z; x~).
        memory: `"auto"`, what answers beside the networks where the first task lacks a class, or
            None (paper), as in `JointDistributions`.
        memory_features: how many at most, or None, as in `JointDistributions`.
        seed: of initial weights and noise; None draws one.
        **kwargs: of `keras.Model`.

    Attributes:
        teacher: a frozen `JointModel`; it means nothing while `tasks_seen` is 0.
    """

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
        prior: str = "mixture",
        prior_components: int | None = None,
        classification_weight: float = 300.0,
        classification_at_mean: float = 0.5,
        replay: str = "balanced",
        replay_from: str = "auto",
        replay_inputs: str = "sample",
        replay_labels: str = "reencoded",
        temperature: float = 1.0,
        novelty_at_reconstruction: float = 0.9,
        distillation_weight: float = 1.0,
        information_weight: float = 0.0,
        memory: str | None = "auto",
        memory_features: int | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            input_shape,
            num_classes,
            class_names=class_names,
            latent_dim=latent_dim,
            architecture=architecture,
            encoder=encoder,
            decoder=decoder,
            classifier=classifier,
            backbone=backbone,
            likelihood=likelihood,
            observation_scale=observation_scale,
            prior=prior,
            prior_components=prior_components,
            classification_weight=classification_weight,
            classification_at_mean=classification_at_mean,
            method=GenerativeReplay(
                replay=replay,
                replay_from=replay_from,
                replay_inputs=replay_inputs,
                replay_labels=replay_labels,
                temperature=temperature,
                novelty_at_reconstruction=novelty_at_reconstruction,
                distillation_weight=distillation_weight,
                information_weight=information_weight,
            ),
            memory=memory,
            memory_features=memory_features,
            seed=seed,
            **kwargs,
        )

    @classmethod
    def paper(
        cls, input_shape: tuple[int, ...], num_classes: int | None = None, **kwargs: Any
    ) -> "CCLGM":
        """The method as printed: N(0, I), mixed batches, hard labels from z, every weight 1.

        L_I has weight 0 and x~ is the mean of p(x|z), as in the reference code.

        Args:
            input_shape: as in `CCLGM`.
            num_classes: as in `CCLGM`.
            **kwargs: any option of `CCLGM`, in place of the printed one.
        """
        printed = {
            "prior": "normal",
            "replay": "mixed",
            "replay_from": "teacher",
            "replay_inputs": "mean",
            "replay_labels": "hard",
            "classification_weight": 1.0,
            "classification_at_mean": 0.0,
            "novelty_at_reconstruction": 0.0,
            "distillation_weight": 1.0,
            "information_weight": 0.0,
            "memory": None,
        }
        return cls(input_shape, num_classes, **{**printed, **kwargs})
