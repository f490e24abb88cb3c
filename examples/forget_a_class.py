"""Split MNIST, then one digit is forgotten on request: what is left of it, and of the others.

    python examples/forget_a_class.py                          # embedded subset, minutes
    python examples/forget_a_class.py --full --data-dir DIR    # all of it, from a TFDS folder
    python examples/forget_a_class.py --dataset fashion_mnist  # a class of clothes
    python examples/forget_a_class.py --gone                   # its images are no more

A membership attack asks whether what the model says of an image tells that it was learnt: AUROC of
training images of the class against test images of it, 0.5 by chance. Writes to --out:
history.json, model.keras, and the exported classifier, which never names the class, in export/.
"""

import numpy as np
import running

import keras_ccl as ccl


def print_left(when: str, model: ccl.CCLGM, members: np.ndarray, test: tuple, gone: int) -> None:
    """Print accuracies, and how well an attack tells members from test images of the class."""
    (u, v), shares = test, model.predict(test[0], verbose=0)
    right, is_gone = shares.argmax(1) == v, v == gone
    print(f"{when}: accuracy {right[~is_gone].mean():.4f}, of {gone} {right[is_gone].mean():.4f}")
    unseen, surest = u[is_gone], lambda x: model.predict(x, verbose=0).max(1)
    scores = {"bound": model.elbo, "familiarity": model.familiarity, "probability": surest}
    found = (f"{k} {ccl.uncertainty.auroc(f(members), f(unseen)):.3f}" for k, f in scores.items())
    print(f"{when}: membership attack, AUROC by", ", ".join(found))


def main(argv: list[str] | None = None) -> None:
    parser = running.parser("forget_a_class", __doc__, tasks=5, most_tasks=5)
    parser.add_argument("--dataset", choices=("mnist", "fashion_mnist"), default="mnist")
    parser.add_argument("--forget", type=running.whole_number(0, 9), default=3, help="the class")
    parser.add_argument("--gone", action="store_true", help="its images are not given to forget")
    arguments = running.parse(parser, argv)
    gone, learnt = arguments.forget, 2 * arguments.tasks
    if gone >= learnt or learnt < 4:
        arguments.error(f"--forget: expected a class of at least 2 tasks, received {gone}")
    data = running.load(arguments.dataset, arguments)
    (x, y), (u, v) = data.train, data.test
    stream = ccl.streams.split(data)[: arguments.tasks]
    members, test = x[y == gone], (u[v < learnt], v[v < learnt])

    model = ccl.CCLGM(input_shape=(28, 28, 1), num_classes=10, seed=arguments.seed)
    with running.stoppable(arguments):
        history = model.fit_tasks(
            stream, epochs=arguments.epochs, checkpoint_dir=arguments.checkpoint_dir
        )
        print_left("before", model, members, test, gone)
        rows = None if arguments.gone else (members, y[y == gone])
        model.forget(gone, rows=rows, epochs=arguments.epochs, verbose=0)

    print_left("after", model, members, test, gone)
    history.to_json(arguments.out / "history.json")
    model.save(arguments.out / "model.keras")
    export, others = arguments.out / "export", test[1] != gone
    examples = tuple(part[others] for part in test)
    ccl.export_student(model, export, formats="onnx", examples=examples, overwrite=True)
    running.check_export(export / "classifier.onnx", ccl.Task(None, test=examples, name="others"))
    running.print_summary(history, arguments)


if __name__ == "__main__":
    main()
