"""Split MNIST, then one digit is forgotten on request: what is left of it, and of the others.

    python examples/forget_a_class.py                          # embedded subset, minutes
    python examples/forget_a_class.py --full --data-dir DIR    # all of it, from a TFDS folder
    python examples/forget_a_class.py --dataset fashion_mnist  # a class of clothes
    python examples/forget_a_class.py --gone                   # its images are no more

A membership attack asks whether what the model says of an image tells that it was learnt: AUROC of
training images of the class against test images of it, 0.5 by chance. Writes to --out:
history.json, model.keras, and the exported classifier, which never names the class, in export/.
"""

import certainty
import running

import keras_ccl as ccl


def main(argv: list[str] | None = None) -> None:
    parser = running.parser("forget_a_class", __doc__, tasks=5, most_tasks=5)
    parser.add_argument("--dataset", choices=("mnist", "fashion_mnist"), default="mnist")
    parser.add_argument("--forget", type=running.whole_number(0, 9), default=3, help="the class")
    parser.add_argument("--gone", action="store_true", help="its images are not given to forget")
    arguments = running.parse(parser, argv)
    gone, known = arguments.forget, 2 * arguments.tasks
    if not gone < known > 2:
        arguments.error(f"--forget: expected a class of at least 2 tasks, received {gone}")
    data = running.load(arguments.dataset, arguments)
    stream = ccl.streams.split(data)[: arguments.tasks]
    of_it, (u, v) = data.train[1] == gone, (part[data.test[1] < known] for part in data.test)
    rows = tuple(part[of_it] for part in data.train)

    def print_left(when: str) -> None:
        right = model.predict(u, verbose=0).argmax(1) == v
        print(f"{when}: others {right[v != gone].mean():.4f}, {gone} {right[v == gone].mean():.4f}")
        certainty.print_membership(when, model, rows[0], u[v == gone])

    model = ccl.CCLGM(input_shape=(28, 28, 1), num_classes=10, seed=arguments.seed)
    with running.stoppable(arguments):
        history = model.fit_tasks(
            stream, epochs=arguments.epochs, checkpoint_dir=arguments.checkpoint_dir
        )
        print_left("before")
        given = None if arguments.gone else rows
        model.forget(gone, rows=given, epochs=arguments.epochs, verbose=0)

    print_left("after")
    history.to_json(arguments.out / "history.json")
    model.save(arguments.out / "model.keras")
    ccl.export_student(model, arguments.out / "export", formats="onnx", overwrite=True)
    others = ccl.Task(None, test=(u[v != gone], v[v != gone]), name=f"all but {gone}")
    running.check_export(arguments.out / "export" / "classifier.onnx", others)
    running.print_summary(history, arguments)


if __name__ == "__main__":
    main()
