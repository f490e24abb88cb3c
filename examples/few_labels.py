"""Fashion-MNIST, two classes at a time, with a label on one image of ten.

    python examples/few_labels.py                           # embedded subset, minutes
    python examples/few_labels.py --full --data-dir DIR     # all of it, from a TFDS folder
    python examples/few_labels.py --percent 1               # a label on one of a hundred

Writes to --out: history.json, figure.png, model.keras, and the exported classifier in export/.
"""

import running

import keras_ccl as ccl


def main(argv: list[str] | None = None) -> None:
    parser = running.parser("few_labels", __doc__, tasks=5, most_tasks=5)
    parser.add_argument("--percent", type=running.whole_number(1, 100), default=10)
    arguments = running.parse(parser, argv)
    data = running.load("fashion_mnist", arguments)
    stream = ccl.streams.split(data)[: arguments.tasks]
    fraction = arguments.percent / 100
    stream = ccl.streams.partly_labelled(stream, fraction=fraction, seed=arguments.seed)

    model = ccl.CCLGM(input_shape=(28, 28, 1), num_classes=10, seed=arguments.seed)
    with running.stoppable(arguments):
        history = model.fit_tasks(
            stream, epochs=arguments.epochs, checkpoint_dir=arguments.checkpoint_dir
        )

    print(history.table())
    print("train images without a label, by task:", history.unlabelled)
    history.to_json(arguments.out / "history.json")
    history.plot(arguments.out / "figure.png")
    model.save(arguments.out / "model.keras")
    export, examples = arguments.out / "export", running.test_rows(stream[-1])
    ccl.export_student(model, export, formats="onnx", examples=examples, overwrite=True)
    running.check_export(export / "classifier.onnx", stream[-1])
    running.print_summary(history, arguments)


if __name__ == "__main__":
    main()
