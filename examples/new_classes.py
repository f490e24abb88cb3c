"""Fashion-MNIST, two classes at a time, to a model that was told neither their names nor how many.

    python examples/new_classes.py                          # embedded subset, minutes
    python examples/new_classes.py --full --data-dir DIR    # all of it, from a TFDS folder

Writes to --out: history.json, figure.png, model.keras, and the exported classifier in export/.
"""

import numpy as np
import running

import keras_ccl as ccl


def main(argv: list[str] | None = None) -> None:
    parser = running.parser("new_classes", __doc__, tasks=5, most_tasks=5)
    arguments = running.parse(parser, argv)
    fashion = running.load("fashion_mnist", arguments)
    names = np.array(fashion.class_names)
    (x, y), (u, v) = fashion.train, fashion.test
    named = ccl.Task((x, names[y]), test=(u, names[v]))  # labels such as "Sandal"
    stream = ccl.streams.split(named, order=fashion.class_names)[: arguments.tasks]

    model = ccl.CCLGM(input_shape=(28, 28, 1), seed=arguments.seed)
    with running.stoppable(arguments):
        history = model.fit_tasks(
            stream, epochs=arguments.epochs, checkpoint_dir=arguments.checkpoint_dir
        )

    print(history.table())
    print("classes:", ", ".join(model.class_names))
    history.to_json(arguments.out / "history.json")
    history.plot(arguments.out / "figure.png")
    model.save(arguments.out / "model.keras")
    export, examples = arguments.out / "export", running.test_rows(stream[-1])
    ccl.export_student(model, export, formats="onnx", examples=examples, overwrite=True)
    running.check_export(export / "classifier.onnx", stream[-1])
    running.print_summary(history, arguments)


if __name__ == "__main__":
    main()
