"""Fashion-MNIST, two classes at a time, to a model that was told neither their names nor how many.

    python examples/new_classes.py                          # embedded subset, minutes
    python examples/new_classes.py --full --data-dir DIR    # all of it, from a TFDS folder
    python examples/new_classes.py --dataset mnist          # digits in their place

Writes to --out: history.json, figure.png, model.keras, and the exported classifier in export/.
"""

import figures
import numpy as np
import running

import keras_ccl as ccl


def main(argv: list[str] | None = None) -> None:
    parser = running.parser("new_classes", __doc__, tasks=5, most_tasks=5)
    choices = ("mnist", "fashion_mnist")
    parser.add_argument("--dataset", choices=choices, default="fashion_mnist")
    arguments = running.parse(parser, argv)
    data = running.load(arguments.dataset, arguments)
    names = np.array(data.class_names)
    (x, y), (u, v) = data.train, data.test
    named = ccl.Task((x, names[y]), test=(u, names[v]))  # labels such as "Sandal"
    stream = ccl.streams.split(named, order=data.class_names)[: arguments.tasks]

    model = ccl.CCLGM(input_shape=(28, 28, 1), seed=arguments.seed)
    with running.stoppable(arguments):
        history = model.fit_tasks(
            stream, epochs=arguments.epochs, checkpoint_dir=arguments.checkpoint_dir
        )

    print(history.table())
    print("classes:", ", ".join(model.class_names))
    history.to_json(arguments.out / "history.json")
    title = figures.title(f"CCL-GM on split {arguments.dataset}", arguments)
    history.plot(arguments.out / "figure.png", title=title)
    model.save(arguments.out / "model.keras")
    export, examples = arguments.out / "export", running.test_rows(stream[-1])
    ccl.export_student(model, export, formats="onnx", examples=examples, overwrite=True)
    running.check_export(export / "classifier.onnx", stream[-1])
    running.print_summary(history, arguments)


if __name__ == "__main__":
    main()
