"""Figure 4 of the paper: MNIST, then Fashion-MNIST, then MNIST with its pixels permuted.

    python examples/mnist_fashion.py                            # embedded subsets, minutes
    python examples/mnist_fashion.py --full --data-dir DIR      # all of both, from a TFDS folder
    python examples/mnist_fashion.py --method all --seeds 0 1   # beside vae-cl, EWC and joint

One head of ten classes serves all three. Writes to --out: history.json, figure.png, model.keras,
and the exported student in export/.
"""

import running

import keras_ccl as ccl


def main():
    about = __doc__.splitlines()[0]
    options = running.parser("mnist_fashion", about, tasks=3, epochs=10, full_epochs=12)
    arguments = options.parse_args()
    mnist, fashion = (running.load(name, arguments) for name in ("mnist", "fashion_mnist"))

    def stream(seed):
        permuted = ccl.streams.permuted(mnist, tasks=2, seed=seed)[1]
        return ccl.streams.sequence(mnist, fashion, permuted)[: arguments.tasks]

    running.run(stream, arguments)


if __name__ == "__main__":
    main()
