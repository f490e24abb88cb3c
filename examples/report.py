"""A report of split MNIST: R and learning curves, then confusion, certainty and familiarity.

    python examples/report.py                           # embedded subset, minutes
    python examples/report.py --full --data-dir DIR     # all of it, from a TFDS folder
    python examples/report.py --dataset fashion_mnist   # the other way round

A tenth of the training images is held out to calibrate the model; unfamiliar images are of the
other dataset. Writes to --out: report.md with its figures, history.json, evaluation.json, log.csv
(a line per epoch, with the number of the task), model.keras, and the classifier in export/.
"""

import figures
import keras
import running

import keras_ccl as ccl

BOTH = ["mnist", "fashion_mnist"]


def main(argv: list[str] | None = None) -> None:
    parser = running.parser("report", __doc__, tasks=5, most_tasks=5)
    parser.add_argument("--dataset", choices=BOTH, default="mnist")
    arguments = running.parse(parser, argv)
    data, far = (running.load(name, arguments) for name in BOTH)
    if arguments.dataset != data.name:
        data, far = far, data
    (x, y), kept = data.train, len(data.train[0]) * 9 // 10
    stream = ccl.streams.split(ccl.Task((x[:kept], y[:kept]), test=data.test))[: arguments.tasks]
    held_out = ccl.streams.split(ccl.Task((x[kept:], y[kept:])))[arguments.tasks - 1]

    model = ccl.CCLGM(input_shape=(28, 28, 1), num_classes=10, seed=arguments.seed)
    with running.stoppable(arguments):
        history = model.fit_tasks(
            stream,
            epochs=arguments.epochs,
            callbacks=[keras.callbacks.CSVLogger(arguments.out / "log.csv")],
            checkpoint_dir=arguments.checkpoint_dir,
        )

    model.calibrate(held_out.train)
    found = ccl.evaluate(model, stream, unfamiliar=far.test[0])
    title = figures.title(f"CCL-GM on split {data.name}", arguments)
    print(history.report(arguments.out, evaluation=found, title=title))
    model.save(arguments.out / "model.keras")
    ccl.export_student(model, arguments.out / "export", formats="onnx", overwrite=True)
    running.print_end(found.average_accuracy, len(stream), "report", arguments)


if __name__ == "__main__":
    main()
