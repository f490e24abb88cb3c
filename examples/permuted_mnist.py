"""Figure 3 of the paper: a classifier learns permuted MNIST, task after task, and does not forget.

    python examples/permuted_mnist.py                             # embedded subset, minutes
    python examples/permuted_mnist.py --full --data-dir DIR       # all of MNIST, from a TFDS folder
    python examples/permuted_mnist.py --method all --seeds 0 1 2  # beside vae-cl, EWC and joint

Task 1 is MNIST; each later task shows the same rows with the pixels in another fixed order.
Writes to --out: history.json, figure.png, model.keras, and the exported student in export/.
"""

import running

import keras_ccl as ccl


def main():
    about = __doc__.splitlines()[0]
    options = running.parser("permuted_mnist", about, tasks=5, epochs=10, full_epochs=12)
    arguments = options.parse_args()
    data = running.load("mnist", arguments)
    running.run(
        lambda seed: ccl.streams.permuted(data, tasks=arguments.tasks, seed=seed), arguments
    )


if __name__ == "__main__":
    main()
