"""Permuted MNIST, Figure 3 of the paper: a classifier learns task after task and does not forget.

    python examples/permuted_mnist.py                           # embedded subset, minutes
    python examples/permuted_mnist.py --full --data-dir DIR     # all of MNIST, from a TFDS folder

Task 1 is MNIST; each later task shows the same images with the pixels in another fixed order.
Writes to --out: history.json, figure.png, model.keras, and the exported classifier in export/.
"""

import figures
import running

import keras_ccl as ccl


def main(argv: list[str] | None = None) -> None:
    parser = running.parser("permuted_mnist", __doc__, tasks=5)
    arguments = running.parse(parser, argv)
    mnist = running.load("mnist", arguments)
    stream = ccl.streams.permuted(mnist, tasks=arguments.tasks, seed=arguments.seed)

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
    title = figures.title("CCL-GM on permuted MNIST", arguments)
    images = samples.after_each_task(model)
    history.plot(arguments.out / "figure.png", samples=images, title=title)
    model.save(arguments.out / "model.keras")
    export, examples = arguments.out / "export", running.test_rows(stream[-1])
    ccl.export_student(model, export, formats="onnx", examples=examples, overwrite=True)
    running.check_export(export / "classifier.onnx", stream[-1])
    running.print_summary(history, arguments)


if __name__ == "__main__":
    main()
