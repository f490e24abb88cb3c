"""Export the student of a saved model: classifier and decoder, verified, without teacher.

python export/export_student.py MODEL.keras OUT --formats saved_model onnx --quantize int8
"""

import argparse
import sys
from pathlib import Path

import numpy as np

import keras_ccl as ccl
from keras_ccl.data.untrusted_files import as_value_error, read_npz
from keras_ccl.export.formats import FORMATS


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("model", type=Path, help="a .keras file")
    parser.add_argument("out", type=Path, help="a folder, new or empty")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=["saved_model", "onnx"])
    parser.add_argument("--quantize", choices=["int8"])
    parser.add_argument("--examples", type=Path, help=".npz with x and y to measure accuracy on")
    parser.add_argument("--class-names", nargs="+", metavar="NAME")
    parser.add_argument("--overwrite", action="store_true")
    return parser.parse_args()


def read_examples(path: Path | None) -> tuple[np.ndarray, np.ndarray] | None:
    """Read the arrays x and y of an .npz file, if there is one.

    Args:
        path: The file, or None.

    Returns:
        The arrays, or None.

    Raises:
        ValueError: If the file is damaged or holds no such arrays.
    """
    if path is None:
        return None
    with as_value_error(path, "an .npz file of arrays x and y"):
        arrays = read_npz(path.read_bytes())
        if not {"x", "y"} <= set(arrays):
            raise ValueError(f"arrays {sorted(arrays)}")
    return arrays["x"], arrays["y"]


def main() -> int:
    arguments = parse_arguments()
    try:
        model = ccl.load_model(arguments.model)
        about = ccl.export_student(
            model,
            arguments.out,
            formats=arguments.formats,
            quantize=arguments.quantize,
            examples=read_examples(arguments.examples),
            class_names=arguments.class_names,
            overwrite=arguments.overwrite,
        )
    except (ImportError, OSError, TypeError, ValueError) as error:
        print(f"export_student: {error}", file=sys.stderr)
        return 2
    for name, record in about["artefacts"].items():
        worst = max(record["worst_difference"].values())
        told = f"{record['bytes'] / 1e6:6.2f} MB, worst difference to Keras {worst:.1e}"
        if "accuracy" in record:
            told += f", accuracy {record['accuracy']:.4f} (Keras {record['accuracy_of_keras']:.4f})"
        print(f"{name:<22}{told}, labels equal {record['labels_equal']:.4%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
