"""Random search over networks and weights of the method; one trial is one whole stream.

    python examples/sweep.py --trials 20                           # embedded subset
    python examples/sweep.py --stream split --trials 20
    python examples/sweep.py --full --data-dir DIR --trials 50     # all of MNIST

Trials are judged on held-out training rows; test rows are not read. Run again with the same --out
it goes on with the trials that are missing. The best trial is printed as code that builds it.
"""

import running

import keras_ccl as ccl
from keras_ccl import tuning

STREAMS = {
    "permuted": lambda data, arguments: ccl.streams.permuted(
        data, tasks=arguments.tasks, seed=arguments.seed
    ),
    "split": lambda data, arguments: ccl.streams.split(data)[: arguments.tasks],
}


def main():
    options = running.parser("sweep", __doc__.splitlines()[0], tasks=3, epochs=5, full_epochs=8)
    options.add_argument("--stream", choices=STREAMS, default="permuted")
    options.add_argument("--trials", type=int, default=10)
    options.add_argument("--dense-only", action="store_true", help="convolutions are slow on CPUs")
    arguments = options.parse_args()
    stream = STREAMS[arguments.stream](running.load("mnist", arguments), arguments)
    found = tuning.search(
        stream,
        (28, 28, 1),
        10,
        trials=arguments.trials,
        directory=arguments.out,
        seed=arguments.seed,
        architectures=("dense",) if arguments.dense_only else ccl.networks.ARCHITECTURES,
        epochs=running.epochs_of(arguments),
    )
    for values in found:
        print(values)
    print(tuning.as_code(found[0], (28, 28, 1), 10, seed=arguments.seed))


if __name__ == "__main__":
    main()
