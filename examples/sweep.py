"""Random search over networks and weights of the method; one trial is one whole stream.

    python examples/sweep.py --trials 20                           # embedded subset
    python examples/sweep.py --stream split --trials 20
    python examples/sweep.py --full --data-dir DIR --trials 50     # all of MNIST

Trials are judged on held-out training rows; test rows are not read. Run again with the same --out
it goes on with the trials that are missing. The best trial is printed as code that builds it.
"""

import argparse
from pathlib import Path

import running

import keras_ccl as ccl
from keras_ccl import tuning

SPLIT_TASKS = 5


def command_line() -> running.Parser:
    parser = running.Parser(
        prog="sweep.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    running.add_stream_options(parser, tasks=3, epochs=5)
    parser.add_argument("--stream", choices=("permuted", "split"), default="permuted")
    parser.add_argument("--trials", type=running.whole_number(1), default=10)
    parser.add_argument("--dense-only", action="store_true", help="convolutions are slow on CPUs")
    parser.add_argument("--seed", type=running.seed_number, default=0, help="of stream and search")
    parser.add_argument("--out", type=running.folder, default=Path("out") / "sweep")
    return parser


def main(argv: list[str] | None = None) -> None:
    parser = command_line()
    arguments = running.parse(parser, argv)
    if arguments.stream == "split" and arguments.tasks > SPLIT_TASKS:
        parser.error(f"--tasks: split has {SPLIT_TASKS} tasks, received {arguments.tasks}")
    data = running.load("mnist", arguments)
    if arguments.stream == "split":
        stream = ccl.streams.split(data, classes_per_task=2)[: arguments.tasks]
    else:
        stream = ccl.streams.permuted(data, tasks=arguments.tasks, seed=arguments.seed)
    found = tuning.search(
        stream,
        (28, 28, 1),
        10,
        trials=arguments.trials,
        directory=arguments.out,
        seed=arguments.seed,
        architectures=("dense",) if arguments.dense_only else ccl.networks.ARCHITECTURES,
        epochs=arguments.epochs,
    )
    for values in found:
        print(values)
    print(tuning.as_code(found[0], (28, 28, 1), 10, seed=arguments.seed))


if __name__ == "__main__":
    main()
