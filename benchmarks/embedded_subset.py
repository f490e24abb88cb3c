"""Make the subsets of MNIST and Fashion-MNIST that are embedded in the package.

    python benchmarks/embedded_subset.py --data-dir DIR [--out FOLDER]

DIR is a TFDS folder that holds both sets. Training rows come from the training split, test rows
from the test split, the same number of each class. By default the files of the package are
replaced, by the same arrays.
"""

from pathlib import Path

import command_line
import numpy as np

import keras_ccl as ccl

ROWS = {"mnist": (10_000, 2_000), "fashion_mnist": (6_000, 1_000)}
SEED = 20181026
EMBEDDED = Path(ccl.__file__).parent / "data" / "embedded"


def balanced_rows(y: np.ndarray, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Indices of `rows` rows, the same number of each of 10 classes, in random order."""
    each = rows // 10
    chosen = [rng.choice(np.flatnonzero(y == k), each, replace=False) for k in range(10)]
    return rng.permutation(np.concatenate(chosen))


def make(name: str, data_dir: Path, out: Path) -> None:
    """Write `out/<name>.npz`: uint8 x [N, 28, 28] and y [N] of both splits."""
    data = ccl.datasets.load(name, source="tfds", data_dir=data_dir)
    rng = np.random.default_rng(SEED)
    arrays = {}
    for split, rows in zip(("train", "test"), ROWS[name], strict=True):
        x, y = getattr(data, split)
        chosen = balanced_rows(y, rows, rng)
        arrays[f"x_{split}"] = np.round(x[chosen, ..., 0] * 255).astype(np.uint8)
        arrays[f"y_{split}"] = y[chosen].astype(np.uint8)
    np.savez_compressed(out / f"{name}.npz", **arrays)


def main(argv: list[str] | None = None) -> None:
    parser = command_line.parser(__doc__)
    parser.add_argument("--data-dir", type=Path, required=True, help="TFDS folder with both sets")
    parser.add_argument("--out", type=Path, default=EMBEDDED, help="default: the package's folder")
    arguments = parser.parse_args(argv)
    for folder in (arguments.data_dir, arguments.out):
        if not folder.is_dir():
            parser.error(f"there is no folder {str(folder)!r}")
    for name in ROWS:
        make(name, arguments.data_dir, arguments.out)


if __name__ == "__main__":
    main()
