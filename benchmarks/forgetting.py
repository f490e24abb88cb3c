"""What is left of classes after `forget`, and what an attack finds out about their rows.

    python benchmarks/forgetting.py MODEL.keras --classes 3 --data-dir DIR [--beside] [--gone]

The model has learnt all of the dataset. With --gone the rows of the classes are no more, else
`forget` is given them. A membership attack is told which rows of the classes are training rows and
which are test rows, for half of them; its AUROC is how well it tells the others, 0.5 by chance. It
looks at each number that the model gives of a row, and at all of them together. Training and test
rows may differ by themselves: the same attack is made on the pixels, without any model, and with
--beside on a model that never saw the classes, but has learnt the other rows in one task. The last
line is one JSON object.
"""

import json
from pathlib import Path
from typing import Any

import command_line
import numpy as np

import keras_ccl as ccl

auroc = ccl.uncertainty.auroc

Rows = tuple[np.ndarray, np.ndarray]


def statistics(model: Any, x: np.ndarray, names: list) -> dict[str, np.ndarray]:
    """What the model tells of rows: by name, `[N]` each, of the classes `names` only.

    Args:
        model: the student.
        x: `[N, *input_shape]`.
        names: the classes whose logits are among it.
    """
    logits, familiarity = model.evidence(x)
    logits = logits[:, [model.class_names.index(name) for name in names]]
    logits = logits - logits.max(1, keepdims=True)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    found = {
        "surest": shares.max(1),
        "entropy": -np.sum(shares * np.log(np.maximum(shares, 1e-30)), 1),
        "familiarity": familiarity,
        "bound on log p(x)": model.elbo(x),
        **{f"log p({name})": part for name, part in zip(names, logits.T, strict=True)},
    }
    codes = model.sample_posteriors(x)
    return found | {f"z{k}": part for k, part in enumerate(codes.T)}


def attack(model: Any, members: np.ndarray, others: np.ndarray, names: list) -> dict[str, float]:
    """AUROC of the worst single number of the model, and of all together, learnt on half the rows.

    Args:
        model: the student.
        members: training rows of the classes.
        others: rows of them that no model learnt.
        names: the classes whose logits are used.
    """
    found = [statistics(model, x, names) for x in (members, others)]
    single = {name: auroc(*(part[name] for part in found)) for name in found[0] if name[0] != "z"}
    worst = max(single, key=lambda name: abs(single[name] - 0.5))
    together = learnt_attack([np.stack(list(part.values()), 1) for part in found])
    return {"worst": round(single[worst], 4), "which": worst, "together": together}


def on_pixels(members: np.ndarray, others: np.ndarray, directions: int = 54) -> float:
    """The same attack on the images themselves: what tells training rows from test rows anyway."""
    flat = [x.reshape(len(x), -1) for x in (members, others)]
    centre = np.concatenate(flat).mean(0)
    _, _, axes = np.linalg.svd((np.concatenate(flat) - centre)[::3], full_matrices=False)
    return learnt_attack([(x - centre) @ axes[:directions].T for x in flat])


def learnt_attack(every: list[np.ndarray]) -> float:
    """AUROC on half of the rows of a linear discriminant, learnt on the others.

    Args:
        every: numbers `[N, D]` of members, and of others.
    """
    centre, spread = np.concatenate(every).mean(0), np.concatenate(every).std(0) + 1e-9
    halves = [((part - centre) / spread)[k::2] for k in (0, 1) for part in every]
    known, unknown, *hidden = halves
    within = sum(np.cov(part.T) for part in (known, unknown)) / 2
    direction = np.linalg.solve(within + 0.1 * np.eye(len(within)), known.mean(0) - unknown.mean(0))
    return round(auroc(*(part @ direction for part in hidden)), 4)


def measured(model: Any, train: Rows, test: Rows, classes: list, others: list) -> dict[str, Any]:
    """Accuracies, attack, and how well familiarity tells the classes from the others."""
    (x, y), (u, v) = train, test
    gone = np.isin(v, classes)
    names = np.array(model.class_names, dtype=object)[model.predict(u, verbose=0).argmax(1)]
    known, unknown = (model.familiarity(u[part]) for part in (~gone, gone))
    return {
        "accuracy of the others": round(float((names == v)[~gone].mean()), 4),
        "accuracy of the classes": round(float((names == v)[gone].mean()), 4),
        "attack": attack(model, x[np.isin(y, classes)], u[gone], others),
        "familiarity tells them": round(auroc(known, unknown), 4),
    }


def main(argv: list[str] | None = None) -> None:
    parser = command_line.parser(__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--classes", nargs="+", required=True, help="names")
    parser.add_argument("--data-dir", type=Path, help="TFDS folder; default: the embedded subset")
    parser.add_argument("--gone", action="store_true", help="their rows are no more")
    parser.add_argument("--epochs", type=command_line.positive, default=None)
    parser.add_argument("--beside", action="store_true", help="beside a model that never saw them")
    arguments = command_line.parse(parser, argv, epochs=1)
    model = ccl.load_model(arguments.model)
    source = {"source": "tfds", "data_dir": arguments.data_dir} if arguments.data_dir else {}
    data = ccl.datasets.load(arguments.dataset, **source)
    names = np.array(data.class_names, dtype=object)
    if not isinstance(model.class_names[0], str):
        names = np.arange(len(names)).astype(object)
    train, test = ((x, names[y]) for x, y in (data.train, data.test))
    classes = [name for name in model.class_names if str(name) in arguments.classes]
    others = [name for name in model.class_names if name not in classes]
    rows, unseen = (x[np.isin(y, classes)] for x, y in (train, test))
    found: dict[str, Any] = {"attack on pixels": on_pixels(rows, unseen)}
    found["before"] = measured(model, train, test, classes, others)
    print(found, flush=True)
    of_them = np.isin(train[1], classes)
    given = None if arguments.gone else (rows, train[1][of_them].tolist())
    model.forget(classes, rows=given, epochs=arguments.epochs, verbose=0)
    found["after"] = measured(model, train, test, classes, others)
    print(found["after"], flush=True)
    if arguments.beside:
        x, y = train
        beside = ccl.CCLGM(model.input_shape, class_names=others, seed=0)
        beside.fit_tasks([(x[~of_them], y[~of_them].tolist())], epochs=arguments.epochs, verbose=0)
        found["never saw them"] = measured(beside, train, test, classes, others)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
