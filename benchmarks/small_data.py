"""Small data with no option given: real data sets that packages ship, learnt class by class.

    pip install -e ".[small]"
    python benchmarks/small_data.py [--sets iris digits] [--seeds 0 1 2] [--quick]

Each data set is split into tasks of new classes and learnt by `CCLGM(shape, K)` and
`fit_tasks(tasks)`, with nothing else said; joint training is the same model given all classes as
one task. A quarter of each class is held out, by the seed. The last line is one JSON object: by
data set the rows, the mean over seeds of the average accuracy at the end and of joint training (the
mean over the same tasks), and their distance in points; and the median of the distances.
"""

import functools
import json
from collections.abc import Callable

import command_line
import numpy as np

import keras_ccl as ccl

Rows = tuple[np.ndarray, np.ndarray]


def of_sklearn(name: str) -> Rows:
    from sklearn import datasets

    return getattr(datasets, f"load_{name}")(return_X_y=True)


def of_aeon(name: str) -> Rows:
    """Signals, one vector each: every step of every channel is a feature."""
    from aeon import datasets

    x, y = getattr(datasets, f"load_{name}")()
    return np.reshape(x, (len(x), -1)), np.unique(y, return_inverse=True)[1]


def penguins() -> Rows:
    from palmerpenguins import load_penguins

    table = load_penguins(drop_na=True)
    measured = table[["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]]
    return measured.to_numpy(), np.unique(table["species"], return_inverse=True)[1]


SETS: dict[str, tuple[Callable[[], Rows], int]] = {
    "iris": (functools.partial(of_sklearn, "iris"), 1),
    "wine": (functools.partial(of_sklearn, "wine"), 1),
    "breast_cancer": (functools.partial(of_sklearn, "breast_cancer"), 1),
    "digits": (functools.partial(of_sklearn, "digits"), 2),
    "penguins": (penguins, 1),
    "gunpoint": (functools.partial(of_aeon, "gunpoint"), 1),
    "italy_power_demand": (functools.partial(of_aeon, "italy_power_demand"), 1),
    "arrow_head": (functools.partial(of_aeon, "arrow_head"), 1),
    "basic_motions": (functools.partial(of_aeon, "basic_motions"), 1),
    "acsf1": (functools.partial(of_aeon, "acsf1"), 2),
}
"""How each is read, and how many classes a task brings."""


def held_out(rows: Rows, seed: int) -> ccl.Task:
    """The rows in another order, a quarter of each class as test rows."""
    x, y = np.asarray(rows[0], np.float32), np.asarray(rows[1], np.int32)
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = x[order], y[order]
    test = np.zeros(len(y), bool)
    for k in np.unique(y):
        of_class = np.flatnonzero(y == k)
        test[of_class[: round(len(of_class) / 4)]] = True
    return ccl.Task((x[~test], y[~test]), test=(x[test], y[test]))


def accuracies(rows: Rows, classes_per_task: int, seed: int) -> tuple[float, float]:
    """Average accuracy at the end, of the tasks in sequence and of all classes at once."""
    data = held_out(rows, seed)
    stream = ccl.streams.split(data, classes_per_task=classes_per_task)
    shape, classes = data.train[0].shape[1:], len(np.unique(data.train[1]))

    model = ccl.CCLGM(shape, classes, seed=seed)
    history = model.fit_tasks(stream, verbose=0)

    joint = ccl.CCLGM(shape, classes, seed=seed)
    joint.fit_tasks([data.train], verbose=0)
    measured = [joint.evaluate(*task.test(), verbose=0, return_dict=True) for task in stream]
    return history.average_accuracy[-1], np.mean([each["accuracy"] for each in measured])


def main(argv: list[str] | None = None) -> None:
    parser = command_line.parser(__doc__)
    parser.add_argument("--sets", choices=SETS, nargs="+", default=list(SETS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = command_line.parse(parser, argv, sets=["wine"], seeds=[0])
    found = {}
    for name in arguments.sets:
        read, classes_per_task = SETS[name]
        rows = read()
        both = [accuracies(rows, classes_per_task, seed) for seed in arguments.seeds]
        in_sequence, joint = np.mean(both, 0)
        found[name] = {
            "rows": len(rows[1]),
            "features": int(np.prod(np.shape(rows[0])[1:])),
            "tasks": -(-len(np.unique(rows[1])) // classes_per_task),
            "average_accuracy": round(float(in_sequence), 4),
            "joint": round(float(joint), 4),
            "points_below_joint": round(100 * float(joint - in_sequence), 2),
        }
        print(f"{name}: {found[name]}", flush=True)
    distances = [each["points_below_joint"] for each in found.values()]
    print(
        json.dumps(
            {
                "seeds": arguments.seeds,
                "sets": found,
                "median_points_below_joint": round(float(np.median(distances)), 2),
            }
        )
    )


if __name__ == "__main__":
    main()
