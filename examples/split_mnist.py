"""Class-incremental MNIST: two new digits per task, one head for all ten, no task label at test.

    python examples/split_mnist.py                              # embedded subset, minutes
    python examples/split_mnist.py --full --data-dir DIR        # all of MNIST, from a TFDS folder
    python examples/split_mnist.py --dataset fashion_mnist      # Fashion-MNIST in its place

Writes to --out: history.json, figure.png, model.keras, and the exported classifier in export/.
"""

import figures
import running

import keras_ccl as ccl


def main(argv: list[str] | None = None) -> None:
    parser = running.parser("split_mnist", __doc__, tasks=5, most_tasks=5)
    parser.add_argument("--dataset", choices=("mnist", "fashion_mnist"), default="mnist")
    arguments = running.parse(parser, argv)
    data = running.load(arguments.dataset, arguments)
    stream = ccl.streams.split(data, classes_per_task=2)[: arguments.tasks]

    model = ccl.CCLGM(input_shape=(28, 28, 1), num_classes=10, seed=arguments.seed)
    samples = figures.TeacherSamples()
    with running.stoppable(arguments):
        history = model.fit_tasks(
            stream,
            epochs=arguments.epochs,
            callbacks=[samples],
            checkpoint_dir=arguments.checkpoint_dir,
        )

    print(history.table())
    history.to_json(arguments.out / "history.json")
    title = figures.title(f"CCL-GM on split {arguments.dataset}", arguments)
    images = samples.after_each_task(model)
    history.plot(arguments.out / "figure.png", samples=images, title=title)
    model.save(arguments.out / "model.keras")
    export, examples = arguments.out / "export", running.test_rows(stream[-1])
    ccl.export_student(model, export, formats="onnx", examples=examples, overwrite=True)
    running.check_export(export / "classifier.onnx", stream[-1])
    running.print_summary(history, arguments)


if __name__ == "__main__":
    main()
