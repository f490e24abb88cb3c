"""Digits that come in one stream, two new ones after a while, and nobody tells when.

    python examples/no_boundaries.py                          # embedded subset, minutes
    python examples/no_boundaries.py --full --data-dir DIR    # all of MNIST, from a TFDS folder
    python examples/no_boundaries.py --stream permuted        # pixels are permuted after a while
    python examples/no_boundaries.py --mixing 0.1             # one task fades into the next

Writes to --out: history.json, model.keras, and the exported classifier in export/.
"""

import running

import keras_ccl as ccl

STREAMS = ("split", "permuted")


def main(argv: list[str] | None = None) -> None:
    parser = running.parser("no_boundaries", __doc__, tasks=5, most_tasks=5, resumes=False)
    parser.add_argument("--dataset", choices=("mnist", "fashion_mnist"), default="mnist")
    parser.add_argument("--stream", choices=STREAMS, default=STREAMS[0])
    parser.add_argument("--mixing", type=running.share, default=0.0, help="of rows out of place")
    parser.add_argument("--schedule", choices=("gaussian", "blurry"), default="gaussian")
    arguments = running.parse(parser, argv)
    data = running.load(arguments.dataset, arguments)
    if arguments.stream == "split":
        tasks = ccl.streams.split(data)[: arguments.tasks]
    else:
        tasks = ccl.streams.permuted(data, tasks=arguments.tasks, seed=arguments.seed)
    mixing = {"mixing": arguments.mixing, "schedule": arguments.schedule}
    stream = ccl.streams.blurred(tasks, **mixing, seed=arguments.seed)

    model = ccl.CCLGM(input_shape=(28, 28, 1), num_classes=10, seed=arguments.seed)
    with running.stoppable(arguments):
        history = model.fit_stream(
            stream.rows, epochs=arguments.epochs, test=stream.tasks, measure_every=2048
        )

    print(history.table())
    print("a task ended after so many rows:", *stream.ends)
    print(f"accuracy over time {history.accuracy_over_time(stream.begins):.4f}")
    print(f"worst accuracy since a task ended {history.worst_accuracy(stream.ends):.4f}")
    print(f"forgetting at the worst moment {history.worst_forgetting():.4f}")
    history.to_json(arguments.out / "history.json")
    model.save(arguments.out / "model.keras")
    export, examples = arguments.out / "export", running.test_rows(tasks[-1])
    ccl.export_student(model, export, formats="onnx", examples=examples, overwrite=True)
    running.check_export(export / "classifier.onnx", tasks[-1])
    running.print_end(history.accuracy[-1].mean(), len(tasks), "history", arguments)


if __name__ == "__main__":
    main()
