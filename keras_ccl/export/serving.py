"""The functions of the final student that are exported: its classifier and its decoder.

Both are deterministic, and made of operations that ONNX, LiteRT and TensorFlow all have: no
sampling, no triangular solve, and none of the guarded products of TensorFlow Probability. What they
answer for a row that is not finite is NaN.
"""

from typing import NamedTuple

import keras
import tensorflow as tf

from keras_ccl.bounds.folded_prior import folded_prior
from keras_ccl.models.closed_form_head import ClosedFormHead
from keras_ccl.models.joint_model import JointModel
from keras_ccl.models.rows import where_finite


class Tolerance(NamedTuple):
    """How far an artefact may be from the Keras model, relative to max(1, |value|).

    Attributes:
        probabilities: Of p(y|x), calibrated or not.
        x: Of images in [0, 1].
        others: Of tensors whose values are not bounded.
    """

    probabilities: float = 1e-5
    x: float = 1e-5
    others: float = 1e-4


OF_NETWORKS = Tolerance()

OF_HEADS = OF_NETWORKS._replace(probabilities=1e-4)
"""Of a head or a memory: its coefficients are large, and so are the differences that the last
digits of the features make."""

BEHIND_A_BACKBONE = Tolerance(probabilities=1e-4, others=1e-3)
"""Of what reads the features of a deep network: runtimes resize images, and add up its many layers,
in different orders."""

OF_HEADS_BEHIND_A_BACKBONE = Tolerance(probabilities=1e-3, others=1e-2)
"""Of a head, which has nothing else to answer with."""


class Served(NamedTuple):
    """A function to export.

    Attributes:
        function: A `tf.function` of one float32 tensor that returns float32 tensors by name.
        input_name: The name of its input.
        input_shape: The shape of its input; the first axis is the batch, None.
        networks: The Keras layers that hold its weights.
        tolerance: How far what an artefact answers may be from what the Keras model does.
    """

    function: tf.types.experimental.PolymorphicFunction
    input_name: str
    input_shape: tuple[int | None, ...]
    networks: tuple[keras.layers.Layer, ...]
    tolerance: Tolerance = OF_NETWORKS


def classifier(model: JointModel, temperature: float | None = None) -> Served:
    """Return the classifier of a model as a function of x `[B, *input_shape]`.

    Its outputs are

    - `probabilities` `[B, K]` and `logits` `[B, K]` of p(y|x), as `predict` gives them;
    - `latent_mean` `[B, Z]` and `latent_log_var` `[B, Z]` of q(z|x);
    - `familiarity` `[B]`, in nats, as `model.familiarity` gives it: 0 at best, low for an input
      unlike anything learnt;
    - with a temperature, `calibrated_probabilities` `[B, K]`.

    Args:
        model: The student, in float32.
        temperature: That of its calibration, or None.

    Returns:
        The function to export.
    """
    prior = folded_prior(model.p_z)
    memory = model.feature_memory
    parts_of_memory = memory.answering_parts() if memory is not None else ()
    shape = (None, *model.input_shape)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name="x")], autograph=False)
    def classify(x: tf.Tensor) -> dict[str, tf.Tensor]:
        seen = model.observe(x)
        q = model.encode(seen)
        z = q.mean()
        logits = model.classify(z).logits_parameter()
        if memory is not None and parts_of_memory:
            logits = memory.together(logits, seen)
        answers = {
            **_probabilities(logits, temperature),
            "logits": logits,
            "latent_mean": z,
            "latent_log_var": tf.math.log(q.variance()),
            "familiarity": model.familiarity_at(seen, q, prior),
        }
        return {name: where_finite(seen, answer) for name, answer in answers.items()}

    networks = (model.encoder, model.decoder, model.classifier, model.observation)
    parts = (*model.parts_before(), *networks, *parts_of_memory)
    tolerance = OF_HEADS if parts_of_memory else OF_NETWORKS
    if model.backbone is not None:
        tolerance = BEHIND_A_BACKBONE
    return Served(classify, "x", shape, parts, tolerance)


def head(model: ClosedFormHead, temperature: float | None = None) -> Served:
    """Return a head in closed form as a function of x `[B, *input_shape]`.

    Its outputs are `probabilities` `[B, K]` and `logits` `[B, K]` of p(y|x), and with a temperature
    `calibrated_probabilities` `[B, K]`.

    Args:
        model: The head.
        temperature: That of its calibration, or None.

    Returns:
        The function to export.
    """
    shape = (None, *model.input_shape)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name="x")], autograph=False)
    def classify(x: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = model.logits(x)
        answers = {**_probabilities(logits, temperature), "logits": logits}
        return {name: where_finite(x, answer) for name, answer in answers.items()}

    tolerance = OF_HEADS if model.backbone is None else OF_HEADS_BEHIND_A_BACKBONE
    return Served(classify, "x", shape, model.answering_parts(), tolerance)


def _probabilities(logits: tf.Tensor, temperature: float | None) -> dict[str, tf.Tensor]:
    """p(y|x), and where there is a temperature the calibrated one, by the names of the outputs."""
    found = {"probabilities": tf.nn.softmax(logits)}
    if temperature is not None:
        found["calibrated_probabilities"] = tf.nn.softmax(logits / temperature)
    return found


def decoder(model: JointModel) -> Served:
    """Return the decoder of a model as a function of z `[B, Z]`.

    Its outputs are `x` `[B, *observed_shape]`, the mean of p(x|z), and `probabilities` `[B, K]` of
    p(y|z).

    Args:
        model: The student, in float32.

    Returns:
        The function to export.
    """
    shape = (None, model.latent_dim)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name="z")], autograph=False)
    def decode(z: tf.Tensor) -> dict[str, tf.Tensor]:
        answers = {
            "x": model.decode(z).mean(),
            "probabilities": tf.nn.softmax(model.classify(z).logits_parameter()),
        }
        return {name: where_finite(z, answer) for name, answer in answers.items()}

    tolerance = OF_NETWORKS
    if not model.observation.unit_range:
        tolerance = tolerance._replace(x=tolerance.others)
    parts = (model.decoder, model.classifier, model.observation)
    return Served(decode, "z", shape, parts, tolerance)
