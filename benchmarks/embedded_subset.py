"""Make the embedded subsets: python -m keras_ccl.data.make_subset --data-dir DIR

Train rows come from the train split, test rows from the test split, the same number of each class.
"""

import argparse
from pathlib import Path

import numpy as np

from keras_ccl.data import datasets

ROWS = {"mnist": (10_000, 2_000), "fashion_mnist": (6_000, 1_000)}
SEED = 20181026


def balanced_rows(y, rows, rng):
    """Indices of `rows` rows, the same number of each of 10 classes, in random order."""
    each = rows // 10
    chosen = [rng.choice(np.flatnonzero(y == k), each, replace=False) for k in range(10)]
    return rng.permutation(np.concatenate(chosen))


def make(name, data_dir, out):
    """Write `out/<name>.npz`: uint8 x [N, 28, 28] and y [N] of both splits."""
    data = datasets.load(name, source="tfds", data_dir=data_dir)
    rng = np.random.default_rng(SEED)
    arrays = {}
    for split, rows in zip(("train", "test"), ROWS[name], strict=True):
        x, y = getattr(data, split)
        chosen = balanced_rows(y, rows, rng)
        arrays[f"x_{split}"] = np.round(x[chosen, ..., 0] * 255).astype(np.uint8)
        arrays[f"y_{split}"] = y[chosen].astype(np.uint8)
    np.savez_compressed(out / f"{name}.npz", **arrays)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", required=True, help="TFDS folder with the genuine sets")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    arguments = parser.parse_args()
    for dataset_name in ROWS:
        make(dataset_name, arguments.data_dir, arguments.out)
