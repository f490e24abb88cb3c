"""Fashion-MNIST turned a little further in each task: no default was chosen on this stream.

    python examples/rotated_fashion.py                          # embedded subset, minutes
    python examples/rotated_fashion.py --full --data-dir DIR    # all of it, from a TFDS folder

Task k of n shows the same images turned by (k - 1) 180 / n degrees.
Writes to --out: history.json, figure.png, model.keras, and the exported classifier in export/.
"""

import figures
import running

import keras_ccl as ccl


def main(argv: list[str] | None = None) -> None:
    parser = running.parser("rotated_fashion", __doc__, tasks=5)
    arguments = running.parse(parser, argv)
    fashion = running.load("fashion_mnist", arguments)
    stream = ccl.streams.rotated(fashion, tasks=arguments.tasks)

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
    title = figures.title("CCL-GM on rotated Fashion-MNIST", arguments)
    images = samples.after_each_task(model)
    history.plot(arguments.out / "figure.png", samples=images, title=title)
    model.save(arguments.out / "model.keras")
    export, examples = arguments.out / "export", running.test_rows(stream[-1])
    ccl.export_student(model, export, formats="onnx", examples=examples, overwrite=True)
    running.check_export(export / "classifier.onnx", stream[-1])
    running.print_summary(history, arguments)


if __name__ == "__main__":
    main()
