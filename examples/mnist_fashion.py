"""Figure 4 of the paper: MNIST, then Fashion-MNIST, then MNIST with its pixels permuted.

    python examples/mnist_fashion.py                            # embedded subsets, minutes
    python examples/mnist_fashion.py --full --data-dir DIR      # all of both, from a TFDS folder

One head of ten classes serves all three tasks.
Writes to --out: history.json, figure.png, model.keras, and the exported classifier in export/.
"""

import figures
import running

import keras_ccl as ccl


def main(argv: list[str] | None = None) -> None:
    parser = running.parser("mnist_fashion", __doc__, tasks=3, most_tasks=3)
    arguments = running.parse(parser, argv)
    mnist = running.load("mnist", arguments)
    fashion = running.load("fashion_mnist", arguments)
    permuted = ccl.streams.permuted(mnist, tasks=2, seed=arguments.seed)[1]
    stream = ccl.streams.sequence(mnist, fashion, permuted)[: arguments.tasks]

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
    title = figures.title("CCL-GM on MNIST, Fashion-MNIST, permuted MNIST", arguments)
    images = samples.after_each_task(model)
    history.plot(arguments.out / "figure.png", samples=images, title=title)
    model.save(arguments.out / "model.keras")
    export, examples = arguments.out / "export", running.test_rows(stream[-1])
    ccl.export_student(model, export, formats="onnx", examples=examples, overwrite=True)
    running.check_export(export / "classifier.onnx", stream[-1])
    running.print_summary(history, arguments)


if __name__ == "__main__":
    main()
