"""Split MNIST by a model that tells how sure it is, and which images are like nothing it learnt.

    python examples/unfamiliar.py                           # embedded subset, minutes
    python examples/unfamiliar.py --full --data-dir DIR     # all of it, from a TFDS folder
    python examples/unfamiliar.py --dataset fashion_mnist   # the other way round

A tenth of the training images is held out. Near images are of the last classes, before these are
learnt; far ones are of the other dataset. Writes to --out: history.json, model.keras, and the
exported classifier in export/.
"""

import certainty
import numpy as np
import running

import keras_ccl as ccl
from keras_ccl import uncertainty

BOTH = ["mnist", "fashion_mnist"]


def main(argv: list[str] | None = None) -> None:
    parser = running.parser("unfamiliar", __doc__, tasks=5, most_tasks=5)
    parser.add_argument("--dataset", choices=BOTH, default="mnist")
    arguments = running.parse(parser, argv)
    if arguments.tasks < 2:
        arguments.error("--tasks: expected at least 2, the last of which is unknown at first")
    data, far = (running.load(name, arguments) for name in BOTH)
    if arguments.dataset != data.name:
        data, far = far, data
    (x, y), kept = data.train, len(data.train[0]) * 9 // 10
    stream = ccl.streams.split(ccl.Task((x[:kept], y[:kept]), test=data.test))[: arguments.tasks]
    held_out = ccl.streams.split(ccl.Task((x[kept:], y[kept:])))[arguments.tasks - 1]
    u, v = (np.concatenate(part) for part in zip(*map(running.test_rows, stream), strict=True))
    is_new = np.isin(v, running.test_rows(stream[-1])[1])

    model = ccl.CCLGM(input_shape=(28, 28, 1), num_classes=10, seed=arguments.seed)
    with running.stoppable(arguments):
        model.fit_tasks(stream[:-1], epochs=arguments.epochs)
        certainty.print_separation("near", *(model.familiarity(u[k]) for k in (~is_new, is_new)))
        history = model.fit_tasks(stream[-1:], epochs=arguments.epochs, earlier=stream[:-1])

    print(history.table(), model.calibrate(held_out.train), sep="\n")
    found = model.identify(u)
    certainty.print_calibration("before", model.predict(u, verbose=0), v)
    certainty.print_calibration("after", found.probabilities, v)
    other = model.identify(far.test[0])
    certainty.print_separation("far", found.familiarity, other.familiarity)
    print(f"called familiar: {found.familiar.mean():.3f} known, {other.familiar.mean():.3f} far")
    curve = uncertainty.risk_coverage(found.probability, found.label == v)
    for share in (0.8, 0.9, 0.95, 1):
        print(f"error {np.interp(share, curve.coverage, curve.risk):.4f} of the surest {share:.0%}")
    history.to_json(arguments.out / "history.json")
    model.save(arguments.out / "model.keras")
    ccl.export_student(model, arguments.out / "export", formats="onnx", overwrite=True)
    running.print_summary(history, arguments)


if __name__ == "__main__":
    main()
