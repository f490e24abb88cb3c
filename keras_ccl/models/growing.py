"""The parts of a joint model that have an axis of classes, made longer."""

from typing import Any

import keras
import numpy as np

from keras_ccl.bounds.priors import MixturePrior, NormalPrior
from keras_ccl.training.grown_weights import grow, replace

NEVER = -1e4
"""The logit of a class that a model has room for and knows nothing of: also float16 holds it."""


def check_can_grow(classifier: keras.Model) -> None:
    """Refuse a classifier that could not be made longer.

    Args:
        classifier: of a model that meets classes as they come.

    Raises:
        ValueError: unless its last layer is a plain `Dense` with a bias.
    """
    last = _last_layer(classifier)
    is_plain = type(last) is keras.layers.Dense and last.use_bias
    if not is_plain or last.activation is not keras.activations.linear:
        raise ValueError(
            "classifier: expected a network that ends in Dense(1), with a bias and without an "
            "activation, where classes are not known beforehand, so that it can be extended; "
            f"received one that ends in {last!r}"
        )


def _last_layer(classifier: keras.Model) -> Any:
    """The layer whose outputs are the logits; of what is no graph of layers, that itself."""
    outputs = getattr(classifier, "outputs", None)
    return outputs[0]._keras_history.operation if outputs else classifier


def grow_parts(model: Any, *, anew: bool, knows_them: bool) -> None:
    """Let a model have room for as many classes as its `num_classes` tells.

    Args:
        model: a `JointModel`.
        anew: whether no class was known before.
        knows_them: whether the new classes are to be learnt; else they are never answered.
    """
    classes = model.num_classes
    seed = None if anew else int(model.noise.numpy()[0]) + classes
    grow_classifier(model.classifier, classes, seed=seed, knows_them=knows_them)
    grow_mixture(model.p_z, classes, model.prior_components)
    if model.feature_memory is not None:
        model.feature_memory.grow_classes(classes)


def grow_classifier(
    classifier: keras.Model, num_classes: int, *, seed: int | None, knows_them: bool
) -> None:
    """Let a classifier have more outputs.

    Args:
        classifier: z -> logits, as `check_can_grow` takes it.
        num_classes: K, how many it is to have.
        seed: of the initial weights of the new ones. None: no class was learnt yet, and the last
            layer is one that knew K from the start, to the bit where it has a seed of its own.
        knows_them: whether the new logits are to be learnt; else their classes are never answered.
    """
    last = _last_layer(classifier)
    shape = last.kernel.shape[0], num_classes
    fresh = [
        np.asarray(_seeded(initializer, seed)(size, dtype=weight.dtype))
        for initializer, weight, size in (
            (last.kernel_initializer, last.kernel, shape),
            (last.bias_initializer, last.bias, shape[1:]),
        )
    ]
    for weight, values in zip((last.kernel, last.bias), fresh, strict=True):
        if seed is None:
            replace(weight, values)
        elif knows_them:
            grow(weight, values.shape, values)
        else:
            grow(weight, values.shape, NEVER if weight is last.bias else 0.0)
    last.units = num_classes
    for output in keras.tree.flatten(classifier.outputs):
        output._shape = (*output.shape[:-1], num_classes)


def _seeded(initializer: Any, seed: int | None) -> Any:
    """An initializer that draws from a seed; as it is where it draws nothing, or without one."""
    config = initializer.get_config()
    if seed is None or "seed" not in config:
        return initializer
    return type(initializer).from_config({**config, "seed": seed})


def grow_mixture(p_z: MixturePrior | NormalPrior, num_classes: int, components: int) -> None:
    """Let a mixture have room for more classes, until it is fitted to them.

    Args:
        p_z: the prior of a model. N(0, I) stays as it is.
        num_classes: K.
        components: Gaussians per class. Where there is less room than before, the lightest go.
    """
    if not isinstance(p_z, MixturePrior):
        return
    size, (log_weights, means, trils) = num_classes * components, p_z.gaussians()
    kept = np.sort(np.argsort(-log_weights, kind="stable")[:size])
    p_z.num_classes, p_z.components = num_classes, components
    if p_z.is_fitted.numpy() == 0:
        kept = kept[:0]
    beyond = np.log(1e-30) if len(kept) else 0.0
    for weight, value, fill in (
        (p_z.log_weights, log_weights, beyond),
        (p_z.means, means, 0.0),
        (p_z.scale_trils, trils, np.eye(p_z.latent_dim)),
    ):
        new = np.broadcast_to(np.float32(fill), (size, *value.shape[1:])).copy()
        new[: len(kept)] = value[kept]
        replace(weight, new)
